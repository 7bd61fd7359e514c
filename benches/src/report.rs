//! The table, and the figures as JSON.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the output of a measurement")]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::figure::{Figure, Target};
use crate::rows::Row;
use crate::subject::Subject;

/// Figures by row and subject.
pub(crate) struct Report(BTreeMap<(&'static str, &'static str), Vec<Several>>);

/// One figure, measured once per round.
struct Several {
    figure: Figure,
    values: Vec<f64>,
}

impl Report {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Takes the figures of one round; the median of all rounds counts.
    pub(crate) fn add(&mut self, row: &Row, subject: &Subject, figures: &[Figure]) {
        let held = self.0.entry((row.name, subject.label)).or_default();
        for (index, figure) in figures.iter().enumerate() {
            if held.len() <= index {
                held.push(Several { figure: figure.clone(), values: Vec::new() });
            }
            held[index].values.push(figure.value);
            held[index].figure.value = median(&held[index].values);
        }
    }

    /// Prints a row: a heading, and a line per figure.
    pub(crate) fn print(&self, row: &Row) {
        println!("\n{}: {}", row.name, row.work);
        println!(
            "{:<58}{:>11}{:>11}{:>12}{:>12}{:>8}",
            "", "upstream", "target", "measured", "other", "ratio"
        );
        let of = |label| self.0.get(&(row.name, label)).map(Vec::as_slice).unwrap_or_default();
        let (measured, other) = (of("measured"), of("other"));
        let longer = if measured.is_empty() { other } else { measured };
        for (index, several) in longer.iter().enumerate() {
            let (ours, theirs) = (measured.get(index), other.get(index));
            let value = |several: Option<&Several>| several.map(|several| several.figure.value);
            let text = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
            let ratio = match (value(ours), value(theirs)) {
                (Some(ours), Some(theirs)) if theirs != 0.0 => format!("{:.2}", ours / theirs),
                _ => "-".to_owned(),
            };
            let met = match ours.and_then(|ours| ours.figure.is_met()) {
                Some(true) => "  met",
                Some(false) => "  MISSED",
                None => "",
            };
            let figure = &several.figure;
            let name = if figure.unit.is_empty() {
                figure.name.clone()
            } else {
                format!("{}, {}", figure.name, figure.unit)
            };
            println!(
                "  {name:<56}{:>11}{:>11}{:>12}{:>12}{ratio:>8}{met}",
                text(figure.upstream),
                target(figure.target),
                text(value(ours)),
                text(value(theirs)),
            );
        }
    }

    /// A figure of the first subject.
    pub(crate) fn value(&self, row: &str, name: &str) -> Option<f64> {
        let ((_, _), figures) =
            self.0.iter().find(|((of, subject), _)| *of == row && *subject == "measured")?;
        figures.iter().find(|several| several.figure.name == name).map(|several| several.figure.value)
    }

    /// Writes the JSON, and says how many targets were met.
    pub(crate) fn finish(&self, json: Option<&Path>) -> anyhow::Result<()> {
        let judged = self.0.iter().filter(|((_, label), _)| *label == "measured");
        let met: Vec<bool> = judged
            .flat_map(|(_, figures)| figures.iter().filter_map(|several| several.figure.is_met()))
            .collect();
        println!("\n{} of {} targets met", met.iter().filter(|met| **met).count(), met.len());
        if let Some(path) = json {
            let figures: Vec<Value> =
                self.0.iter().flat_map(|(key, figures)| entries(key, figures)).collect();
            let text = serde_json::to_string_pretty(&json!({ "figures": figures }))?;
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

fn entries<'a>(key: &'a (&str, &str), figures: &'a [Several]) -> impl Iterator<Item = Value> + 'a {
    figures.iter().map(move |several| {
        json!({
            "row": key.0, "subject": key.1, "figure": several.figure, "rounds": several.values,
            "met": several.figure.is_met(),
        })
    })
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn target(target: Target) -> String {
    match target {
        Target::AtMost(bound) => format!("<= {}", number(bound)),
        Target::AtLeast(bound) => format!(">= {}", number(bound)),
        Target::None => "-".to_owned(),
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Says on standard error what is measured now.
pub(crate) fn progress(row: &Row, subject: &Subject, round: usize, rounds: usize) {
    eprintln!("{} ({}, {round} of {rounds}) ...", row.name, subject.label);
}

/// Says that a measurement failed.
pub(crate) fn failed(row: &Row, subject: &Subject, error: &anyhow::Error) {
    eprintln!("{} ({}) FAILED: {error:#}", row.name, subject.label);
}

/// The rows there are.
pub(crate) fn list(rows: &[Row]) {
    for row in rows {
        println!("{:<22}{}", row.name, row.work);
    }
}
