//! Keys of a mapping that nobody reads.

use crate::diagnostic::{Diagnostic, Edit, Severity};
use crate::manifest::Manifest;
use crate::names::{list, nearest};
use crate::place::Nesting;
use crate::rule::Rule;
use crate::yaml::Node;

/// Tells of the keys of a mapping that are not among the known ones: whoever reads it ignores them.
///
/// A key that differs from a known one in case only is put right, if that one is not there as well.
pub(crate) fn check_keys(
    manifest: &Manifest,
    mapping: &Node,
    nesting: &Nesting,
    known: &[&str],
    rule: Rule,
    found: &mut Vec<Diagnostic>,
) {
    for (key, _) in mapping.entries() {
        let Some(name) = key.text().filter(|name| !known.contains(name)) else { continue };
        let (start, end) = (nesting.outer(key.start), nesting.outer(key.end));
        let meant = nearest(name, known.iter().copied());
        let severity = if meant.is_some() { Severity::Error } else { Severity::Warning };
        let mut diagnostic =
            manifest.found_at(severity, rule, start, end).saying(format!("{}: {name}", rule.meaning()));
        diagnostic.hint = match meant {
            Some(meant) => format!("write {meant}"),
            None => format!("known here: {}", list(known)),
        };
        if let Some(meant) = meant
            && meant.eq_ignore_ascii_case(name)
            && mapping.get(meant).is_none()
            && nesting.is_literal()
        {
            let edit = Edit { start, end, text: meant.to_owned() };
            diagnostic = diagnostic.fixed(format!("rename it to {meant}"), vec![edit]);
        }
        found.push(diagnostic);
    }
}
