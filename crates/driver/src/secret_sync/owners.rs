//! Who a Secret belongs to: it is garbage collected when all of them are gone.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use keymount_api::{GROUP, VERSION};
use kube::Client;
use kube::api::Api;

use super::problem::Problem;
use crate::kubernetes::api_error;
use crate::request::PodRef;

/// What owns the pod, or that nothing does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PodOwners {
    /// Its controllers, without the flags that are only theirs.
    Owners(Vec<OwnerReference>),
    /// A pod of its own: its status object stands for it.
    None,
    /// The pod is gone, or another one has its name.
    Gone,
}

/// How long the request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the pod's owners: one GET by name.
pub(super) async fn of_pod(client: &Client, pod: &PodRef) -> Result<PodOwners, Problem> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace);
    let found = match tokio::time::timeout(TIMEOUT, pods.get_opt(&pod.name)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(Problem::owners(&api_error(&error))),
        Err(_) => return Err(Problem::owners("the Kubernetes API did not answer in time")),
    };
    let Some(found) = found else { return Ok(PodOwners::Gone) };
    if !pod.uid.is_empty() && found.metadata.uid.as_deref() != Some(pod.uid.as_str()) {
        return Ok(PodOwners::Gone);
    }
    let owners: Vec<_> = found
        .metadata
        .owner_references
        .into_iter()
        .flatten()
        .map(|owner| OwnerReference { controller: None, block_owner_deletion: None, ..owner })
        .collect();
    Ok(if owners.is_empty() { PodOwners::None } else { PodOwners::Owners(owners) })
}

/// The status object as owner, for a pod that nothing owns.
pub(super) fn status_object(name: String, uid: String) -> OwnerReference {
    OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "SecretProviderClassPodStatus".to_owned(),
        name,
        uid,
        ..OwnerReference::default()
    }
}
