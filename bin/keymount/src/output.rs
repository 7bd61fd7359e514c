//! What people and programs see: tables, JSON, YAML, colours, ages.

mod age;
mod progress;
mod table;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub(crate) use age::{age, until};
pub(crate) use progress::Progress;
pub(crate) use table::{Cell, Table};

/// How a list is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A table for people
    #[default]
    Table,
    /// The table with more columns
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// Headings.
pub(crate) const TITLE: Style = AnsiColor::Cyan.on_default().bold();
/// Names of what follows.
pub(crate) const LABEL: Style = Style::new().bold();
/// As it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Not quite.
pub(crate) const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
/// Broken.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Less important.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Nothing special.
pub(crate) const PLAIN: Style = Style::new();

/// A certificate that ends within this time stands out.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How the end of a certificate looks.
pub(crate) fn urgency(end: Timestamp, now: Timestamp) -> Style {
    match end.duration_since(now) {
        left if left.is_negative() || left.is_zero() => BAD,
        left if left < SOON => DOUBTFUL,
        _ => PLAIN,
    }
}

/// Writes a value for programs.
pub(crate) fn serialized(out: &mut impl Write, value: &impl Serialize, format: Format) -> io::Result<()> {
    let text = match format {
        Format::Yaml => serde_saphyr::to_string(value).map_err(io::Error::other)?,
        _ => serde_json::to_string_pretty(value)? + "\n",
    };
    out.write_all(text.as_bytes())
}

/// A problem, on standard error.
pub(crate) fn complain(command: &str, text: &str) {
    let _ = writeln!(anstream::stderr(), "{BAD}keymount {command}:{BAD:#} {text}");
}

/// Something that should be known, on standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{DIM}note: {text}{DIM:#}");
}
