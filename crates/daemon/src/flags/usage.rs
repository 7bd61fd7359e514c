//! The usage text, in the form of Go's `flag.PrintDefaults`, and the reference page.

use std::fmt::Write as _;

use super::{Default, Flag};

pub(super) fn text(program: &str, table: &[&[Flag]]) -> String {
    let mut out = format!("Usage of {program}:\n");
    for flag in sorted(table) {
        let (value_name, help) = unquote(flag);
        out.push_str("  -");
        out.push_str(flag.name);
        if !value_name.is_empty() {
            let _ = write!(out, " {value_name}");
        }
        // Go keeps the help of one-letter booleans on the same line.
        out.push_str(if flag.name.len() == 1 && value_name.is_empty() { "\t" } else { "\n    \t" });
        out.push_str(&help);
        if let Some(default) = shown_default(flag.default) {
            let _ = write!(out, " (default {default})");
        }
        out.push('\n');
    }
    out
}

pub(super) fn markdown(table: &[&[Flag]]) -> String {
    let mut out = String::from("| flag | type | default | meaning |\n|---|---|---|---|\n");
    for flag in sorted(table) {
        let (value_name, help) = unquote(flag);
        let kind = if value_name.is_empty() { "bool" } else { value_name.as_str() };
        let default = match flag.default {
            Default::Bool(on) => on.to_string(),
            Default::Text("") | Default::Pattern => String::new(),
            other => shown_default(other).unwrap_or_else(|| "0".to_owned()),
        };
        let _ = writeln!(out, "| `--{}` | {kind} | {default} | {} |", flag.name, help.replace('|', "\\|"));
    }
    out
}

fn sorted<'a>(table: &'a [&[Flag]]) -> Vec<&'a Flag> {
    let mut flags: Vec<_> = table.iter().copied().flatten().collect();
    flags.sort_by_key(|flag| flag.name);
    flags
}

/// Name of the value, and the help without the backquotes that may mark it.
fn unquote(flag: &Flag) -> (String, String) {
    let mut parts = flag.help.splitn(3, '`');
    if let (Some(before), Some(name), Some(after)) = (parts.next(), parts.next(), parts.next()) {
        return (name.to_owned(), format!("{before}{name}{after}"));
    }
    let name = match flag.default {
        Default::Bool(_) => "",
        Default::Text(_) => "string",
        Default::Int(_) => "int",
        Default::Uint(_) => "uint",
        Default::Duration(_) => "duration",
        Default::Level(_) | Default::Severity(_) | Default::Pattern => "value",
    };
    (name.to_owned(), flag.help.to_owned())
}

/// The default as Go prints it; none where it is the type's zero value.
fn shown_default(default: Default) -> Option<String> {
    match default {
        Default::Text("") | Default::Pattern | Default::Bool(false) => None,
        Default::Text(text) => Some(format!("{text:?}")),
        Default::Bool(true) => Some("true".to_owned()),
        Default::Int(0) | Default::Level(0) | Default::Uint(0) => None,
        Default::Int(number) | Default::Level(number) | Default::Severity(number) => Some(number.to_string()),
        Default::Uint(number) => Some(number.to_string()),
        Default::Duration(duration) if duration == super::GoDuration::from_secs(0) => None,
        Default::Duration(duration) => Some(duration.to_string()),
    }
}
