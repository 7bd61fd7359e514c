//! docs/trust.md and the threat model: every row names tests that exist, or gives a reason, and has a result.

#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const PAGES: [&str; 2] = ["docs/trust.md", "docs/security/threat-model.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

/// Every identifier that stands behind `fn ` or `_test!(` in a test, and names of test scripts.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<_> = ["bin", "crates", "tests", "xtask"].map(|name| root().join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.starts_with("test_") {
                found.insert(name);
            } else if name.ends_with(".rs") {
                of_source(&std::fs::read_to_string(&path).expect("a source file"), &mut found);
            }
        }
    }
    found
}

fn of_source(source: &str, found: &mut BTreeSet<String>) {
    let identifier = |text: &str| -> String {
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if is_test && let Some((_, name)) = line.split_once("fn ") {
            found.insert(identifier(name));
            is_test = false;
        }
    }
    for call in source.split("_test!(").skip(1) {
        // Attributes may stand before the name.
        let lines = call.lines().map(str::trim_start).filter(|line| !line.is_empty());
        let name = lines.map(identifier).find(|name| !name.is_empty());
        found.extend(name);
    }
}

#[test]
fn every_row_has_tests_or_a_reason_and_a_result() {
    let known = tests();
    let (mut wrong, mut rows) = (Vec::new(), 0);
    for page in PAGES {
        let text = std::fs::read_to_string(root().join(page)).expect(page);
        // Tables of other things have no column of that name.
        let mut has_results = false;
        for line in text.lines() {
            if !line.starts_with('|') {
                has_results = false;
                continue;
            }
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [.., shown_by, result] = cells.as_slice() else { continue };
            if *result == "result" {
                has_results = true;
                continue;
            }
            if !has_results {
                continue;
            }
            rows += 1;
            let names: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
            if names.is_empty() && !shown_by.starts_with("not applicable: ") {
                wrong.push(format!("{page}: neither test nor reason: {line}"));
            }
            if result.is_empty() {
                wrong.push(format!("{page}: no result: {line}"));
            }
            let missing = names.iter().filter(|name| !known.contains(**name));
            wrong.extend(missing.map(|name| format!("{page}: no test {name}")));
        }
    }
    assert!(rows > 40, "{rows} rows are not everything");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
