//! Finding the volumes of a node again after a restart.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::VolumeError;
use crate::mountinfo::{self, Mount};
use crate::state::TargetState;
use crate::target::{Target, TargetGuard, TargetIdentity, parse_target};
use crate::volumes::Volumes;

/// Kubelet's note about a CSI volume, beside the target.
const VOLUME_DATA: &str = "vol_data.json";
/// Most bytes of it that are read.
const MAX_VOLUME_DATA: u64 = 64 << 10;

/// A volume that is mounted on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountedVolume {
    /// The target path as kubelet names it.
    pub target: PathBuf,
    /// Its pod and volume name.
    pub identity: TargetIdentity,
    /// `Committed`, `ProviderWritten` or `Uncommitted`.
    pub state: TargetState,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeData {
    driver_name: String,
}

impl Volumes {
    /// The volumes that are mounted where the guard allows volumes. Those that kubelet made for another CSI driver are
    /// left out (by the `driverName` in kubelet's `vol_data.json`; without that file only volumes with files of a
    /// driver count), and so are those that cannot be looked at.
    ///
    /// # Errors
    /// [`VolumeError::MountInfo`].
    pub fn mounted(&self) -> Result<Vec<MountedVolume>, VolumeError> {
        let text = std::fs::read("/proc/self/mountinfo").map_err(VolumeError::MountInfo)?;
        let pods = self.pods_directories();
        let mut targets: Vec<_> = mountinfo::parse(&text)
            .filter(|mount| mount.filesystem == b"tmpfs" && mount.root == Path::new("/"))
            .filter_map(|mount| as_configured(mount, pods.as_ref()))
            .collect();
        targets.sort();
        targets.dedup();
        Ok(targets.into_iter().filter_map(|target| self.volume_at(target)).collect())
    }

    /// The configured directory and what it is after following links, which is what the kernel lists.
    fn pods_directories(&self) -> Option<(&Path, PathBuf)> {
        match &self.options.guard {
            TargetGuard::Any => None,
            TargetGuard::Under(pods) => Some((pods, pods.canonicalize().unwrap_or_else(|_| pods.clone()))),
        }
    }

    fn volume_at(&self, path: PathBuf) -> Option<MountedVolume> {
        let identity = parse_target(&path)?;
        let target = self.options.guard.open(&path).ok()??;
        let state = match self.inspect(&path) {
            Ok(state) => state,
            Err(error) => {
                tracing::warn!(target_path = %path.display(), error = error.report(), "mount is left out");
                return None;
            }
        };
        let kept = match (driver_name(&target), &state) {
            (_, TargetState::Missing | TargetState::Directory) => false,
            (_, TargetState::Foreign | TargetState::NotADirectory) => false,
            (Some(name), _) => name == self.options.driver_name,
            (None, TargetState::Committed { .. } | TargetState::ProviderWritten { committed: true }) => true,
            (None, _) => false,
        };
        kept.then_some(MountedVolume { target: path, identity, state })
    }
}

/// The mount point as kubelet names it; `None` if it is not below the pods directory.
fn as_configured(mount: Mount, pods: Option<&(&Path, PathBuf)>) -> Option<PathBuf> {
    match pods {
        None => Some(mount.mount_point),
        Some((configured, real)) => Some(configured.join(mount.mount_point.strip_prefix(real).ok()?)),
    }
}

/// The CSI driver that kubelet made the volume for.
fn driver_name(target: &Target) -> Option<String> {
    let mut text = Vec::new();
    target.parent.file(VOLUME_DATA).ok()?.take(MAX_VOLUME_DATA).read_to_end(&mut text).ok()?;
    serde_json::from_slice::<VolumeData>(&text).ok().map(|data| data.driver_name)
}
