//! The way from a pod to the vault, link by link.

use keymount_catalogue::{Area, Entry};
use keymount_lint::Severity;
use serde::Serialize;

use crate::status::VolumeView;

/// A part of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Part {
    Class,
    Driver,
    Identity,
    Vault,
    Content,
    Secrets,
}

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Mark {
    Good,
    /// It works, but not as it was meant.
    Doubtful,
    Bad,
    /// Nothing came so far, or it may not be looked at.
    Unknown,
}

/// A part, how it is, and what there is to know about it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Link {
    pub(crate) part: Part,
    pub(crate) mark: Mark,
    pub(crate) text: String,
}

/// What `keymount lint` says of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl Part {
    pub(crate) const ALL: [Self; 6] =
        [Self::Class, Self::Driver, Self::Identity, Self::Vault, Self::Content, Self::Secrets];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Class => "Class",
            Self::Driver => "Driver",
            Self::Identity => "Identity",
            Self::Vault => "Vault",
            Self::Content => "Content",
            Self::Secrets => "Secrets",
        }
    }

    /// The part that an error is about.
    fn of(entry: &Entry) -> Self {
        match (entry.area, entry.code) {
            (_, "ClassNotReadable" | "ClassInvalid") | (Area::Class | Area::Lint, _) => Self::Class,
            (_, "TokensExpired" | "TokenNotCreated" | "NodePublishSecretNotReadable")
            | (Area::Credential | Area::Token, _) => Self::Identity,
            (_, "ObjectNotFound" | "ObjectDisabled" | "FilesRefused") | (Area::Content, _) => Self::Content,
            (Area::Vault, _) => Self::Vault,
            (Area::Driver, _) => Self::Driver,
            (Area::SecretSync, _) => Self::Secrets,
        }
    }
}

/// How far a mount comes: marks for all parts, in order. `broken` are the errors, and whether each keeps the volume from
/// being mounted.
pub(crate) fn marks(volume: Option<&VolumeView>, broken: &[(Entry, bool)]) -> Vec<Mark> {
    let mounted = volume.is_some_and(|volume| !volume.objects.is_empty());
    let at = broken
        .iter()
        .filter(|(entry, _)| Part::of(entry) != Part::Secrets)
        .map(|(entry, _)| Part::of(entry))
        .min();
    let of = |part: Part| {
        let here = broken.iter().filter(|(entry, _)| Part::of(entry) == part);
        if let Some(stops) = here.map(|(_, stops)| *stops).reduce(|one, other| one || other) {
            return if stops || part == Part::Secrets { Mark::Bad } else { Mark::Doubtful };
        }
        match at {
            // A volume that is mounted has once come all the way.
            Some(at) if part > at && !mounted => Mark::Unknown,
            Some(_) => Mark::Good,
            None if volume.is_none_or(|volume| volume.state == crate::status::State::Unknown) => {
                Mark::Unknown
            }
            None => Mark::Good,
        }
    };
    Part::ALL.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(code: &str, stops: bool) -> Vec<(Entry, bool)> {
        vec![(keymount_catalogue::find(code).unwrap(), stops)]
    }

    fn text(marks: &[Mark]) -> String {
        let sign = |mark: &Mark| match mark {
            Mark::Good => '+',
            Mark::Doubtful => '!',
            Mark::Bad => 'x',
            Mark::Unknown => '.',
        };
        marks.iter().map(sign).collect()
    }

    #[test]
    fn what_comes_before_the_error_works_and_what_follows_is_unknown() {
        for (code, marks_) in [
            ("ClassNotReadable", "x....."),
            ("TenantMissing", "x....."),
            ("ProviderNotFound", "+x...."),
            ("TokenTenantNotFound", "++x..."),
            ("VaultForbiddenByFirewall", "+++x.."),
            ("ObjectNotFound", "++++x."),
        ] {
            assert_eq!(text(&marks(None, &broken(code, true))), marks_, "{code}");
        }
        let mut mounted = VolumeView::untold("ns", "web", "c", None);
        mounted.state = crate::status::State::Stale;
        mounted.objects.push(keymount_api::ObjectVersion::default());
        assert_eq!(text(&marks(Some(&mounted), &broken("VaultThrottled", false))), "+++!++");
        assert_eq!(text(&marks(Some(&mounted), &broken("SecretForbidden", false))), "+++++x");
        assert_eq!(text(&marks(Some(&mounted), &[])), "++++++");
        assert_eq!(text(&marks(None, &[])), "......");
    }

    /// Every code has its place on the way, whoever adds one.
    #[test]
    fn every_code_of_an_area_is_about_a_part() {
        for entry in keymount_catalogue::entries() {
            let part = Part::of(entry);
            assert_eq!(part == Part::Secrets, entry.area == Area::SecretSync, "{}", entry.code);
        }
    }
}
