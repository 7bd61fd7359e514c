//! Figures that must not get worse.
#![expect(clippy::print_stdout, reason = "the output of a measurement")]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::report::Report;

/// Bounds by row and figure. Each says what was measured and how much more is let pass.
#[derive(Deserialize)]
struct Baseline(BTreeMap<String, BTreeMap<String, Bound>>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Bound {
    measured: f64,
    margin: f64,
}

/// Compares every figure that the file names; those of rows that were not measured are an error.
pub(crate) fn check(path: &Path, report: &Report) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let baseline: Baseline = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let mut worse = Vec::new();
    for (row, figures) in &baseline.0 {
        for (name, Bound { measured, margin }) in figures {
            let value = report.value(row, name).with_context(|| format!("{row}: {name} was not measured"))?;
            let bound = measured + margin;
            println!("{row}: {name}: {value:.2}, at most {bound:.2}");
            if value > bound {
                worse.push(format!("{row}: {name}"));
            }
        }
    }
    ensure!(worse.is_empty(), "worse than {}: {}", path.display(), worse.join("; "));
    Ok(())
}
