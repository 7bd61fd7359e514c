//! The catalogue as a page of the documentation.

use std::fmt::Write as _;

use crate::{Area, Entry, entries, sentence};

/// Markdown: an overview, then each entry under a heading that links can point to.
#[must_use]
pub fn page() -> String {
    let entries = entries();
    let of = |area: Area| entries.iter().filter(move |entry| entry.area == area);
    let mut page = String::new();
    for area in Area::ALL {
        let _ = write!(page, "## {}\n\n| | code | meaning |\n|---|---|---|\n", area.title());
        for Entry { id, code, meaning, .. } in of(area) {
            let anchor = format!("{id}-{code}").to_ascii_lowercase();
            let _ = writeln!(page, "| [{id}](#{anchor}) | `{code}` | {} |", meaning.replace('|', "\\|"));
        }
        page.push('\n');
    }
    for Entry { id, code, meaning, cause, example, remedy, .. } in entries {
        let _ = write!(
            page,
            "### {id} {code}\n\n{}\n\n**Why.** {cause}\n\n    {}\n\n**What to do.** {}\n\n",
            sentence(meaning),
            example.replace('\n', "\n    "),
            sentence(remedy)
        );
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}
