//! Puts right what can be put right without a doubt.

use crate::diagnostic::{Edit, Fix};

/// The text with these changes. A change that overlaps an earlier one is left out; linting again tells it again.
///
/// Gives the text and the number of changes made.
#[must_use]
pub fn apply<'a>(text: &str, fixes: impl IntoIterator<Item = &'a Fix>) -> (String, usize) {
    let mut edits: Vec<(usize, usize, &str)> = Vec::new();
    let mut made = 0;
    for fix in fixes {
        let wanted: Vec<_> = fix.edits.iter().map(|edit| range(text, edit)).collect();
        let overlaps = |&(start, end, _): &(usize, usize, &str)| {
            edits.iter().any(|&(from, to, _)| start < to && from < end || start == from)
        };
        if !wanted.iter().any(overlaps) {
            edits.extend(wanted);
            made += 1;
        }
    }
    edits.sort_unstable();
    let mut changed = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end, with) in edits {
        changed.push_str(&text[done..start]);
        changed.push_str(with);
        done = end;
    }
    changed.push_str(&text[done..]);
    (changed, made)
}

fn range<'a>(text: &str, edit: &'a Edit) -> (usize, usize, &'a str) {
    let start = edit.start.offset(text);
    (start, edit.end.offset(text).max(start), &edit.text)
}
