//! Findings for people.

use std::io::{self, Write};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use keymount_lint::{Diagnostic, Report, Severity, Source};

use super::{Skipped, counts, number};

pub(super) fn write(
    out: &mut impl Write,
    sources: &[Source],
    report: &Report,
    skipped: &[Skipped],
) -> io::Result<()> {
    let renderer = Renderer::styled();
    for found in &report.diagnostics {
        writeln!(out, "{}\n", renderer.render(&[group(&sources[found.file], found)]))?;
    }
    for file in skipped {
        writeln!(out, "skipped {}: {}", file.name, file.why)?;
    }
    let checked = format!(
        "checked {} and {} in {}",
        number(report.classes, "class", "classes"),
        number(report.pods, "pod", "pods"),
        number(sources.len(), "file", "files")
    );
    match report.diagnostics.as_slice() {
        [] => writeln!(out, "{checked}: nothing is wrong"),
        found => {
            let fixes = match found.iter().filter(|found| found.fix.is_some()).count() {
                0 => String::new(),
                fixes => format!("; --fix puts {fixes} right"),
            };
            writeln!(out, "{checked}: {}{fixes}", counts(report))
        }
    }
}

fn group<'a>(source: &'a Source, found: &'a Diagnostic) -> annotate_snippets::Group<'a> {
    let level = match found.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let start = found.start.offset(&source.text);
    let end = found.end.offset(&source.text).max(start);
    let shown = source.text[start..end].trim_end().len();
    let place = AnnotationKind::Primary.span(start..start + shown.max(1).min(source.text.len() - start));
    let snippet = Snippet::source(&source.text).path(&source.name).annotation(place);
    let mut group = level.primary_title(&found.message).id(found.code).element(snippet);
    if !found.hint.is_empty() {
        group = group.element(Level::HELP.message(&found.hint));
    }
    group
}
