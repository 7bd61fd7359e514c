//! What there is to say of one pod and class.

use jiff::Timestamp;
use keymount_api::{CertificateExpiry, Condition, ObjectVersion, SecretProviderClassPodStatus, labels};
use serde::Serialize;

use super::secrets::SecretView;

/// The volumes of one pod of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VolumeView {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) class: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<String>,
    pub(crate) state: State,
    /// Objects and their versions.
    pub(crate) objects: Vec<ObjectVersion>,
    /// Certificates in its files, the first to expire first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) certificates: Vec<CertificateExpiry>,
    /// When the content was last fetched, as far as the driver has written that: it writes when something changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_success: Option<Timestamp>,
    /// Since when it cannot be fetched again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stale_since: Option<Timestamp>,
    /// Whether the driver fetches it again periodically; unknown where nothing is mounted, or the installed definitions prune conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rotates: Option<bool>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<Problem>,
    /// Kubernetes Secrets made of it; none where they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secrets: Option<Vec<SecretView>>,
}

/// How the volume is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum State {
    /// The first mount fails: the pod does not start.
    Failed,
    /// The pod mounts a class, and no driver has told anything of it.
    Unknown,
    /// The content cannot be fetched again.
    Stale,
    /// A Secret is not in sync.
    NotSynced,
    /// As it should be.
    Mounted,
    /// The status object was deleted.
    Gone,
}

/// A condition that is False.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    /// Type of the condition.
    pub(crate) condition: String,
    /// Code of the error catalogue.
    pub(crate) reason: String,
    /// Its number there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<String>,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<&'static str>,
}

impl State {
    pub(crate) const fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Unknown | Self::Stale | Self::NotSynced)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
            Self::Stale => "Stale",
            Self::NotSynced => "NotSynced",
            Self::Mounted => "Mounted",
            Self::Gone => "Gone",
        }
    }
}

impl Problem {
    fn of(condition: &Condition) -> Self {
        let entry = keymount_catalogue::find(&condition.reason);
        Self {
            condition: condition.type_.clone(),
            reason: condition.reason.clone(),
            number: entry.as_ref().map(|entry| entry.id.to_string()),
            message: condition.message.clone(),
            since: condition.last_transition_time.as_ref().map(|time| time.0),
            remedy: entry.map(|entry| entry.remedy),
        }
    }
}

impl VolumeView {
    /// What a status object says.
    pub(crate) fn of(object: &SecretProviderClassPodStatus) -> Self {
        let status = &object.status;
        let failed: Vec<_> =
            status.conditions.iter().filter(|condition| condition.status == "False").collect();
        let fails = |type_: &str| failed.iter().find(|condition| condition.type_ == type_);
        let state = match () {
            () if fails("Mounted").is_some() || !status.mounted => State::Failed,
            () if fails("RotationSucceeded").is_some() => State::Stale,
            () if fails("SecretsSynced").is_some() => State::NotSynced,
            () => State::Mounted,
        };
        let stale_since =
            fails("RotationSucceeded").and_then(|condition| condition.last_transition_time.as_ref());
        let has = |type_: &str| status.conditions.iter().any(|condition| condition.type_ == type_);
        Self {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            pod: status.pod_name.clone(),
            class: status.secret_provider_class_name.clone(),
            node: object.metadata.labels.as_ref().and_then(|all| all.get(labels::NODE_NAME)).cloned(),
            state,
            objects: status.objects.clone(),
            certificates: status.certificates.clone(),
            last_success: status.last_success_time.as_ref().map(|time| time.0),
            stale_since: stale_since.map(|time| time.0),
            // What is not mounted is not rotated, and that says nothing of the driver.
            rotates: (status.mounted && !status.conditions.is_empty()).then(|| has("RotationSucceeded")),
            problems: failed.iter().map(|condition| Problem::of(condition)).collect(),
            secrets: None,
        }
    }

    /// A pod that mounts a class, and nobody says anything of it.
    pub(crate) fn untold(namespace: &str, pod: &str, class: &str, node: Option<&str>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            class: class.to_owned(),
            node: node.map(str::to_owned),
            state: State::Unknown,
            objects: Vec::new(),
            certificates: Vec::new(),
            last_success: None,
            stale_since: None,
            rotates: None,
            problems: Vec::new(),
            secrets: None,
        }
    }

    /// When the first of its certificates expires.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.certificates.iter().filter_map(|found| Some(found.not_after.as_ref()?.0)).min()
    }

    /// Whether something is wrong with it.
    pub(crate) fn is_bad(&self, now: Timestamp) -> bool {
        self.state.is_bad() || self.expires().is_some_and(|end| end <= now)
    }

    /// What to sort and compare by.
    pub(crate) fn key(&self) -> (&str, &str, &str) {
        (&self.namespace, &self.pod, &self.class)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(mounted: bool, conditions: &[(&str, &str, &str)]) -> VolumeView {
        let condition = |(type_, status, reason): &(&str, &str, &str)| json!({"type": type_, "status": status, "reason": reason, "lastTransitionTime": "2026-11-24T12:00:00Z"});
        let conditions: Vec<_> = conditions.iter().map(condition).collect();
        let object = json!({
            "metadata": {"namespace": "shop", "labels": {labels::NODE_NAME: "node-1"}},
            "status": {"podName": "web", "secretProviderClassName": "c", "mounted": mounted, "conditions": conditions},
        });
        VolumeView::of(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn the_worst_condition_is_the_state() {
        let (well, rotation, sync) = (
            ("Mounted", "True", "Mounted"),
            ("RotationSucceeded", "False", "VaultThrottled"),
            ("SecretsSynced", "False", "SecretForbidden"),
        );
        for (mounted, conditions, state) in [
            (true, &[][..], State::Mounted),
            (false, &[], State::Failed),
            (true, &[well], State::Mounted),
            (true, &[well, rotation, sync], State::Stale),
            (true, &[well, sync], State::NotSynced),
            (false, &[("Mounted", "False", "ObjectNotFound"), sync], State::Failed),
        ] {
            assert_eq!(view(mounted, conditions).state, state, "{conditions:?}");
        }
    }

    #[test]
    fn a_problem_has_the_number_and_the_remedy_of_the_catalogue() {
        let view = view(false, &[("Mounted", "False", "TenantMissing")]);
        assert_eq!(view.problems[0].number.as_deref(), Some("KM0107"));
        assert!(view.problems[0].remedy.unwrap().contains("tenantID"), "{:?}", view.problems);
        assert_eq!(view.rotates, None);
    }

    #[test]
    fn an_expired_certificate_is_something_wrong() {
        let mut view = view(true, &[("Mounted", "True", "Mounted")]);
        let certificate =
            |end: &str| serde_json::from_value(json!({"path": "tls.crt", "notAfter": end})).unwrap();
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        assert!(!view.is_bad(now) && view.expires().is_none());
        view.certificates = vec![certificate("2027-01-01T00:00:00Z")];
        assert!(!view.is_bad(now));
        view.certificates.push(certificate("2026-11-24T11:59:59Z"));
        assert!(view.is_bad(now) && view.expires() < Some(now));
    }

    #[test]
    fn pruned_conditions_say_nothing_about_rotation() {
        assert_eq!(view(true, &[]).rotates, None);
        assert_eq!(view(true, &[("Mounted", "True", "Mounted")]).rotates, Some(false));
    }
}
