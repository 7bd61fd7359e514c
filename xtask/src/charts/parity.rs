//! Whether the values of the Go charts are all there, with their defaults.
//!
//! `tests/charts/upstream` holds their paths and defaults. What differs stands in a table of
//! `docs/compatibility/charts.md`, and nothing else stands there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::values::Values;
use crate::generated::root;

const PAGE: &str = "docs/compatibility/charts.md";

/// Where the tables of differences begin in the page.
const DRIVER: (&str, &str) = ("secrets-store-csi-driver-1.6.0", "## Values of the driver's chart");
const AZURE: (&str, &str) =
    ("csi-secrets-store-provider-azure-1.8.2", "## Values of the Azure provider's chart");

pub(super) fn check(driver: &Values, azure: &Values) -> anyhow::Result<()> {
    let page = std::fs::read_to_string(root().join(PAGE)).context(PAGE)?;
    let differing = differences(DRIVER.0, |path| driver.default(path).cloned())?;
    compare(&differing, &listed(&page, DRIVER.1))?;
    let differing = differences(AZURE.0, |path| match path {
        [chart, rest @ ..] if chart == "secrets-store-csi-driver" => {
            azure.default(path).or_else(|| driver.default(rest)).cloned()
        }
        _ => azure.default(path).cloned(),
    })?;
    compare(&differing, &listed(&page, AZURE.1))
}

/// Paths whose default here is not the Go chart's.
fn differences(name: &str, ours: impl Fn(&[String]) -> Option<Value>) -> anyhow::Result<BTreeSet<String>> {
    let file = root().join("tests/charts/upstream").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let theirs: BTreeMap<String, Value> = serde_json::from_str(&text)?;
    let differ = |(path, default): &(String, Value)| {
        let path: Vec<_> = path.split('.').map(str::to_owned).collect();
        ours(&path).as_ref() != Some(default)
    };
    Ok(theirs.into_iter().filter(differ).map(|(path, _)| path).collect())
}

/// The paths in the first column of the table under a heading; `a.*` stands for all below `a`.
fn listed<'a>(page: &'a str, heading: &str) -> BTreeSet<&'a str> {
    let section = page.split_once(heading).map_or("", |(_, rest)| rest);
    let section = section.split("\n## ").next().unwrap_or_default();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(path, _)| path)
        .collect()
}

fn compare(differing: &BTreeSet<String>, listed: &BTreeSet<&str>) -> anyhow::Result<()> {
    let covers = |entry: &str, path: &str| match entry.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path == entry,
    };
    let unlisted: Vec<_> =
        differing.iter().filter(|path| !listed.iter().any(|entry| covers(entry, path))).collect();
    ensure!(unlisted.is_empty(), "differ from the Go chart and are not in {PAGE}: {unlisted:?}");
    let stale: Vec<_> =
        listed.iter().filter(|entry| !differing.iter().any(|path| covers(entry, path))).collect();
    ensure!(stale.is_empty(), "are in {PAGE} and do not differ from the Go chart: {stale:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_must_be_listed_and_a_listed_one_must_be_one() {
        let page =
            "## One\n\n| value | why |\n|---|---|\n| `a.b` | x |\n| `w.*` | y |\n\n## Two\n| `z` | |\n";
        let listed = listed(page, "## One");
        assert_eq!(listed, ["a.b", "w.*"].into());
        let differing = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        compare(&differing(&["a.b", "w.x", "w.y.z"]), &listed).unwrap();
        assert!(compare(&differing(&["a.b", "w.x", "c"]), &listed).is_err());
        assert!(compare(&differing(&["w.x"]), &listed).is_err());
    }
}
