//! What is at a target path.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use rustix::fs::{AtFlags, FileType, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use crate::dir::Dir;
use crate::error::VolumeError;
use crate::layout::{self, Content};
use crate::target::Target;
use crate::tmpfs;

/// What is at a target path. Only [`Committed`](Self::Committed) and [`ProviderWritten`](Self::ProviderWritten)
/// are volumes that a pod may start with (I1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// Nothing.
    Missing,
    /// A directory that nothing is mounted on.
    Directory,
    /// A volume with a complete generation, ours or the Go driver's.
    Committed {
        /// Name of the generation's directory, which begins with its date in UTC.
        generation: String,
    },
    /// A volume whose files the provider wrote itself.
    ProviderWritten {
        /// Whether this driver saw the provider finish. If not, an earlier Go driver mounted the volume: its files are
        /// most likely complete, and should be fetched again soon.
        committed: bool,
    },
    /// A tmpfs without complete files: a driver was killed while it mounted.
    Uncommitted,
    /// Another file system is mounted.
    Foreign,
    /// Something that is no directory.
    NotADirectory,
}

impl TargetState {
    /// When the files that the volume shows were written, as the name of their generation tells, to the second. Either
    /// driver names generations so. `None` for other states and names.
    #[must_use]
    pub fn written(&self) -> Option<Timestamp> {
        match self {
            Self::Committed { generation } => layout::generation_time(generation),
            _ => None,
        }
    }
}

/// A target's state, with the volume's root if there is a volume.
pub(crate) enum Found {
    Missing,
    Directory,
    Volume(Dir, Content),
    Foreign,
    NotADirectory,
}

impl Found {
    pub(crate) fn at(target: &Target) -> Result<Self, VolumeError> {
        look(target).map_err(|source| VolumeError::Inspect { target: target.path.clone(), source })
    }

    pub(crate) fn unmounted_at(target: &Target) -> Result<Option<Self>, VolumeError> {
        unmounted(target).map_err(|source| VolumeError::Inspect { target: target.path.clone(), source })
    }

    pub(crate) fn state(&self) -> TargetState {
        match self {
            Self::Missing => TargetState::Missing,
            Self::Directory => TargetState::Directory,
            Self::Foreign => TargetState::Foreign,
            Self::NotADirectory => TargetState::NotADirectory,
            Self::Volume(_, Content::Incomplete) => TargetState::Uncommitted,
            Self::Volume(_, Content::ProviderWritten { marked }) => {
                TargetState::ProviderWritten { committed: *marked }
            }
            Self::Volume(_, Content::Committed { generation }) => {
                TargetState::Committed { generation: generation.display().to_string() }
            }
        }
    }

    /// The root of the volume, or why there is none.
    pub(crate) fn volume(self, path: PathBuf) -> Result<(Dir, Content), VolumeError> {
        match self {
            Self::Volume(root, content) => Ok((root, content)),
            Self::Missing | Self::Directory => Err(VolumeError::NotMounted(path)),
            Self::Foreign => Err(VolumeError::Foreign(path)),
            Self::NotADirectory => Err(VolumeError::NotADirectory(path)),
        }
    }
}

fn look(target: &Target) -> io::Result<Found> {
    if let Some(found) = unmounted(target)? {
        return Ok(found);
    }
    let root = target.root()?;
    if !tmpfs::is_tmpfs(&root)? {
        return Ok(Found::Foreign);
    }
    let content = layout::content(&root)?;
    Ok(Found::Volume(root, content))
}

/// What the target is if nothing is mounted on it. Enters nothing, so no server of a foreign file system can keep
/// it waiting.
fn unmounted(target: &Target) -> io::Result<Option<Found>> {
    let Some(stat) = statx(target)? else {
        return Ok(Some(Found::Missing));
    };
    if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::Directory {
        return Ok(Some(Found::NotADirectory));
    }
    Ok((!is_mounted(target, &stat)?).then_some(Found::Directory))
}

/// What the target is, from what the kernel has in memory. `None` if it does not exist.
fn statx(target: &Target) -> io::Result<Option<Statx>> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    match rustix::fs::statx(&target.parent, &target.name, flags, StatxFlags::TYPE) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether something is mounted on the target. Kernels before 5.8 do not say; there another device than the
/// parent's means a mount, which sees every tmpfs.
fn is_mounted(target: &Target, stat: &Statx) -> io::Result<bool> {
    if stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) {
        return Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    Ok(device != target.parent.own_stat()?.st_dev)
}

#[cfg(test)]
mod tests {
    use keymount_mount_namespace::isolated;
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

    use super::*;
    use crate::target::TargetGuard;

    #[test]
    fn mounts_are_seen_with_and_without_the_kernel_saying_so() {
        isolated(|_| {
            let directory = tempfile::tempdir().expect("temporary directory");
            let path = directory.path().join("target");
            let (target, _) = TargetGuard::Any.create(&path).expect("creates");
            for mounted in [false, true] {
                let mut stat = statx(&target).expect("looks").expect("exists");
                assert_eq!(is_mounted(&target, &stat).expect("looks"), mounted);
                stat.stx_attributes_mask.remove(StatxAttributes::MOUNT_ROOT);
                assert_eq!(is_mounted(&target, &stat).expect("looks"), mounted);
                if mounted {
                    unmount(&path, UnmountFlags::DETACH).expect("unmounts");
                } else {
                    mount("tmpfs", &path, "tmpfs", MountFlags::empty(), None).expect("mounts");
                }
            }
        });
    }
}
