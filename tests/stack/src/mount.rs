//! A volume as kubelet asks for it.

use std::path::{Path, PathBuf};

use keymount_proto::csi::volume_capability::{AccessMode, AccessType, MountVolume};
use keymount_proto::csi::{NodePublishVolumeRequest, VolumeCapability};

/// Which volume of which pod.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Name of the pod, in namespace `default`.
    pub pod: String,
    /// Its UID.
    pub uid: String,
    /// Name of the volume in the pod.
    pub volume: String,
    /// Name of the class.
    pub class: String,
}

impl Mount {
    /// The volume `secrets` of a pod, with class `web`.
    #[must_use]
    pub fn new(pod: &str, uid: &str) -> Self {
        Self {
            pod: pod.to_owned(),
            uid: uid.to_owned(),
            volume: "secrets".to_owned(),
            class: "web".to_owned(),
        }
    }

    /// The same with another class.
    #[must_use]
    pub fn class(mut self, class: &str) -> Self {
        self.class = class.to_owned();
        self
    }

    /// The same as another volume of the pod.
    #[must_use]
    pub fn volume(mut self, volume: &str) -> Self {
        self.volume = volume.to_owned();
        self
    }

    /// Where kubelet wants it.
    #[must_use]
    pub fn target(&self, pods: &Path) -> PathBuf {
        pods.join(&self.uid).join("volumes/kubernetes.io~csi").join(&self.volume).join("mount")
    }

    /// What kubelet sends.
    #[must_use]
    pub fn request(&self, pods: &Path) -> NodePublishVolumeRequest {
        let mut request = NodePublishVolumeRequest::default();
        request.volume_id = format!("csi-{}-{}", self.uid, self.volume);
        request.target_path = self.target(pods).display().to_string();
        request.volume_capability = Some(VolumeCapability {
            access_type: Some(AccessType::Mount(MountVolume::default())),
            access_mode: Some(AccessMode { mode: 1 }),
        });
        request.readonly = true;
        request.volume_context = [
            ("secretProviderClass", self.class.as_str()),
            ("csi.storage.k8s.io/ephemeral", "true"),
            ("csi.storage.k8s.io/pod.name", &self.pod),
            ("csi.storage.k8s.io/pod.namespace", "default"),
            ("csi.storage.k8s.io/pod.uid", &self.uid),
            ("csi.storage.k8s.io/serviceAccount.name", "default"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        request
    }
}
