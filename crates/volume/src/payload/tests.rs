use proptest::prelude::*;

use super::*;

fn spec(path: &str, mode: i32, contents: &[u8]) -> FileSpec {
    FileSpec { path: path.to_owned(), mode, contents: SecretBytes::new(contents.to_vec()) }
}

fn validate(paths: &[&str]) -> Result<Payload, PayloadError> {
    Payload::validate(paths.iter().map(|path| spec(path, 0o644, b"x")).collect(), &Limits::default())
}

fn refusal(paths: &[&str]) -> String {
    validate(paths).expect_err("refused").to_string()
}

#[test]
fn whole_payload() {
    let files = vec![spec("b/c/d", 0o600, b"1234"), spec("a", 0, &[0; 4097]), spec("b/e", 0o777, b"")];
    let payload = Payload::validate(files, &Limits::default()).expect("valid");
    assert_eq!(payload.file_count(), 3);
    assert_eq!(payload.content_bytes(), 4101);
    assert_eq!(payload.allocated_bytes(), 3 * 4096);
    assert_eq!(payload.directories().into_iter().collect::<Vec<_>>(), ["b", "b/c"]);
    assert_eq!(payload.top_names().into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(payload.inodes(), 1 + 3 + 2 + 2);
    assert_eq!(format!("{payload:?}"), r#"Payload(["a", "b/c/d", "b/e"])"#);
    assert_eq!(validate(&[]).expect("valid").file_count(), 0);
    let long_names = ["n".repeat(120), "m".repeat(200)];
    let payload = validate(&[&long_names[0], &long_names[1]]).expect("valid");
    assert_eq!(payload.allocated_bytes(), (2 + 1) * 4096);
}

#[test]
fn refused_whole() {
    assert!(refusal(&["a", "b", "a"]).starts_with("duplicate file path a:"));
    assert!(refusal(&["a/b", "a-b", "a"]).starts_with("conflicting file paths: a is a file, and a/b needs"));
    assert!(refusal(&["a/b/c", "a/b"]).starts_with("conflicting file paths: a/b is a file, and a/b/c"));
    assert_eq!(refusal(&["ok", "../x"]), "invalid path: must not contain '..': ../x");
    let deep = ["d"; 65].join("/");
    assert!(refusal(&[&deep]).starts_with("invalid path: must have at most 64 elements"));
}

#[test]
fn modes() {
    for (mode, text) in [(0o4755, "04755"), (-1, "-01"), (0o1000, "01000"), (i32::MIN, "-020000000000")] {
        let error = Payload::validate(vec![spec("a", mode, b"")], &Limits::default()).expect_err("refused");
        assert_eq!(error.to_string(), format!("invalid file mode {text} of a: must be 0000 to 0777"));
    }
    for mode in [0, 0o400, 0o777] {
        assert!(Payload::validate(vec![spec("a", mode, b"")], &Limits::default()).is_ok());
    }
}

#[test]
fn bounds() {
    let limits = Limits { max_files: 2, max_bytes: 4, max_depth: 3 };
    let sized = |sizes: &[usize]| {
        let files = sizes.iter().enumerate().map(|(n, size)| spec(&n.to_string(), 0o644, &vec![b'x'; *size]));
        Payload::validate(files.collect(), &limits)
    };
    assert!(sized(&[2, 2]).is_ok());
    assert_eq!(sized(&[2, 3]).expect_err("too large"), PayloadError::TooLarge { bytes: 5, limit: 4 });
    assert_eq!(sized(&[1, 1, 1]).expect_err("too many"), PayloadError::TooManyFiles { files: 3, limit: 2 });
}

proptest! {
    /// A payload is accepted exactly when a file system could hold its files side by side.
    #[test]
    fn accepted_means_writable(paths in prop::collection::vec("[ab](/[ab]){0,2}", 0..6)) {
        let clash = |one: &str, other: &str| one == other || other.starts_with(&format!("{one}/"));
        let clashes = paths.iter().enumerate().any(|(n, one)| {
            paths.iter().enumerate().any(|(m, other)| n != m && clash(one, other))
        });
        let refs: Vec<_> = paths.iter().map(String::as_str).collect();
        prop_assert_eq!(validate(&refs).is_err(), clashes);
    }
}
