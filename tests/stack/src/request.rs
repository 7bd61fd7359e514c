//! Requests as kubelet sends them.

use std::path::{Path, PathBuf};

use keymount_proto::csi::volume_capability::{AccessMode, AccessType, MountVolume};
use keymount_proto::csi::{NodePublishVolumeRequest, VolumeCapability};

/// Path at which kubelet wants a volume of a pod.
#[must_use]
pub fn target(pods: &Path, uid: &str, volume: &str) -> PathBuf {
    pods.join(uid).join("volumes/kubernetes.io~csi").join(volume).join("mount")
}

/// What kubelet sends for the volume `secrets` of the pod `web` with class `web`, in namespace `default`.
#[must_use]
pub fn publish_request(pods: &Path, uid: &str) -> NodePublishVolumeRequest {
    let mut request = NodePublishVolumeRequest::default();
    request.volume_id = "csi-0123456789abcdef".to_owned();
    request.target_path = target(pods, uid, "secrets").display().to_string();
    request.volume_capability = Some(VolumeCapability {
        access_type: Some(AccessType::Mount(MountVolume::default())),
        access_mode: Some(AccessMode { mode: 1 }),
    });
    request.readonly = true;
    request.volume_context = [
        ("secretProviderClass", "web"),
        ("csi.storage.k8s.io/ephemeral", "true"),
        ("csi.storage.k8s.io/pod.name", "web"),
        ("csi.storage.k8s.io/pod.namespace", "default"),
        ("csi.storage.k8s.io/pod.uid", uid),
        ("csi.storage.k8s.io/serviceAccount.name", "default"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    request
}
