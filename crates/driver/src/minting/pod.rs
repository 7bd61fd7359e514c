//! What a pod says about one of its volumes.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::core::v1::Pod;
use keymount_volume::parse_target;
use kube::api::{Api, ListParams};

use super::{MintError, Minting, TIMEOUT};
use crate::kubernetes::api_error;
use crate::request::PodRef;

/// What a pod says about one of its volumes; it never changes in the life of a pod.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PodVolume {
    /// Service account of the pod.
    pub(super) service_account: String,
    /// volumeAttributes, the class among them.
    pub(super) attributes: BTreeMap<String, String>,
    /// Name of the Secret in nodePublishSecretRef.
    pub(super) secret: Option<String>,
    /// fsGroup of the pod.
    pub(super) group: Option<u32>,
}

impl Minting {
    /// Reads the pod and finds the volume that is mounted at the target: one GET.
    pub(super) async fn pod_volume(&self, pod: &PodRef, target: &Path) -> Result<PodVolume, MintError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace);
        let failed = |why| MintError::Pod { pod: pod.clone(), why };
        let found = match tokio::time::timeout(TIMEOUT, pods.get_opt(&pod.name)).await {
            Ok(found) => found.map_err(|error| failed(api_error(&error)))?,
            Err(_) => return Err(failed("the Kubernetes API did not answer in time".to_owned())),
        };
        let found = found.filter(|found| is_running(found, &pod.uid)).ok_or(MintError::PodGone)?;
        let volume = parse_target(target).map(|identity| identity.volume_name);
        volume
            .and_then(|volume| self.find(&found, &volume))
            .ok_or_else(|| MintError::VolumeNotFound(pod.clone()))
    }

    /// The pod with this UID on this node: one LIST, for a volume of an earlier driver, which says nothing
    /// else about its pod.
    ///
    /// # Errors
    /// [`MintError`].
    pub(crate) async fn pod_of(&self, uid: &str, node: &str) -> Result<PodRef, MintError> {
        let unnamed = PodRef { uid: uid.to_owned(), ..PodRef::default() };
        let pods: Api<Pod> = Api::all(self.client.clone());
        let parameters = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let failed = |why| MintError::Pod { pod: unnamed.clone(), why };
        let all = match tokio::time::timeout(TIMEOUT, pods.list(&parameters)).await {
            Ok(all) => all.map_err(|error| failed(api_error(&error)))?,
            Err(_) => return Err(failed("the Kubernetes API did not answer in time".to_owned())),
        };
        let found = all.items.into_iter().find(|pod| is_running(pod, uid)).ok_or(MintError::PodGone)?;
        let (namespace, name) = (found.metadata.namespace, found.metadata.name);
        Ok(PodRef {
            namespace: namespace.unwrap_or_default(),
            name: name.unwrap_or_default(),
            uid: uid.to_owned(),
        })
    }

    fn find(&self, pod: &Pod, volume: &str) -> Option<PodVolume> {
        let spec = pod.spec.as_ref()?;
        let found = spec.volumes.iter().flatten().find(|found| found.name == volume)?;
        let csi = found.csi.as_ref().filter(|csi| csi.driver == self.driver_name)?;
        let group = spec.security_context.as_ref().and_then(|context| context.fs_group);
        Some(PodVolume {
            service_account: spec.service_account_name.clone().unwrap_or_else(|| "default".to_owned()),
            attributes: csi.volume_attributes.clone().unwrap_or_default(),
            secret: csi.node_publish_secret_ref.as_ref().map(|secret| secret.name.clone()),
            group: group.and_then(|group| group.try_into().ok()),
        })
    }
}

/// Whether it is this very pod, and one that still runs.
fn is_running(pod: &Pod, uid: &str) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.uid.as_deref() == Some(uid)
        && pod.metadata.deletion_timestamp.is_none()
        && !matches!(phase, Some("Succeeded" | "Failed"))
}
