//! The directories of volumes under `pods/`, and what kubelet remembers in them.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The file beside the mount point that says what is mounted there.
const DATA_FILE: &str = "vol_data.json";

/// What kubelet remembers about a volume on disk, to unpublish it when the pod is long gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeData {
    /// Name of the volume in the pod.
    #[serde(rename = "specVolID")]
    pub volume: String,
    /// The `volume_id` of CSI.
    pub volume_handle: String,
    /// Name of the driver.
    pub driver_name: String,
    /// The node.
    pub node_name: String,
    /// Always `Ephemeral` here.
    pub volume_lifecycle_mode: String,
    /// Derived from the others, unused for inline volumes.
    #[serde(rename = "attachmentID")]
    pub attachment_id: String,
}

/// The directory of a volume: `pods/<uid>/volumes/kubernetes.io~csi/<volume>`.
pub(super) fn volume(root: &Path, pod_uid: &str, volume: &str) -> PathBuf {
    root.join("pods").join(pod_uid).join("volumes/kubernetes.io~csi").join(volume)
}

fn hashed(text: &str) -> String {
    format!("csi-{}", hex::encode(Sha256::digest(text)))
}

impl VolumeData {
    /// What is remembered about an inline volume of a pod.
    #[must_use]
    pub fn ephemeral(pod_uid: &str, volume: &str, driver: &str, node: &str) -> Self {
        let handle = hashed(&format!("{pod_uid}{volume}"));
        Self {
            volume: volume.to_owned(),
            attachment_id: hashed(&format!("{handle}{driver}{node}")),
            volume_handle: handle,
            driver_name: driver.to_owned(),
            node_name: node.to_owned(),
            volume_lifecycle_mode: "Ephemeral".to_owned(),
        }
    }

    /// Writes it into the directory of the volume.
    pub(super) fn save(&self, directory: &Path) -> io::Result<()> {
        std::fs::write(directory.join(DATA_FILE), serde_json::to_vec(self)?)
    }

    /// Reads it from the directory of the volume.
    pub(super) fn load(directory: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(directory.join(DATA_FILE))?)?)
    }
}

/// Makes the directory of a volume, as kubelet does before it asks the driver.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(directory)
}

/// Is something mounted there? Like kubelet this compares devices, and does not see bind mounts.
pub(super) fn is_mounted(target: &Path) -> io::Result<bool> {
    let own = match std::fs::metadata(target) {
        Ok(own) => own.dev(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let parent = std::fs::metadata(target.parent().unwrap_or(target))?.dev();
    Ok(own != parent)
}

/// Removes the mount point, the file beside it and the directory, unless something is mounted.
///
/// # Errors
/// If the mount point is not empty, with its path.
pub(super) fn remove(directory: &Path) -> Result<(), (PathBuf, io::Error)> {
    let target = directory.join("mount");
    if is_mounted(&target).map_err(|error| (target.clone(), error))? {
        return Ok(());
    }
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    gone(std::fs::remove_dir(&target)).map_err(|error| (target, error))?;
    let data = directory.join(DATA_FILE);
    gone(std::fs::remove_file(&data)).map_err(|error| (data, error))?;
    gone(std::fs::remove_dir(directory)).map_err(|error| (directory.to_owned(), error))
}

/// The CSI volumes there are directories for, by pod uid: what a kubelet finds when it starts.
pub(super) fn all(root: &Path) -> BTreeMap<String, Vec<String>> {
    let names = |path: PathBuf| -> Vec<String> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    };
    let pods = names(root.join("pods")).into_iter();
    let with_volumes = pods.map(|uid| {
        let volumes = names(root.join("pods").join(&uid).join("volumes/kubernetes.io~csi"));
        (uid, volumes)
    });
    with_volumes.filter(|(_, volumes)| !volumes.is_empty()).collect()
}

/// Removes the directories of a pod that has no volumes any more.
pub(super) fn remove_pod(root: &Path, pod_uid: &str) {
    let pod = root.join("pods").join(pod_uid);
    for directory in ["volumes/kubernetes.io~csi", "volumes", ""] {
        // What is not empty stays, as it must.
        let _ = std::fs::remove_dir(pod.join(directory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_those_of_kubelet() {
        // sha256 of the pod uid followed by the name of the volume.
        let data = VolumeData::ephemeral("c3ab8ff1-3720-4", "store", "secrets-store.csi.k8s.io", "node-1");
        assert_eq!(data.volume_handle.len(), 68);
        assert_eq!(data.volume_handle, hashed("c3ab8ff1-3720-4store"));
        assert_eq!(hashed(""), "csi-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn directories_go_when_they_are_empty() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = volume(root.path(), "uid", "v");
        make(&directory).expect("made");
        let data = VolumeData::ephemeral("uid", "v", "d", "n");
        data.save(&directory).expect("saved");
        assert_eq!(VolumeData::load(&directory).expect("loaded"), data);
        std::fs::create_dir(directory.join("mount")).expect("made");
        std::fs::write(directory.join("mount/left"), "x").expect("written");
        assert!(!is_mounted(&directory.join("mount")).expect("looked"));
        assert_eq!(all(root.path())["uid"], ["v"]);
        let (path, _) = remove(&directory).expect_err("not empty");
        assert!(path.ends_with("mount") && directory.exists());
        std::fs::remove_file(directory.join("mount/left")).expect("removed");
        remove(&directory).expect("removed");
        remove(&directory).expect("removed already");
        remove_pod(root.path(), "uid");
        assert!(!root.path().join("pods/uid").exists() && all(root.path()).is_empty());
    }
}
