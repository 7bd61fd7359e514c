//! Target paths: which are accepted, and how they are opened.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use crate::dir::Dir;

/// Mode of directories that are created on the way to a target, as in the Go driver.
const CREATED_MODE: u32 = 0o750;
/// Longest target path in bytes (`PATH_MAX` without its NUL byte).
const MAX_PATH: usize = 4095;

/// Which target paths a driver accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TargetGuard {
    /// Every absolute path, as the Go driver does.
    #[default]
    Any,
    /// Only `<this directory>/<pod UID>/volumes/kubernetes.io~csi/<volume>/mount`. The directory (kubelet's
    /// `pods`) itself may be reached through symbolic links; below it none is followed.
    Under(PathBuf),
}

/// The pod and volume that a target path names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetIdentity {
    /// UID of the pod.
    pub pod_uid: String,
    /// Name of the volume in the pod.
    pub volume_name: String,
}

/// Why a target path is refused. Nothing has been touched.
#[derive(Debug, Error)]
pub enum TargetError {
    /// Not absolute, `/` itself, longer than 4095 bytes, or with `..`.
    #[error("target path {} is not usable: it must be absolute, without '..', at most {MAX_PATH} bytes", .0.display())]
    Malformed(PathBuf),
    /// Not the path of a CSI volume below the directory that the driver was told.
    #[error(
        "target path {} is not <pod UID>/volumes/kubernetes.io~csi/<volume>/mount below {}; check the kubelet directory that the driver is configured with",
        target.display(), pods.display()
    )]
    Outside {
        /// The path that was asked for.
        target: PathBuf,
        /// The configured directory.
        pods: PathBuf,
    },
    /// The way to the target cannot be walked: a symbolic link or a file stands in it, or it is not accessible.
    #[error("failed to open the directory of target path {}", target.display())]
    Unreachable {
        /// The path that was asked for.
        target: PathBuf,
        /// What the kernel said; `ELOOP` or `ENOTDIR` for a symbolic link.
        source: io::Error,
    },
    /// A missing directory on the way could not be created.
    #[error("failed to create target path {}", target.display())]
    NotCreated {
        /// The path that was asked for.
        target: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// The pod UID and volume name in a target path that kubelet makes,
/// `…/pods/<pod UID>/volumes/kubernetes.io~csi/<volume>/mount`. As in the Go driver `/`, `\` and `|` all
/// separate, and may be repeated; nothing may follow `mount`.
#[must_use]
pub fn parse_target(target: &Path) -> Option<TargetIdentity> {
    let text = target.to_str()?;
    let before = text.strip_suffix("mount")?;
    let mut elements = before.rsplit(['/', '\\', '|']).filter(|element| !element.is_empty());
    if !before.ends_with(['/', '\\', '|']) {
        return None;
    }
    let volume_name = elements.next()?;
    let ("kubernetes.io~csi", "volumes") = (elements.next()?, elements.next()?) else {
        return None;
    };
    let (pod_uid, "pods") = (elements.next()?, elements.next()?) else {
        return None;
    };
    if text.starts_with("pods") && elements.next().is_none() {
        return None;
    }
    Some(TargetIdentity { pod_uid: pod_uid.to_owned(), volume_name: volume_name.to_owned() })
}

/// A target whose directory is held open. The target itself need not exist.
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    pub(crate) parent: Dir,
    pub(crate) name: OsString,
}

impl Target {
    /// The directory at the target, or what is mounted on it.
    pub(crate) fn root(&self) -> io::Result<Dir> {
        self.parent.dir(&self.name)
    }

    /// A path to the target that nobody can redirect.
    pub(crate) fn fixed_path(&self) -> PathBuf {
        self.parent.process_path(&self.name)
    }
}

impl TargetGuard {
    /// Opens the directory that the target lies in; `None` if it does not exist.
    pub(crate) fn open(&self, target: &Path) -> Result<Option<Target>, TargetError> {
        let (base, elements, name) = self.split(target)?;
        let opened = Dir::open(&base).and_then(|base| match elements.as_os_str().is_empty() {
            true => Ok(base),
            false => base.dir(&elements),
        });
        match opened {
            Ok(parent) => Ok(Some(Target { path: target.to_owned(), parent, name })),
            // Without its pods directory a guard cannot tell what is allowed.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.is_base_missing(&base) => Ok(None),
            Err(source) => Err(TargetError::Unreachable { target: target.to_owned(), source }),
        }
    }

    /// Opens the directory that the target lies in, and creates what is missing of it, and the target.
    /// Says whether the target itself was missing.
    pub(crate) fn create(&self, target: &Path) -> Result<(Target, bool), TargetError> {
        let (base, elements, name) = self.split(target)?;
        let not_created = |source| TargetError::NotCreated { target: target.to_owned(), source };
        if *self == Self::Any {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(CREATED_MODE)
                .create(&base)
                .map_err(not_created)?;
        }
        let unreachable = |source| TargetError::Unreachable { target: target.to_owned(), source };
        let mut parent = Dir::open(&base).map_err(unreachable)?;
        for element in &elements {
            ensure_dir(&parent, element).map_err(not_created)?;
            parent = parent.dir(element).map_err(unreachable)?;
        }
        let created = ensure_dir(&parent, &name).map_err(not_created)?;
        Ok((Target { path: target.to_owned(), parent, name }, created))
    }

    /// The directory that is opened as it is, the elements below it that are opened without following links,
    /// and the target's own name.
    fn split(&self, target: &Path) -> Result<(PathBuf, PathBuf, OsString), TargetError> {
        let malformed = || TargetError::Malformed(target.to_owned());
        if !target.is_absolute()
            || target.as_os_str().len() > MAX_PATH
            || target.components().any(|element| element == Component::ParentDir)
        {
            return Err(malformed());
        }
        let parent = target.parent().ok_or_else(malformed)?;
        let name = target.file_name().ok_or_else(malformed)?.to_owned();
        match self {
            Self::Any => Ok((parent.to_owned(), PathBuf::new(), name)),
            Self::Under(pods) => {
                let below = parent.strip_prefix(pods).ok().filter(|below| is_volume(below, &name));
                let outside = || TargetError::Outside { target: target.to_owned(), pods: pods.clone() };
                Ok((pods.clone(), below.ok_or_else(outside)?.to_owned(), name))
            }
        }
    }

    fn is_base_missing(&self, base: &Path) -> bool {
        *self != Self::Any && !base.exists()
    }
}

/// Whether these are the elements of a CSI volume's target below kubelet's pods directory.
fn is_volume(parent: &Path, name: &OsStr) -> bool {
    let elements: Vec<_> = parent.iter().collect();
    let fixed = |at: usize, expected: &str| elements.get(at).is_some_and(|element| *element == expected);
    elements.len() == 4 && fixed(1, "volumes") && fixed(2, "kubernetes.io~csi") && name == "mount"
}

/// Creates a directory that may exist already, and says whether it did not.
fn ensure_dir(parent: &Dir, name: &OsStr) -> io::Result<bool> {
    match parent.create_dir(name, CREATED_MODE) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
