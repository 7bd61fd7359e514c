//! The tables of docs/compatibility/driver.md are complete, and name tests that exist.

#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/compatibility/driver.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of a table's row; none for other lines.
fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
    (!row.starts_with("--")).then(|| row.split(" | ").collect())
}

/// Source files of the workspace.
fn sources() -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders: Vec<_> = ["bin", "crates", "tests", "xtask"].map(|name| root().join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(std::fs::read_to_string(&path).expect("a source file"));
            }
        }
    }
    texts
}

/// The identifier with which a text begins.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Names of the tests in a source file: functions with a test attribute, and first arguments of `…_test!(`.
fn tests(source: &str, names: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if is_test && let Some((_, name)) = line.split_once("fn ") {
            names.insert(identifier(name).to_owned());
            is_test = false;
        }
    }
    for call in source.split("_test!(").skip(1) {
        names.insert(identifier(call.trim_start()).to_owned());
    }
}

#[test]
fn every_row_names_tests_that_exist() {
    let mut known = BTreeSet::new();
    sources().iter().for_each(|source| tests(source, &mut known));
    let (mut wrong, mut rows, mut shown_by) = (Vec::new(), 0, false);
    let page = read(PAGE);
    for line in page.lines() {
        let Some(row) = cells(line) else {
            shown_by &= line.starts_with('|');
            continue;
        };
        let last = *row.last().expect("a row has cells");
        if last == "shown by" {
            shown_by = true;
            continue;
        }
        assert!(shown_by, "a table without the column `shown by`: {line}");
        rows += 1;
        if quoted(last).next().is_none() {
            wrong.push(format!("no test: {line}"));
        }
        let missing = quoted(last).filter(|name| !known.contains(*name));
        wrong.extend(missing.map(|name| format!("no test named {name}: {line}")));
    }
    assert!(rows > 150, "{rows} rows are not everything");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is listed elsewhere has to be on the page.
fn is_on_the_page<'a>(kind: &str, names: impl Iterator<Item = &'a str>) {
    let page = read(PAGE);
    let told: BTreeSet<&str> = quoted(&page).collect();
    let (missing, named): (Vec<&str>, Vec<&str>) = names.partition(|name| !told.contains(name));
    assert!(missing.is_empty(), "{kind} without a row in {PAGE}: {missing:#?}");
    assert!(!named.is_empty(), "no {kind} were found");
}

/// First quoted text of each row.
fn first_of_rows(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter(|line| line.starts_with("| `")).filter_map(|line| quoted(line).next())
}

#[test]
fn every_flag_has_a_row() {
    is_on_the_page("flags", first_of_rows(&read("docs/reference/driver-flags.md")));
}

#[test]
fn every_metric_has_a_row() {
    is_on_the_page("metrics", first_of_rows(&read("docs/reference/driver-metrics.md")));
}

#[test]
fn every_label_annotation_and_context_key_has_a_row() {
    let keys = read("crates/api/src/keys.rs");
    is_on_the_page(
        "keys",
        keys.lines().filter(|line| line.contains("const ")).filter_map(|line| line.split('"').nth(1)),
    );
}

#[test]
fn every_field_of_the_custom_resources_has_a_row() {
    let folder = root().join("deploy/crds");
    for entry in std::fs::read_dir(folder).expect("the definitions") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a definition");
        let definition: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
        if definition["kind"] == "Kustomization" {
            continue;
        }
        let mut fields = BTreeSet::new();
        for version in definition["spec"]["versions"].as_array().expect("versions") {
            for top in ["spec", "status"] {
                fields_of(top, &version["schema"]["openAPIV3Schema"]["properties"][top], &mut fields);
            }
        }
        is_on_the_page("fields", fields.iter().map(String::as_str));
    }
}

/// Paths of the leaves of a schema.
fn fields_of(path: &str, schema: &serde_json::Value, out: &mut BTreeSet<String>) {
    let inner = [(path.to_owned(), schema), (format!("{path}[]"), &schema["items"])];
    let mut is_leaf = true;
    for (path, schema) in inner {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            is_leaf = false;
            fields_of(&format!("{path}.{name}"), field, out);
        }
    }
    if is_leaf && !schema.is_null() {
        out.insert(path.to_owned());
    }
}
