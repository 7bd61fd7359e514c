//! What the error catalogue says of a reason. This crate is one of those that the catalogue reads, so its texts
//! come here as a file, which `cargo xtask docs` makes.

/// Code, meaning and remedy of each reason, by tabs. Numbers are those of the crate that has them all.
const TABLE: &str = include_str!("remedies.tsv");

/// What is known of a reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Explanation {
    /// Its number, such as KM0107.
    pub(super) id: String,
    /// What happened.
    pub(super) meaning: &'static str,
    /// What to do.
    pub(super) remedy: &'static str,
}

/// The entry of a reason; none for one that another provider made up.
pub(super) fn explain(reason: &str) -> Option<Explanation> {
    let id = keymount_reasons::number(reason)?.to_string();
    TABLE.lines().find_map(|line| {
        let mut cells = line.split('\t');
        let (code, meaning, remedy) = (cells.next()?, cells.next()?, cells.next()?);
        (code == reason).then(|| Explanation { id: id.clone(), meaning, remedy })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_driver_is_explained_and_others_are_not_guessed() {
        for reason in crate::volume::CONDITION_REASONS {
            let found = explain(reason).unwrap_or_else(|| panic!("{reason} has no entry: cargo xtask docs"));
            assert!(
                found.id.starts_with("KM") && !found.meaning.is_empty() && !found.remedy.is_empty(),
                "{reason}"
            );
        }
        assert!(explain("ObjectNotFound").is_some(), "the provider's are there, too");
        for unknown in ["", "KM0107", "SomethingElse", "a\tb"] {
            assert_eq!(explain(unknown), None);
        }
    }
}
