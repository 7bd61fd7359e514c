use proptest::prelude::*;

use super::*;

fn refusal(path: &str) -> String {
    RelativePath::parse(path).expect_err(path).to_string()
}

#[test]
fn accepted() {
    let longest_element = "a".repeat(MAX_ELEMENT);
    let longest_path = ["abcdefg"; MAX_PATH / 8].join("/") + "h";
    for path in [
        "secret",
        "i/am/well/behaved.txt",
        "a..b",
        "a/..b",
        "a/...",
        ".hidden",
        "a\\..\\b",
        "a b",
        "\u{2024}\u{2024}/x",
        &longest_element,
        &longest_path,
    ] {
        assert_eq!(RelativePath::parse(path).map(|parsed| parsed.as_str().to_owned()), Ok(path.to_owned()));
    }
}

#[test]
fn refused_with_the_texts_of_the_go_driver() {
    let too_long = "a/".repeat(MAX_PATH / 2) + "b";
    let too_long_element = "a".repeat(MAX_ELEMENT + 1);
    for (path, text) in [
        ("", "invalid path: must not be empty: \"\""),
        ("/dev/null", "invalid path: must be relative path: /dev/null"),
        ("/", "invalid path: must be relative path: /"),
        (&*too_long, "invalid path: must be less than or equal to 4096 characters"),
        ("hello/there/../../etc/passwd", "invalid path: must not contain '..': hello/there/../../etc/passwd"),
        ("..", "invalid path: must not contain '..': .."),
        ("a/..", "invalid path: must not contain '..': a/.."),
        ("../x", "invalid path: must not contain '..': ../x"),
        (&*too_long_element, "invalid path: filenames must be less than or equal to 255 characters"),
        ("..data", "invalid path: must not start with '..': ..data"),
        ("..2024/x", "invalid path: must not start with '..': ..2024/x"),
        ("...", "invalid path: must not start with '..': ..."),
    ] {
        assert_eq!(refusal(path), text);
    }
    for path in ["a/", "./a", "a/./b", "foo////bar", "a/.", "./"] {
        assert!(refusal(path).starts_with(&format!("invalid filepath: \"{path}\"")), "{path}");
    }
}

#[test]
fn refused_although_the_go_driver_accepts() {
    assert!(refusal(".").starts_with("invalid path: must name a file"));
    assert_eq!(refusal("a\0b"), "invalid path: must not contain a NUL byte: a\\u{0}b");
}

#[test]
fn errors_stay_one_line() {
    assert_eq!(refusal("/a\nI1124 fake log"), "invalid path: must be relative path: /a\\nI1124 fake log");
}

#[test]
fn parts() {
    let path = RelativePath::parse("a/b/c").expect("valid");
    assert_eq!(path.top(), "a");
    assert_eq!(path.directories().collect::<Vec<_>>(), ["a", "a/b"]);
    assert_eq!(path.depth(), 3);
    let file = RelativePath::parse("file").expect("valid");
    assert_eq!(file.top(), "file");
    assert_eq!(file.directories().count(), 0);
}

proptest! {
    /// Whatever is accepted stays below the volume, keeps clear of the layout's names and fits the kernel.
    #[test]
    fn accepted_paths_are_harmless(path in "[a/.\\\\\0 é-]{0,12}|(\\.\\.|\\.|a|/){0,6}") {
        if let Ok(parsed) = RelativePath::parse(&path) {
            prop_assert_eq!(parsed.as_str(), path.as_str());
            prop_assert!(!path.starts_with("..") && !path.starts_with('/') && !path.contains('\0'));
            for element in path.split('/') {
                prop_assert!(!element.is_empty() && element != "." && element != ".." && element.len() <= 255);
            }
        }
    }
}
