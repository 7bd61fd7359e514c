//! The object as it should be: a pure function of what the ledger knows.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use keymount_api::{
    CertificateExpiry, Condition, ObjectVersion, PodVolumeStatus, SecretProviderClassPodStatus, labels,
};
use sha2::{Digest as _, Sha256};

use crate::certificates::Certificate;
use crate::kubernetes::is_object_name;
use crate::request::{ClassKey, PodRef};
use crate::volume::Failure;

/// Which object: one per pod and class, also when the pod mounts the class twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StatusKey {
    /// The pod.
    pub(crate) pod: PodRef,
    /// Name of the class.
    pub(crate) class: String,
}

/// What there is to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Target paths of the mounted volumes, sorted.
    pub(crate) targets: Vec<String>,
    /// Objects in them, sorted by id.
    pub(crate) versions: Vec<(String, String)>,
    /// Certificates in them, the first to expire first.
    pub(crate) certificates: Vec<Certificate>,
    /// When the content was fetched.
    pub(crate) fetched: Option<Timestamp>,
    /// Why the first mount failed.
    pub(crate) mount_failure: Option<Failure>,
    /// Whether volumes are rotated, and why the last rotation failed.
    pub(crate) rotation: Option<Option<Failure>>,
    /// Why the Secrets of the class are not in sync; told only after they once were not.
    pub(crate) sync: Option<Option<Failure>>,
}

/// Longest name of an object, and longest value of a label.
const NAME: usize = 253;
const LABEL: usize = 63;

impl StatusKey {
    /// Whether there can be an object: without podInfoOnMount nobody knows the pod, and there are no classes
    /// of some names that pods ask for.
    #[must_use]
    pub(crate) fn is_complete(&self) -> bool {
        is_object_name(&self.pod.name) && !self.pod.uid.is_empty() && is_object_name(&self.class)
    }

    /// The class this is about.
    #[must_use]
    pub(crate) fn class(&self) -> ClassKey {
        ClassKey { namespace: self.pod.namespace.clone(), name: self.class.clone() }
    }

    /// `<pod>-<namespace>-<class>`, as the Go driver has it; where that is too long its beginning and a
    /// hash of the whole.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        shortened(&format!("{}-{}-{}", self.pod.name, self.pod.namespace, self.class), NAME)
    }

    /// The name to use where another pod and class have taken [`name`](Self::name): `a-b` with `c` and
    /// `a` with `b-c` give the same.
    #[must_use]
    pub(crate) fn other_name(&self) -> String {
        let parts = [&self.pod.name, &self.pod.namespace, &self.class].map(String::as_str).join("\0");
        with_hash(&format!("{}-{}-{}", self.pod.name, self.pod.namespace, self.class), &parts, NAME)
    }
}

/// Value of the node label: the node's name, or its hash where it is no label value.
#[must_use]
pub(crate) fn node_label(node: &str) -> String {
    shortened(node, LABEL)
}

fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit { text.to_owned() } else { with_hash(text, text, limit) }
}

fn with_hash(text: &str, hashed: &str, limit: usize) -> String {
    let hash = hex::encode(Sha256::digest(hashed.as_bytes()));
    let room = limit - 17;
    let start = &text[..text.floor_char_boundary(text.len().min(room))];
    format!("{}-{}", start.trim_end_matches(['-', '.', '_']), &hash[..16])
}

/// The whole object. `before` are the conditions told last, whose times are kept where nothing changed.
#[must_use]
pub(crate) fn desired(
    key: &StatusKey,
    view: &View,
    node: &str,
    before: &[Condition],
    now: Timestamp,
) -> SecretProviderClassPodStatus {
    let metadata = ObjectMeta {
        name: Some(key.name()),
        namespace: Some(key.pod.namespace.clone()),
        labels: Some([(labels::NODE_NAME.to_owned(), node_label(node))].into()),
        owner_references: Some(vec![OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: key.pod.name.clone(),
            uid: key.pod.uid.clone(),
            ..OwnerReference::default()
        }]),
        ..ObjectMeta::default()
    };
    let mut conditions = vec![condition("Mounted", "Mounted", view.mount_failure.as_ref())];
    if let Some(rotation) = &view.rotation {
        conditions.push(condition("RotationSucceeded", "UpToDate", rotation.as_ref()));
    }
    if let Some(sync) = &view.sync {
        conditions.push(condition("SecretsSynced", "Synced", sync.as_ref()));
    }
    for condition in &mut conditions {
        let kept = before.iter().find(|old| old.type_ == condition.type_ && old.status == condition.status);
        condition.last_transition_time =
            kept.and_then(|old| old.last_transition_time.clone()).or(Some(Time(now)));
    }
    let status = PodVolumeStatus {
        pod_name: key.pod.name.clone(),
        secret_provider_class_name: key.class.clone(),
        mounted: view.mount_failure.is_none() && !view.targets.is_empty(),
        target_path: view.targets.first().cloned().unwrap_or_default(),
        objects: view
            .versions
            .iter()
            .map(|(id, version)| ObjectVersion { id: id.clone(), version: version.clone() })
            .collect(),
        certificates: view
            .certificates
            .iter()
            .map(|found| CertificateExpiry {
                path: found.path.clone(),
                not_after: Some(Time(found.not_after)),
            })
            .collect(),
        last_success_time: view.fetched.map(Time),
        conditions,
    };
    SecretProviderClassPodStatus { metadata, status }
}

/// Keeps the times of the object in the cluster where nothing has happened since. An earlier driver process
/// knew them, this one does not. They are shown to people and used for nothing else.
pub(super) fn keep_times(wanted: &mut PodVolumeStatus, live: &PodVolumeStatus) {
    for condition in &mut wanted.conditions {
        let same = |old: &&Condition| old.type_ == condition.type_ && old.status == condition.status;
        if let Some(old) = live.conditions.iter().find(same) {
            condition.last_transition_time.clone_from(&old.last_transition_time);
        }
    }
    if wanted.last_success_time.is_none() {
        wanted.last_success_time.clone_from(&live.last_success_time);
    }
}

fn condition(type_: &str, well: &str, failure: Option<&Failure>) -> Condition {
    let (status, reason, message) = match failure {
        None => ("True", well, String::new()),
        Some(failure) => ("False", failure.reason.as_str(), told(failure)),
    };
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: None,
    }
}

/// The message ends with the number by which `keymount explain` knows the reason.
fn told(failure: &Failure) -> String {
    match keymount_reasons::number(&failure.reason) {
        Some(number) => format!("{} ({number})", failure.message),
        None => failure.message.clone(),
    }
}

/// Whether the object in the cluster says what it should. Times do not count. Where the installed
/// definition prunes conditions, their absence says that all is well, and only that; certificates are pruned with them.
#[must_use]
pub(crate) fn says_the_same(
    live: &SecretProviderClassPodStatus,
    desired: &SecretProviderClassPodStatus,
) -> bool {
    let facts = |object: &SecretProviderClassPodStatus| {
        let status = &object.status;
        let owner = object.metadata.owner_references.iter().flatten().map(|owner| owner.uid.clone());
        (
            status.pod_name.clone(),
            status.secret_provider_class_name.clone(),
            status.mounted,
            status.target_path.clone(),
            status.objects.clone(),
            owner.collect::<Vec<_>>(),
            object.metadata.labels.as_ref().and_then(|labels| labels.get(labels::NODE_NAME)).cloned(),
        )
    };
    let told = |conditions: &[Condition]| -> Vec<_> {
        conditions.iter().map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone())).collect()
    };
    let fields_of_ours = if live.status.conditions.is_empty() {
        desired.status.conditions.iter().all(|condition| condition.status == "True")
    } else {
        told(&live.status.conditions) == told(&desired.status.conditions)
            && live.status.certificates == desired.status.certificates
    };
    fields_of_ours && facts(live) == facts(desired)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pod: &str, class: &str) -> StatusKey {
        let pod = PodRef { namespace: "ns".into(), name: pod.into(), uid: "uid-1".into() };
        StatusKey { pod, class: class.into() }
    }

    fn failure(reason: &str) -> Failure {
        Failure { reason: reason.into(), message: "why".into() }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_mounted_volume_is_told_as_the_go_driver_tells_it() {
        let view = View {
            targets: vec!["/pods/uid-1/a".into(), "/pods/uid-1/b".into()],
            versions: vec![("secret/a".into(), "2".into()), ("secret/b".into(), "1".into())],
            fetched: Some(at(0)),
            rotation: Some(None),
            ..View::default()
        };
        let object = desired(&key("web", "class"), &view, "node-1", &[], at(5));
        insta::assert_json_snapshot!(serde_json::to_value(object).unwrap(), @r#"
        {
          "apiVersion": "secrets-store.csi.x-k8s.io/v1",
          "kind": "SecretProviderClassPodStatus",
          "metadata": {
            "labels": {
              "internal.secrets-store.csi.k8s.io/node-name": "node-1"
            },
            "name": "web-ns-class",
            "namespace": "ns",
            "ownerReferences": [
              {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": "web",
                "uid": "uid-1"
              }
            ]
          },
          "status": {
            "conditions": [
              {
                "lastTransitionTime": "2027-01-15T08:00:05Z",
                "reason": "Mounted",
                "status": "True",
                "type": "Mounted"
              },
              {
                "lastTransitionTime": "2027-01-15T08:00:05Z",
                "reason": "UpToDate",
                "status": "True",
                "type": "RotationSucceeded"
              }
            ],
            "lastSuccessTime": "2027-01-15T08:00:00Z",
            "mounted": true,
            "objects": [
              {
                "id": "secret/a",
                "version": "2"
              },
              {
                "id": "secret/b",
                "version": "1"
              }
            ],
            "podName": "web",
            "secretProviderClassName": "class",
            "targetPath": "/pods/uid-1/a"
          }
        }
        "#);
    }

    #[test]
    fn a_failed_mount_is_told_too_and_the_transition_time_is_kept() {
        let view = View { mount_failure: Some(failure("ProviderNotFound")), ..View::default() };
        let first = desired(&key("web", "class"), &view, "n", &[], at(0));
        assert!(!first.status.mounted);
        assert_eq!(first.status.conditions[0].reason, "ProviderNotFound");
        let other = View { mount_failure: Some(failure("ProviderTimeout")), ..View::default() };
        let second = desired(&key("web", "class"), &other, "n", &first.status.conditions, at(60));
        assert_eq!(second.status.conditions[0].last_transition_time, Some(Time(at(0))), "False since then");
        assert!(!says_the_same(&first, &second));
        let well = View { targets: vec!["/t".into()], ..View::default() };
        let third = desired(&key("web", "class"), &well, "n", &second.status.conditions, at(90));
        assert_eq!(third.status.conditions[0].last_transition_time, Some(Time(at(90))));
    }

    #[test]
    fn pruned_conditions_say_that_all_is_well_and_only_that() {
        let certificates = vec![Certificate { not_after: at(100), path: "tls.crt".into() }];
        let well = View { targets: vec!["/t".into()], rotation: Some(None), certificates, ..View::default() };
        let bad = View { rotation: Some(Some(failure("ProviderError"))), ..well.clone() };
        let [well, bad] = [well, bad].map(|view| desired(&key("web", "class"), &view, "n", &[], at(0)));
        let mut pruned = well.clone();
        pruned.status.conditions.clear();
        pruned.status.certificates.clear();
        pruned.status.last_success_time = None;
        assert!(says_the_same(&pruned, &well));
        assert!(!says_the_same(&pruned, &bad));
        let mut older = well.clone();
        older.status.certificates.clear();
        assert!(!says_the_same(&older, &well), "written by a version that did not look");
        let mut stripped = well.clone();
        stripped.metadata.labels = None;
        assert!(!says_the_same(&stripped, &well), "a label that was taken away is put back");
    }

    #[test]
    fn long_names_are_hashed_and_colliding_ones_told_apart() {
        assert_eq!(key("web", "class").name(), "web-ns-class");
        let long = key(&"p".repeat(200), &"c".repeat(200));
        assert!(long.name().len() <= 253 && long.name() != key(&"p".repeat(200), &"c".repeat(199)).name());
        let (first, second) = (key("a-b", "c"), key("a", "b-c"));
        assert_ne!(first.other_name(), second.other_name());
        assert_eq!(node_label("node-1"), "node-1");
        let label = node_label(&format!("{}.example.com", "n".repeat(80)));
        assert!(label.len() <= 63 && label.ends_with(|c: char| c.is_ascii_alphanumeric()), "{label}");
    }
}
