//! Whether a Secret that exists is to be written, by this node and now.
//!
//! Nodes fetch at different times, and some stores give each of them bytes of its own. The content that was
//! fetched last wins, whoever wrote it: a node whose content is older leaves the Secret alone, so nodes
//! never take turns in undoing each other's writes. What somebody edited by hand is put right.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use keymount_api::annotations;

use super::desired::Desired;
use super::write::{MANAGER, annotation, with_applied};

/// How far ahead the clock of the node that wrote the Secret may be. A time beyond that is none: it would
/// keep every other node from writing until then.
const SKEW: Duration = Duration::from_secs(300);

/// What to do about a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as it should be.
    AsDesired,
    /// It holds content that was fetched after ours.
    NewerThere,
    /// To be written.
    Write,
}

/// Looks at the Secret as it is. `since` is when our content was fetched first.
pub(super) fn judge(live: &Secret, desired: &Desired, since: Option<Timestamp>, now: Timestamp) -> Verdict {
    let content = same_data(live, desired) && same_versions(live, desired);
    if content && same_looks(live, desired) {
        return Verdict::AsDesired;
    }
    let newer = fetched_at(live, now).is_some_and(|theirs| since.is_none_or(|ours| theirs > ours));
    let is_edit = same_versions(live, desired) && was_edited(live, desired);
    if newer && !content && !is_edit { Verdict::NewerThere } else { Verdict::Write }
}

/// When the content that is there was fetched, as the node that wrote it says.
pub(super) fn fetched_at(live: &Secret, now: Timestamp) -> Option<Timestamp> {
    let theirs: Timestamp = annotation(live, annotations::FETCHED_AT)?.parse().ok()?;
    let latest = now.checked_add(SKEW).unwrap_or(Timestamp::MAX);
    (theirs <= latest).then_some(theirs)
}

pub(super) fn same_data(live: &Secret, desired: &Desired) -> bool {
    let nothing = BTreeMap::new();
    let data = live.data.as_ref().unwrap_or(&nothing);
    data.len() == desired.data.len()
        && desired
            .data
            .iter()
            .all(|(key, value)| data.get(key).is_some_and(|ByteString(held)| held == value.expose()))
}

fn same_versions(live: &Secret, desired: &Desired) -> bool {
    annotation(live, annotations::OBJECT_VERSIONS)
        == desired.annotations.get(annotations::OBJECT_VERSIONS).map(String::as_str)
}

/// Type, labels and annotations. The time of the fetch alone is no reason to write.
fn same_looks(live: &Secret, desired: &Desired) -> bool {
    let holds = |live: Option<&BTreeMap<String, String>>, wanted: &BTreeMap<String, String>| {
        wanted
            .iter()
            .filter(|(key, _)| key.as_str() != annotations::FETCHED_AT)
            .all(|(key, value)| live.and_then(|live| live.get(key)) == Some(value))
    };
    live.type_.as_deref() == Some(&desired.type_)
        && holds(live.metadata.labels.as_ref(), &desired.labels)
        && holds(live.metadata.annotations.as_ref(), &with_applied(desired))
}

/// Whether somebody else than this driver has changed the data: keys came or went, or the API server has
/// another manager for one.
fn was_edited(live: &Secret, desired: &Desired) -> bool {
    let nothing = BTreeMap::new();
    let keys_differ = !live.data.as_ref().unwrap_or(&nothing).keys().eq(desired.data.keys());
    let others = live.metadata.managed_fields.iter().flatten().any(|entry| {
        entry.manager.as_deref() != Some(MANAGER)
            && entry.fields_v1.as_ref().is_some_and(|fields| fields.0.get("f:data").is_some())
    });
    keys_differ || others
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
    use keymount_sensitive::Sensitive;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 10_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn desired(versions: &str, value: &str) -> Desired {
        Desired {
            type_: "Opaque".to_owned(),
            data: BTreeMap::from([("k".to_owned(), Sensitive::new(value.as_bytes().to_vec()))]),
            labels: BTreeMap::new(),
            annotations: BTreeMap::from([(annotations::OBJECT_VERSIONS.to_owned(), versions.to_owned())]),
        }
    }

    /// A Secret as this driver writes it, and as others may have edited it.
    fn live(versions: &str, value: &str, fetched: i64, manager: &str) -> Secret {
        let mut annotations = with_applied(&desired(versions, value));
        annotations.insert(annotations::FETCHED_AT.to_owned(), at(fetched).to_string());
        let entry = ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            fields_v1: Some(FieldsV1(json!({"f:data": {"f:k": {}}}))),
            ..ManagedFieldsEntry::default()
        };
        Secret {
            metadata: ObjectMeta {
                annotations: Some(annotations),
                managed_fields: Some(vec![entry]),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(BTreeMap::from([("k".to_owned(), ByteString(value.into()))])),
            ..Secret::default()
        }
    }

    #[test]
    fn the_content_fetched_last_wins_and_hand_edits_do_not() {
        let (ours, kubectl) = (MANAGER, "kubectl-edit");
        let rows = [
            // versions, bytes, fetched and manager there; ours are v1, "a", since 100
            (("v1", "a", 100, ours), Verdict::AsDesired),
            (("v1", "a", 900, ours), Verdict::AsDesired),
            (("v2", "b", 200, ours), Verdict::NewerThere),
            (("v2", "b", 50, ours), Verdict::Write),
            (("v2", "b", 100, ours), Verdict::Write),
            // Bytes of its own for each node, under one version: the newest stays.
            (("v1", "b", 200, ours), Verdict::NewerThere),
            (("v1", "b", 50, ours), Verdict::Write),
            // Edited by hand: put right by whoever has the same versions, also where another node wrote last.
            (("v1", "b", 200, kubectl), Verdict::Write),
            (("v1", "b", 100, kubectl), Verdict::Write),
            (("v2", "b", 200, kubectl), Verdict::NewerThere),
            // A clock that is a day ahead counts for nothing.
            (("v2", "b", NOW + 86_400, ours), Verdict::Write),
            (("v2", "b", NOW + 200, ours), Verdict::NewerThere),
        ];
        for ((versions, value, fetched, manager), expected) in rows {
            let secret = live(versions, value, fetched, manager);
            let verdict = judge(&secret, &desired("v1", "a"), Some(at(100)), at(NOW));
            assert_eq!(verdict, expected, "{versions} {value} {fetched} {manager}");
        }
    }

    #[test]
    fn content_of_unknown_age_never_replaces_a_dated_one() {
        let unknown = |secret: &Secret| judge(secret, &desired("v1", "a"), None, at(NOW));
        assert_eq!(unknown(&live("v2", "b", 1, MANAGER)), Verdict::NewerThere);
        assert_eq!(unknown(&Secret::default()), Verdict::Write, "one that the Go driver made");
    }

    #[test]
    fn labels_follow_the_class_also_where_the_content_was_fetched_elsewhere() {
        let mut wanted = desired("v1", "a");
        wanted.labels.insert("team".to_owned(), "a".to_owned());
        assert_eq!(judge(&live("v1", "a", 900, MANAGER), &wanted, Some(at(100)), at(NOW)), Verdict::Write);
        assert_eq!(
            judge(&live("v2", "b", 900, MANAGER), &wanted, Some(at(100)), at(NOW)),
            Verdict::NewerThere
        );
    }

    #[test]
    fn a_key_that_somebody_took_away_is_put_back() {
        let mut secret = live("v1", "a", 900, MANAGER);
        secret.data = None;
        assert_eq!(judge(&secret, &desired("v1", "a"), Some(at(100)), at(NOW)), Verdict::Write);
    }
}
