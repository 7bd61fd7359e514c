//! Bringing one Secret to what it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use keymount_api::{annotations, labels};
use keymount_schedule::WritePace;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::Status;
use serde_json::json;
use zeroize::Zeroize as _;

use super::desired::Desired;
use super::verdict::{Verdict, fetched_at, judge, same_data};
use crate::kubernetes::api_error;

/// Field manager of data, labels and annotations: the same from every node.
pub(super) const MANAGER: &str = "secrets-store-csi-driver";

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Attempts when another writer comes first.
const ATTEMPTS: u32 = 5;

/// Where the labels and annotations are kept that this driver set, so that one that leaves the class also
/// leaves the Secret, and one that somebody else set does not.
const APPLIED: &str = "keymount.io/applied-metadata";

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is new.
    Created,
    /// It was changed.
    Updated,
    /// It was as it should be.
    No,
    /// Another node has newer content; it is left alone.
    NewerThere,
}

/// Why a Secret is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(
        "secret {0} exists and was not made by this driver; it is left alone \
         (choose another secretName, or delete the Secret if it is not needed)"
    )]
    Foreign(String),
    #[error(
        "secret {secret} holds the content of SecretProviderClass {class}; it is left alone \
         (give each class a secretName of its own)"
    )]
    OtherClass { secret: String, class: String },
    #[error(
        "secret {secret} has type {is} and cannot become {wanted} (delete the Secret; it is made again at once)"
    )]
    Type { secret: String, is: String, wanted: String },
    #[error("secret {0} is immutable (delete the Secret; it is made again at once)")]
    Immutable(String),
    #[error(
        "secrets is forbidden: {0} (if you installed the CSI driver using helm, ensure syncSecret.enabled=true is set)"
    )]
    Forbidden(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Unreachable(String),
    #[error("other writers keep changing the secret")]
    Contended,
}

/// One Secret in the cluster.
pub(super) struct Target<'a> {
    pub(super) client: &'a Client,
    pub(super) pace: &'a WritePace,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) class: &'a str,
    /// The time of day.
    pub(super) now: Timestamp,
}

impl Target<'_> {
    /// Creates or updates the Secret and adds the owners that are missing.
    pub(super) async fn bring_to(
        &self,
        desired: &Desired,
        since: Option<Timestamp>,
        owners: &[OwnerReference],
    ) -> Result<Written, WriteError> {
        for _ in 0..ATTEMPTS {
            let Some(live) = self.answered(self.api().get_opt(self.name)).await?.map(Live) else {
                if self.create(desired, owners).await? {
                    return Ok(Written::Created);
                }
                continue;
            };
            self.must_be_ours(&live.0)?;
            let written = match self.update(&live.0, desired, since).await? {
                Some(written) => written,
                None => continue,
            };
            self.add_owners(&live.0, owners).await?;
            return Ok(written);
        }
        Err(WriteError::Contended)
    }

    /// False if somebody else made it meanwhile.
    async fn create(&self, desired: &Desired, owners: &[OwnerReference]) -> Result<bool, WriteError> {
        let secret = Live(Secret {
            metadata: ObjectMeta {
                name: Some(self.name.to_owned()),
                namespace: Some(self.namespace.to_owned()),
                labels: Some(desired.labels.clone()),
                annotations: Some(with_applied(desired)),
                owner_references: Some(owners.to_vec()),
                ..ObjectMeta::default()
            },
            type_: Some(desired.type_.clone()),
            data: Some(data(desired)),
            ..Secret::default()
        });
        self.pace.turn().await;
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match self.answered(self.api().create(&parameters, &secret.0)).await {
            Ok(created) => {
                drop(Live(created));
                Ok(true)
            }
            Err(WriteError::Contended) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// None if somebody else changed it meanwhile.
    async fn update(
        &self,
        live: &Secret,
        desired: &Desired,
        since: Option<Timestamp>,
    ) -> Result<Option<Written>, WriteError> {
        match judge(live, desired, since, self.now) {
            Verdict::AsDesired => return Ok(Some(Written::No)),
            Verdict::NewerThere => return Ok(Some(Written::NewerThere)),
            Verdict::Write => {}
        }
        if live.type_.as_deref() != Some(&desired.type_) {
            let is = live.type_.clone().unwrap_or_default();
            return Err(WriteError::Type { secret: self.name.to_owned(), is, wanted: desired.type_.clone() });
        }
        if live.immutable == Some(true) && !same_data(live, desired) {
            return Err(WriteError::Immutable(self.name.to_owned()));
        }
        let (ours_labels, ours_annotations) = applied(live);
        let mut next = Live(live.clone());
        next.0.metadata.labels = Some(merged(live.metadata.labels.as_ref(), &ours_labels, &desired.labels));
        next.0.metadata.annotations =
            Some(merged(live.metadata.annotations.as_ref(), &ours_annotations, &with_applied(desired)));
        if let Some(theirs) =
            fetched_at(live, self.now).filter(|theirs| since.is_none_or(|ours| *theirs > ours))
        {
            // What is there was seen after ours was fetched, and is the same: the later time stays true.
            let annotations = next.0.metadata.annotations.get_or_insert_default();
            annotations.insert(annotations::FETCHED_AT.to_owned(), theirs.to_string());
        }
        next.0.metadata.managed_fields = None;
        erase(&mut next.0);
        next.0.data = Some(data(desired));
        self.pace.turn().await;
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match self.answered(self.api().replace(self.name, &parameters, &next.0)).await {
            Ok(replaced) => {
                drop(Live(replaced));
                Ok(Some(Written::Updated))
            }
            Err(WriteError::Contended) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Each missing owner under a field manager of its own: server-side apply merges them by uid, and the
    /// garbage collector takes one away without the others.
    async fn add_owners(&self, live: &Secret, owners: &[OwnerReference]) -> Result<(), WriteError> {
        let present: BTreeSet<&str> =
            live.metadata.owner_references.iter().flatten().map(|owner| owner.uid.as_str()).collect();
        for owner in owners.iter().filter(|owner| !present.contains(owner.uid.as_str())) {
            let patch = json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": self.name,
                    "namespace": self.namespace,
                    // Refused if the Secret is another one by now, or gone: apply would create it.
                    "uid": live.metadata.uid,
                    "ownerReferences": [owner],
                },
            });
            let manager = format!("{MANAGER}-owner-{}", owner.uid);
            let manager = &manager[..manager.floor_char_boundary(128)];
            self.pace.turn().await;
            let (api, parameters) = (self.api(), PatchParams::apply(manager).force());
            let patch = Patch::Apply(&patch);
            let patched = self.answered(api.patch(self.name, &parameters, &patch)).await?;
            drop(Live(patched));
        }
        Ok(())
    }

    /// The rule that protects everybody else's Secrets.
    fn must_be_ours(&self, live: &Secret) -> Result<(), WriteError> {
        let managed = live.metadata.labels.as_ref().and_then(|labels| labels.get(labels::MANAGED));
        if managed.map(String::as_str) != Some("true") {
            return Err(WriteError::Foreign(self.name.to_owned()));
        }
        // One that the Go driver made names no class: it is taken over.
        match annotation(live, annotations::CLASS) {
            Some(class) if class != self.class => {
                Err(WriteError::OtherClass { secret: self.name.to_owned(), class: class.to_owned() })
            }
            _ => Ok(()),
        }
    }

    fn api(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    async fn answered<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, WriteError> {
        match tokio::time::timeout(TIMEOUT, request).await {
            Err(_) => Err(WriteError::Unreachable("the Kubernetes API did not answer in time".to_owned())),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) => Err(match status.code {
                409 => WriteError::Contended,
                403 => WriteError::Forbidden(api_error(&kube::Error::Api(status))),
                429 | 500.. => WriteError::Unreachable(api_error(&kube::Error::Api(status))),
                _ => WriteError::Refused(format!(
                    "the Kubernetes API refused secret {}: {}",
                    self.name,
                    causes(&status)
                )),
            }),
            Ok(Err(error)) => Err(WriteError::Unreachable(api_error(&error))),
        }
    }
}

/// Why the API server finds the Secret invalid: its reason, and which fields. Its text may quote their values.
fn causes(status: &Status) -> String {
    let details = status.details.iter().flat_map(|details| &details.causes);
    let fields: Vec<_> = details.map(|cause| format!("{} {}", cause.field, cause.reason)).collect();
    if fields.is_empty() {
        status.reason.clone()
    } else {
        format!("{} ({})", status.reason, fields.join(", "))
    }
}

/// A Secret whose data is overwritten when it is dropped.
struct Live(Secret);

impl Drop for Live {
    fn drop(&mut self) {
        erase(&mut self.0);
    }
}

fn erase(secret: &mut Secret) {
    secret.data.iter_mut().flatten().for_each(|(_, value)| value.0.zeroize());
}

fn data(desired: &Desired) -> BTreeMap<String, ByteString> {
    desired.data.iter().map(|(key, value)| (key.clone(), ByteString(value.expose().clone()))).collect()
}

pub(super) fn annotation<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    secret.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// The desired annotations and the list of what is set.
pub(super) fn with_applied(desired: &Desired) -> BTreeMap<String, String> {
    let mut all = desired.annotations.clone();
    let keys = |texts: &BTreeMap<String, String>| texts.keys().cloned().collect::<Vec<_>>();
    let list = json!({"labels": keys(&desired.labels), "annotations": keys(&desired.annotations)});
    all.insert(APPLIED.to_owned(), list.to_string());
    all
}

/// Keys of labels and annotations that this driver has set before.
fn applied(live: &Secret) -> (Vec<String>, Vec<String>) {
    #[derive(serde::Deserialize, Default)]
    #[serde(default)]
    struct Applied {
        labels: Vec<String>,
        annotations: Vec<String>,
    }
    let applied: Applied =
        annotation(live, APPLIED).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    (applied.labels, applied.annotations)
}

/// Others' entries stay, ours are as desired, and what was ours and is not wanted any more goes.
fn merged(
    live: Option<&BTreeMap<String, String>>,
    ours: &[String],
    desired: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = live.cloned().unwrap_or_default();
    all.retain(|key, _| !ours.contains(key));
    all.extend(desired.clone());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn others_entries_stay_and_ours_follow_the_class() {
        let live = map(&[("theirs", "1"), ("old", "2"), ("changed", "3")]);
        let ours = ["old".to_owned(), "changed".to_owned()];
        assert_eq!(
            merged(Some(&live), &ours, &map(&[("changed", "4"), ("new", "5")])),
            map(&[("theirs", "1"), ("changed", "4"), ("new", "5")])
        );
    }
}
