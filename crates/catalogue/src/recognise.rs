//! Finding the entry that a text is about: an event, an error, a line of a log.

use crate::{Entry, entries, find};

/// Values of the label `error_type` that driver v1.6.0 has and dashboards know, and the codes that each may stand for.
const METRIC_REASONS: &[(&str, &[&str])] = &[
    (
        "FailedToMount",
        &[
            "RequestInvalid",
            "ClassInvalid",
            "PodInfoMissing",
            "CsiDriverNotReadable",
            "TokensExpired",
            "VolumeNotWritten",
            "Cancelled",
            "Retrying",
        ],
    ),
    ("FailedToEnsureMountPoint", &["VolumeNotWritten"]),
    ("SecretProviderClassNotFound", &["ClassNotReadable"]),
    ("FileWriteError", &["FilesRefused", "MountedBytesBudgetExceeded", "VolumeNotWritten"]),
    ("GRPCProviderError", &["ProviderError", "ProviderUnavailable", "ProviderTimeout", "Cancelled"]),
    ("ProviderError", &["ProviderError"]),
    ("PodNotFound", &["PodNotReadable"]),
    ("PodVolumeNotFound", &["PodNotReadable"]),
    ("NodePublishSecretRefNotFound", &["NodePublishSecretNotReadable"]),
    ("FailedToRotate", &["TokenNotCreated", "PodNotReadable", "NodePublishSecretNotReadable"]),
];

/// The entries that a value of the metric label `error_type` may stand for; none if it is no such value. The values are those of driver
/// v1.6.0 and coarser than the codes; other labels have the codes themselves.
#[must_use]
pub fn of_metric(reason: &str) -> Vec<Entry> {
    let row = METRIC_REASONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(reason.trim()));
    row.iter().flat_map(|(_, codes)| *codes).filter_map(|code| find(code)).collect()
}

/// The entry that a text names: by its number, as `reason: ObjectNotFound`, or with the code as a word of its own. Of several the
/// first in the text.
#[must_use]
pub fn recognise(text: &str) -> Option<Entry> {
    let all = entries();
    let word = |word: &str| {
        let number = word
            .strip_prefix("KM")
            .filter(|digits| digits.len() == 4)
            .and_then(|digits| digits.parse::<u16>().ok());
        all.iter().find(|entry| Some(entry.id.get()) == number || entry.code == word).cloned()
    };
    // A stated reason counts more than a word before it: texts of vaults and of Kubernetes have words of ours, too.
    let stated = text.lines().find_map(|line| line.split_once("reason: ")).map(|(_, rest)| rest);
    let words = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).find_map(word);
    stated.and_then(|rest| rest.split_whitespace().next()).and_then(words).or_else(|| words(text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn texts_name_their_code() {
        for (text, code) in [
            (
                "… RESPONSE 404 SecretNotFound\nreason: ObjectNotFound (KM0409)\nhint: check",
                Some("ObjectNotFound"),
            ),
            ("Retrying as KM0610 said\nreason: TokenTimeout?", Some("Retrying")),
            ("provider mount err: it did not answer (ProviderTimeout, KM0609)", Some("ProviderTimeout")),
            ("KM0107", Some("TenantMissing")),
            ("KM107 and KM01070", None),
            ("rpc error: code = Unknown desc = nothing known", None),
        ] {
            assert_eq!(recognise(text).map(|entry| entry.code), code, "{text}");
        }
    }

    #[test]
    fn every_reason_of_a_metric_leads_to_entries_and_every_code_of_the_driver_has_one() {
        let named: BTreeSet<_> = METRIC_REASONS.iter().map(|(name, _)| *name).collect();
        let counted = keymount_driver::metrics::ERROR_TYPES.iter().copied().filter(|name| !name.is_empty());
        assert_eq!(named, counted.collect());
        for (name, codes) in METRIC_REASONS {
            assert_eq!(of_metric(name).len(), codes.len(), "{name}");
        }
        assert!(of_metric("Nothing").is_empty());
    }
}
