//! The error catalogue: every code that an event, a condition, an error text or `keymount lint` may show,
//! with what happened, why it usually does, how it looks, and what to do.
//!
//! A code is a word in CamelCase, such as `TenantMissing`, and a number, such as KM0107. Both stay what they
//! are; a number is never given to another code. The texts of the provider's codes are the provider's own, so
//! that the catalogue cannot say something else than the error does.

mod page;
mod recognise;
mod rows;

use std::sync::LazyLock;

use keymount_reasons::number;

pub use keymount_reasons::Number as Id;
pub use page::page;
pub use recognise::{of_metric, recognise};

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: Id,
    /// The code in events, conditions and error texts.
    pub code: &'static str,
    /// Where it comes from.
    pub area: Area,
    /// What happened.
    pub meaning: &'static str,
    /// Why it usually happens.
    pub cause: &'static str,
    /// How it looks: a line of an event, a condition or an error text.
    pub example: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// Where a code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// The class, as the Azure provider reads it.
    Class,
    /// Cloud and credential.
    Credential,
    /// The issuer of tokens: Entra, the metadata service.
    Token,
    /// The vault.
    Vault,
    /// What the vault holds.
    Content,
    /// The driver: mounts and rotations.
    Driver,
    /// Kubernetes Secrets made of files.
    SecretSync,
    /// Said by `keymount lint` only.
    Lint,
}

impl Area {
    /// All areas, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Class,
        Self::Credential,
        Self::Token,
        Self::Vault,
        Self::Content,
        Self::Driver,
        Self::SecretSync,
        Self::Lint,
    ];

    /// For headings.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Class => "The class",
            Self::Credential => "Cloud and credential",
            Self::Token => "Tokens",
            Self::Vault => "The vault",
            Self::Content => "Content",
            Self::Driver => "Mounts and rotations",
            Self::SecretSync => "Synced Secrets",
            Self::Lint => "Checks of `keymount lint`",
        }
    }

    const fn rows(self) -> &'static [Row] {
        match self {
            Self::Class => rows::CLASS,
            Self::Credential => rows::CREDENTIAL,
            Self::Token => rows::TOKEN,
            Self::Vault => rows::VAULT,
            Self::Content => rows::CONTENT,
            Self::Driver => rows::DRIVER,
            Self::SecretSync => rows::SECRET_SYNC,
            Self::Lint => rows::LINT,
        }
    }
}

/// What a table says of a code.
struct Row {
    code: &'static str,
    /// Meaning and remedy, where the crate that raises it has none.
    texts: Option<(&'static str, &'static str)>,
    cause: &'static str,
    example: &'static str,
}

/// A text as a sentence of its own: capital first, a full stop last.
#[must_use]
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    // The name of a field, such as objectName, is written as it is.
    let is_name =
        text.split_whitespace().next().is_some_and(|word| word.chars().skip(1).any(char::is_uppercase));
    let capital =
        |first: char| -> String { if is_name { first.into() } else { first.to_uppercase().collect() } };
    let first: String = characters.next().map(capital).unwrap_or_default();
    let end = if text.ends_with(['.', '`']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

/// All entries, by number.
#[must_use]
pub fn entries() -> &'static [Entry] {
    static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(made);
    &ENTRIES
}

fn made() -> Vec<Entry> {
    let provider = keymount_azure::catalogue();
    let texts = |row: &Row| {
        row.texts.or_else(|| {
            let known =
                provider.iter().find(|entry| entry.code == row.code).map(|entry| (entry.meaning, entry.fix));
            let rule = || keymount_lint::Rule::ALL.iter().find(|rule| rule.code() == row.code);
            known.or_else(|| rule().map(|rule| (rule.meaning(), rule.remedy())))
        })
    };
    let entry = |area: Area, row: &'static Row| {
        let (id, (meaning, remedy)) = (number(row.code)?, texts(row).unwrap_or_default());
        Some(Entry { id, code: row.code, area, meaning, cause: row.cause, example: row.example, remedy })
    };
    Area::ALL
        .into_iter()
        .flat_map(|area| area.rows().iter().filter_map(move |row| entry(area, row)))
        .collect()
}

/// The entry of a number (`KM0107`, `0107`, `107`) or a code, in any case.
#[must_use]
pub fn find(wanted: &str) -> Option<Entry> {
    let wanted = wanted.trim();
    let digits =
        wanted.get(..2).filter(|start| start.eq_ignore_ascii_case("km")).map_or(wanted, |_| &wanted[2..]);
    let number: Option<u16> = digits.parse().ok();
    entries()
        .iter()
        .find(|entry| Some(entry.id.get()) == number || entry.code.eq_ignore_ascii_case(wanted))
        .cloned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A code that can be shown and is not here would be explained nowhere; one that is here and cannot be
    /// shown is a lie.
    #[test]
    fn every_code_has_its_entry_and_every_entry_a_code() {
        let shown: BTreeSet<&str> = keymount_azure::catalogue()
            .iter()
            .map(|entry| entry.code)
            .chain(keymount_objects::Reason::ALL.iter().map(|reason| reason.as_str()))
            .chain(keymount_driver::CONDITION_REASONS.iter().copied())
            .chain(keymount_lint::codes())
            .collect();
        let explained: BTreeSet<&str> = entries().iter().map(|entry| entry.code).collect();
        assert_eq!(shown.difference(&explained).collect::<Vec<_>>(), Vec::<&&str>::new(), "without an entry");
        assert_eq!(explained.difference(&shown).collect::<Vec<_>>(), Vec::<&&str>::new(), "shown nowhere");
    }

    #[test]
    fn numbers_are_unique_in_order_and_of_their_area() {
        let entries = entries();
        assert!(entries.is_sorted_by(|one, next| one.id < next.id));
        for entry in entries {
            let area = Area::ALL.iter().position(|area| *area == entry.area).unwrap() + 1;
            assert_eq!(usize::from(entry.id.get() / 100), area, "{}", entry.code);
        }
    }

    #[test]
    fn every_number_has_its_entry() {
        let explained: Vec<_> = entries().iter().map(|entry| (entry.id, entry.code)).collect();
        assert_eq!(explained, keymount_reasons::all().collect::<Vec<_>>());
    }

    #[test]
    fn every_entry_says_something() {
        for Entry { code, meaning, cause, example, remedy, .. } in entries() {
            for text in [meaning, cause, example, remedy] {
                assert!(text.len() > 10, "{code}: {text:?}");
            }
        }
    }

    #[test]
    fn texts_become_sentences() {
        assert_eq!(sentence("set it"), "Set it.");
        assert_eq!(sentence("`a` is it: `b`"), "`a` is it: `b`");
        assert_eq!(sentence("objectName is it"), "objectName is it.");
        assert_eq!(sentence(""), ".");
    }

    #[test]
    fn entries_are_found_by_number_and_by_code() {
        for wanted in ["KM0107", "km0107", "0107", "107", "TenantMissing", "tenantmissing", " KM0107 "] {
            assert_eq!(find(wanted).map(|entry| entry.code), Some("TenantMissing"), "{wanted}");
        }
        for unknown in ["KM9999", "", "é", "Tenant"] {
            assert_eq!(find(unknown), None);
        }
    }
}
