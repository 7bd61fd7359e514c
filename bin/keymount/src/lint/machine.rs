//! Findings for programs.

use std::io::{self, Write};

use keymount_lint::{Diagnostic, Report, Rule, Severity, Source};
use serde_json::{Value, json};

/// Where the codes are explained.
const CATALOGUE: &str = "https://github.com/keymount/keymount/blob/main/docs/reference/errors.md";

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn print(out: &mut impl Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{value:#}")
}

/// One object: `classes`, `pods`, `diagnostics`. Lines and columns count from 1, columns in characters.
pub(super) fn json(out: &mut impl Write, sources: &[Source], report: &Report) -> io::Result<()> {
    let diagnostic = |found: &Diagnostic| {
        json!({
            "severity": found.severity,
            "code": found.code,
            "file": sources[found.file].name,
            "start": found.start,
            "end": found.end,
            "message": found.message,
            "hint": found.hint,
            "fix": found.fix,
        })
    };
    let diagnostics: Vec<_> = report.diagnostics.iter().map(diagnostic).collect();
    print(out, &json!({"classes": report.classes, "pods": report.pods, "diagnostics": diagnostics}))
}

/// SARIF 2.1.0 (OASIS), as code scanning takes it.
pub(super) fn sarif(out: &mut impl Write, sources: &[Source], report: &Report) -> io::Result<()> {
    let mut codes: Vec<_> = report.diagnostics.iter().map(|found| found.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rule = |code: &&str| {
        let meaning = Rule::ALL.iter().find(|rule| rule.code() == *code).map_or(*code, |rule| rule.meaning());
        json!({"id": code, "shortDescription": {"text": meaning}, "helpUri": CATALOGUE})
    };
    let region = |found: &Diagnostic| {
        json!({
            "startLine": found.start.line, "startColumn": found.start.column,
            "endLine": found.end.line, "endColumn": found.end.column,
        })
    };
    let result = |found: &Diagnostic| {
        json!({
            "ruleId": found.code,
            "level": level(found.severity),
            "message": {"text": format!("{}\n{}", found.message, found.hint)},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": sources[found.file].name},
                "region": region(found),
            }}],
        })
    };
    let driver = json!({
        "name": "keymount lint",
        "version": env!("CARGO_PKG_VERSION"),
        "informationUri": "https://github.com/keymount/keymount",
        "rules": codes.iter().map(rule).collect::<Vec<_>>(),
    });
    let run = json!({
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": report.diagnostics.iter().map(result).collect::<Vec<_>>(),
    });
    print(
        out,
        &json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [run],
        }),
    )
}

/// Workflow commands: a line per finding.
pub(super) fn github(out: &mut impl Write, sources: &[Source], report: &Report) -> io::Result<()> {
    for found in &report.diagnostics {
        writeln!(
            out,
            "::{} file={},line={},col={},title={}::{}",
            level(found.severity),
            property(&sources[found.file].name),
            found.start.line,
            found.start.column,
            property(found.code),
            data(&format!("{}\n{}", found.message, found.hint)),
        )?;
    }
    Ok(())
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
