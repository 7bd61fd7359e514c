//! Kubernetes Secrets made of a class. Their metadata is asked for, never their data.

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use keymount_api::{SecretProviderClass, annotations, labels};
use kube::Client;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use serde::Serialize;

/// Questions at one time.
const CONCURRENT: usize = 8;

/// One Secret that a class asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretView {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) type_: String,
    pub(crate) state: SecretState,
    /// When its content was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fetched: Option<Timestamp>,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum SecretState {
    /// Made of this class.
    Synced,
    /// Not there.
    Missing,
    /// Somebody else's: it has not been touched.
    Foreign,
    /// Made of another class.
    OtherClass,
    /// The user may not see it.
    Hidden,
}

/// The Secrets that a class asks for, in its order.
pub(crate) async fn secrets_of(client: &Client, class: &SecretProviderClass) -> Vec<SecretView> {
    let namespace = class.metadata.namespace.clone().unwrap_or_default();
    let class_name = class.metadata.name.clone().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let wanted = class.spec.secret_objects.iter().map(|object| {
        let (api, class_name) = (api.clone(), class_name.clone());
        let (name, type_) = (object.secret_name.trim().to_owned(), object.type_.clone());
        async move {
            let (state, fetched) = match api.get_metadata_opt(&name).await {
                Ok(Some(found)) => judge(&found, &class_name),
                Ok(None) => (SecretState::Missing, None),
                Err(_) => (SecretState::Hidden, None),
            };
            SecretView { name, type_, state, fetched }
        }
    });
    stream::iter(wanted.collect::<Vec<_>>()).buffered(CONCURRENT).collect().await
}

fn judge(found: &PartialObjectMeta<Secret>, class: &str) -> (SecretState, Option<Timestamp>) {
    let annotation =
        |key: &str| found.metadata.annotations.as_ref().and_then(|all| all.get(key)).map(String::as_str);
    let managed = found.metadata.labels.as_ref().and_then(|all| all.get(labels::MANAGED));
    let fetched = annotation(annotations::FETCHED_AT).and_then(|text| text.parse().ok());
    match (managed.map(String::as_str), annotation(annotations::CLASS)) {
        (Some("true"), Some(other)) if other != class => (SecretState::OtherClass, None),
        (Some("true"), _) => (SecretState::Synced, fetched),
        _ => (SecretState::Foreign, None),
    }
}
