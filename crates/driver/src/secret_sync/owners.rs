//! Who a Secret belongs to: it is garbage collected when all of them are gone.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use keymount_api::{GROUP, VERSION};
use kube::Client;
use kube::api::Api;

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

/// Reads the pod's owners: one GET by name.
pub(super) async fn of_pod(client: &Client, pod: &PodRef) -> kube::Result<PodOwners> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace);
    let Some(found) = pods.get_opt(&pod.name).await? else { return Ok(PodOwners::Gone) };
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
