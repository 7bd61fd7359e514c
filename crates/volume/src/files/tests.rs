use std::os::unix::fs::symlink;

use rustix::fs::{CWD, Mode, mkfifoat};

use super::*;

fn provider_written(
    path: &Path,
    most_bytes: u64,
    most_files: u64,
) -> Result<Vec<(String, Vec<u8>)>, &'static str> {
    let root = Dir::open(path).expect("opens");
    match Reader::new(most_bytes, most_files, b"").provider_written(&root) {
        Ok(files) => Ok(files.into_iter().map(|(path, contents)| (path, contents.into_inner())).collect()),
        Err(ReadError::TooManyBytes) => Err("bytes"),
        Err(ReadError::TooManyFiles) => Err("files"),
        Err(ReadError::Step(error)) => panic!("{error:?}"),
        Err(ReadError::Incomplete) => panic!("nobody looks at marks here"),
    }
}

#[test]
fn hostile_volume() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(at("sub/deep")).expect("directories");
    std::fs::create_dir_all(at("..hidden")).expect("directories");
    for (name, contents) in [("file", "1"), ("sub/deep/file", "22"), ("..hidden/file", "333"), ("empty", "")]
    {
        std::fs::write(at(name), contents).expect("file");
    }
    for (name, text) in [
        ("passwd", "/etc/passwd"),
        ("etc", "/etc"),
        ("up", "../.."),
        ("proc", "/proc/self/fd/0"),
        ("nowhere", "gone"),
        ("loop", "loop"),
        ("chain", "alias"),
        ("sub/inner", "../file"),
        ("through", "etc/passwd"),
        ("alias", "file"),
        ("tree", "sub"),
        ("kept", "..hidden/file"),
    ] {
        symlink(text, at(name)).expect("link");
    }
    mkfifoat(CWD, at("fifo"), Mode::RUSR).expect("fifo");
    mkfifoat(CWD, at("sub/fifo"), Mode::RUSR).expect("fifo");
    std::os::unix::net::UnixListener::bind(at("socket")).expect("socket");

    let files = provider_written(directory.path(), 100, 100).expect("reads");
    let root = Dir::open(directory.path()).expect("opens");
    let beginning = Reader::new(4, 100, b"22").provider_written(&root).ok().expect("no more is needed");
    assert_eq!(beginning.into_keys().collect::<Vec<_>>(), ["sub/deep/file", "tree/deep/file"]);
    let expected: [(&str, &[u8]); 6] = [
        ("alias", b"1"),
        ("empty", b""),
        ("file", b"1"),
        ("kept", b"333"),
        ("sub/deep/file", b"22"),
        ("tree/deep/file", b"22"),
    ];
    assert_eq!(files, expected.map(|(name, contents)| (name.to_owned(), contents.to_vec())));
}

#[test]
fn bounds() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let huge = std::fs::File::create(directory.path().join("huge")).expect("file");
    huge.set_len(1 << 40).expect("sparse");
    assert_eq!(provider_written(directory.path(), 1 << 20, 10), Err("bytes"));
    huge.set_len(6).expect("shrinks");
    std::fs::write(directory.path().join("other"), "12345").expect("file");
    assert_eq!(provider_written(directory.path(), 10, 10), Err("bytes"));
    assert_eq!(provider_written(directory.path(), 11, 2).map(|files| files.len()), Ok(2));
    assert_eq!(provider_written(directory.path(), 11, 1), Err("files"));
}
