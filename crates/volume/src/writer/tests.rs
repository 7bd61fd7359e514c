use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::whole::{number_of, numbered, payload, record, spec, time, write_to};
use super::*;
use crate::payload::Limits;

struct Volume(tempfile::TempDir);

impl Volume {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, files: &[(&str, i32, &str)]) -> Replaced {
        write_to(self.0.path(), &payload(files), Ownership::default()).expect("writes")
    }

    fn generation(&self) -> PathBuf {
        std::fs::read_link(self.at(DATA)).expect("a link")
    }

    /// The names at the top, and what files below them hold, as a container sees them.
    fn tree(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut unvisited = vec![PathBuf::new()];
        while let Some(below) = unvisited.pop() {
            for entry in std::fs::read_dir(self.0.path().join(&below)).expect("lists") {
                let path = below.join(entry.expect("an entry").file_name());
                let hidden = layout::is_hidden(path.as_os_str());
                if self.0.path().join(&path).is_dir() && !hidden {
                    unvisited.push(path);
                } else if !hidden {
                    let contents = std::fs::read_to_string(self.0.path().join(&path)).expect("reads");
                    found.push((path.display().to_string(), contents));
                }
            }
        }
        found.sort();
        found
    }

    fn hidden(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.0.path()).expect("lists").map(|entry| entry.expect("an entry"));
        let names = names.map(|entry| entry.file_name().into_string().expect("text"));
        let mut hidden: Vec<_> = names.filter(|name| name.starts_with("..")).collect();
        hidden.sort();
        hidden
    }

    /// Only the shown generation and the link to it, once the one before has been swept away.
    fn assert_tidy(&self) {
        assert!(self.hidden().len() <= 3, "at most one earlier generation: {:?}", self.hidden());
        let root = Dir::open(self.0.path()).expect("opens");
        sweep(&root, &self.generation(), Ownership::default()).expect("sweeps");
        assert_eq!(self.hidden(), [self.generation().display().to_string(), DATA.to_owned()]);
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(path, contents)| ((*path).to_owned(), (*contents).to_owned())).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).expect("exists").permissions().mode() & 0o7777
}

#[test]
fn layout_of_kubernetes() {
    let volume = Volume::new();
    assert_eq!(volume.write(&[("a", 0o644, "1"), ("b/c/d", 0o400, "2"), ("b/e", 0, "")]), Replaced::Written);
    let generation = volume.generation();
    assert!(generation.to_str().expect("text").starts_with("..2026_11_24_00_00_00."));
    for (link, text) in [("a", "..data/a"), ("b", "..data/b")] {
        assert_eq!(std::fs::read_link(volume.at(link)).expect("a link"), Path::new(text));
    }
    for (path, expected) in
        [("", 0o755), ("b", 0o755), ("b/c", 0o755), ("a", 0o644), ("b/c/d", 0o400), ("b/e", 0)]
    {
        assert_eq!(mode(&volume.at(generation.to_str().expect("text")).join(path)), expected, "{path}");
    }
    assert_eq!(mode(volume.0.path()), 0o755);
    volume.assert_tidy();
}

#[test]
fn i4_unchanged_writes_nothing() {
    let volume = Volume::new();
    let files = [("a", 0o644, "1"), ("b/c", 0o600, "2")];
    volume.write(&files);
    let stamp = |path: &Path| {
        let metadata = std::fs::symlink_metadata(path).expect("exists");
        (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
    };
    let all =
        || ["", DATA, "a", "b", "..data/a", "b/c", "..data/", "..data/b"].map(|name| stamp(&volume.at(name)));
    let before = all();
    assert_eq!(volume.write(&files), Replaced::Unchanged);
    assert_eq!(before, all());
}

#[test]
fn every_difference_is_written() {
    let first = [("a", 0o644, "1"), ("b/c", 0o600, "2")];
    for second in [
        &[("a", 0o644, "2"), ("b/c", 0o600, "2")][..],
        &[("a", 0o640, "1"), ("b/c", 0o600, "2")],
        &[("a", 0o644, "1")],
        &[("b/c", 0o600, "2")],
        &[("a", 0o644, "1"), ("b/c", 0o600, "2"), ("d", 0o644, "")],
        &[("a", 0o644, "1"), ("b/c", 0o600, "2"), ("b/d/e", 0o644, "")],
        &[("a", 0o644, "1"), ("b", 0o600, "2")],
        &[("a/c", 0o644, "1"), ("b", 0o600, "2")],
        &[("a", 0o644, "10"), ("b/c", 0o600, "2")],
        &[],
    ] {
        let volume = Volume::new();
        volume.write(&first);
        assert_eq!(volume.write(second), Replaced::Written);
        let expected: Vec<_> = second.iter().map(|(path, _, contents)| (*path, *contents)).collect();
        assert_eq!(volume.tree(), pairs(&expected));
        volume.assert_tidy();
        assert_eq!(volume.write(second), Replaced::Unchanged);
    }
}

#[test]
fn large_files_are_compared_whole() {
    let volume = Volume::new();
    let mut contents = vec![b'x'; 200_000];
    let mut write = || {
        let files = Payload::validate(vec![spec("a", 0o644, &contents)], &Limits::default()).expect("valid");
        contents[199_999] = b'y';
        write_to(volume.0.path(), &files, Ownership::default()).expect("writes")
    };
    assert_eq!([write(), write(), write()], [Replaced::Written, Replaced::Written, Replaced::Unchanged]);
}

#[test]
fn group_of_the_pod() {
    let group = std::fs::metadata(Volume::new().0.path()).expect("exists").gid();
    let volume = Volume::new();
    let files = payload(&[("a", 0o600, "1"), ("b/c", 0o644, "2"), ("b/d", 0o401, "3")]);
    let ownership = Ownership { group: Some(group) };
    assert_eq!(write_to(volume.0.path(), &files, ownership).expect("writes"), Replaced::Written);
    assert_eq!(write_to(volume.0.path(), &files, ownership).expect("writes"), Replaced::Unchanged);
    let generation = volume.at(volume.generation().to_str().expect("text"));
    for (path, expected) in [("", 0o2750), ("b", 0o2750), ("a", 0o640), ("b/c", 0o644), ("b/d", 0o441)] {
        assert_eq!(mode(&generation.join(path)), expected, "{path}");
    }
    assert_eq!(write_to(volume.0.path(), &files, Ownership::default()).expect("writes"), Replaced::Written);
}

#[test]
fn leftovers_of_a_killed_write_are_removed() {
    let volume = Volume::new();
    volume.write(&[("a", 0o644, "1"), ("b", 0o644, "2")]);
    std::fs::create_dir_all(volume.at("..2025_01_01_00_00_00.1/deep/er")).expect("orphan");
    std::fs::create_dir_all(volume.at("..removed.5/x")).expect("orphan");
    symlink("..2025_01_01_00_00_00.1", volume.at(DATA_TMP)).expect("link");
    symlink("..data/a", volume.at(LINK_TMP)).expect("link");
    symlink("..data/gone", volume.at("gone")).expect("link");
    std::fs::remove_file(volume.at("a")).expect("removes");
    std::fs::remove_file(volume.at("b")).expect("removes");
    symlink("/etc/passwd", volume.at("b")).expect("link");
    assert_eq!(volume.write(&[("a", 0o644, "1"), ("b", 0o644, "2")]), Replaced::Unchanged);
    assert_eq!(volume.tree(), pairs(&[("a", "1"), ("b", "2")]));
    volume.assert_tidy();
}

#[test]
fn files_of_a_provider_give_way() {
    let volume = Volume::new();
    std::fs::write(volume.at("a"), "old").expect("file");
    std::fs::create_dir_all(volume.at("b/x/y")).expect("directory");
    std::fs::write(volume.at("b/x/y/z"), "old").expect("file");
    std::fs::write(volume.at("stays?"), "old").expect("file");
    std::fs::write(volume.at(layout::PROVIDER_WRITTEN), "").expect("mark");
    assert_eq!(volume.write(&[("a", 0o644, "1"), ("b/x", 0o644, "2")]), Replaced::Written);
    assert_eq!(volume.tree(), pairs(&[("a", "1"), ("b/x", "2")]));
    volume.assert_tidy();
}

#[test]
fn incomplete_volume_is_begun_anew() {
    let volume = Volume::new();
    std::fs::write(volume.at("a"), "half").expect("file");
    std::fs::write(volume.at(layout::PENDING), "").expect("mark");
    assert_eq!(volume.write(&[("b", 0o644, "1")]), Replaced::Written);
    assert_eq!(volume.tree(), pairs(&[("b", "1")]));
    volume.assert_tidy();
}

/// As the Go driver v1.6.0 leaves it: the same layout, with names of its own choice.
#[test]
fn volume_of_the_go_driver_is_taken_over() {
    let volume = Volume::new();
    std::fs::create_dir_all(volume.at("..2025_06_01_10_11_12.3141592653/b")).expect("directory");
    for (name, contents) in [("a", "1"), ("b/c", "2")] {
        std::fs::write(volume.at("..2025_06_01_10_11_12.3141592653").join(name), contents).expect("file");
    }
    symlink("..2025_06_01_10_11_12.3141592653", volume.at(DATA)).expect("link");
    symlink("..data/a", volume.at("a")).expect("link");
    symlink("..data/b", volume.at("b")).expect("link");
    assert_eq!(volume.write(&[("a", 0o644, "1"), ("b/c", 0o644, "2")]), Replaced::Unchanged);
    assert_eq!(volume.write(&[("a", 0o644, "1"), ("b/c", 0o644, "3")]), Replaced::Written);
    assert_eq!(volume.tree(), pairs(&[("a", "1"), ("b/c", "3")]));
    volume.assert_tidy();
}

#[test]
fn failed_write_leaves_the_old_generation() {
    for number in [0, 1] {
        let volume = Volume::new();
        write_to(volume.0.path(), &numbered(number), Ownership::default()).expect("writes");
        let before = volume.generation();
        // A path that fits the rules and no system call.
        let long = ["d".repeat(200).as_str(); 21].join("/");
        let limits = Limits::default();
        let files = vec![spec("fresh", 0o644, b"x"), spec(&long[..4096], 0o644, b"x")];
        let files = Payload::validate(files, &limits).expect("valid");
        let error = write_to(volume.0.path(), &files, Ownership::default()).expect_err("too long");
        assert!(error.to_string().starts_with("failed to create "), "{error}");
        assert_eq!(number_of(volume.0.path()), Some(number));
        assert_eq!(volume.generation(), before);
        assert!(std::fs::symlink_metadata(volume.at("fresh")).is_err());
        volume.assert_tidy();
    }
}

#[test]
fn record_follows_the_versions() {
    let volume = Volume::new();
    let root = Dir::open(volume.0.path()).expect("opens");
    let files = payload(&[("a", 0o644, "1")]);
    let mut recorded = Vec::new();
    for (seconds, version) in [(0, "v1"), (60, "v1"), (120, "v2")] {
        let record = record(&[("secret/a", version)]);
        let ownership = Ownership::default();
        let write =
            Write { payload: &files, record: &record, ownership, root_mode: 0o755, now: time(seconds) };
        write.to(&root, layout::content(&root).expect("reads")).expect("writes");
        let generation = root.dir(volume.generation()).expect("opens");
        let Some(found) = record::load(&generation) else {
            println!("skipped: no extended attributes here");
            return;
        };
        assert_eq!(found.record, record);
        recorded.push(found.written);
    }
    assert_eq!(recorded, [time(0), time(0), time(120)]);
}

#[test]
fn record_that_is_too_large_is_left_out() {
    let volume = Volume::new();
    let directory = Dir::open(volume.0.path()).expect("opens");
    record::store(&directory, &record(&[("a", "v1")]), time(0));
    let long = "v".repeat(70_000);
    record::store(&directory, &record(&[("a", &long)]), time(0));
    assert_eq!(record::load(&directory), None);
}
