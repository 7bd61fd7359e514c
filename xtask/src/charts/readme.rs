//! The README of a chart.

use serde_json::Value;

use super::values::{Entry, Values};

/// Longer defaults are left to `values.yaml`.
const LONGEST_DEFAULT: usize = 60;

pub(super) fn page(intro: &str, values: &Values) -> String {
    let rows: String = values.entries.iter().map(|entry| row(entry, values)).collect();
    format!(
        "<!-- Made by `cargo xtask charts` from values.yaml; do not edit. -->\n\n{}\n\n## Values\n\n\
         | value | default | meaning |\n|---|---|---|\n{rows}",
        intro.trim_end()
    )
}

fn row(entry: &Entry, values: &Values) -> String {
    let default = match values.default(&entry.path) {
        None | Some(Value::Null) => String::new(),
        Some(_) if values.has_described_children(&entry.path) => String::new(),
        Some(default) => match default.to_string() {
            long if long.len() > LONGEST_DEFAULT => "see values.yaml".to_owned(),
            short => format!("`{}`", short.replace('|', "\\|")),
        },
    };
    format!("| `{}` | {default} | {} |\n", entry.name(), entry.description.replace('|', "\\|"))
}
