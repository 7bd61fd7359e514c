//! Why an operation on a volume failed, and what can be done about it.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use thiserror::Error;

use crate::dir::Dir;
use crate::target::TargetError;

/// Why an operation on a volume failed. `Display` is this error alone; [`VolumeError::report`] is the whole story.
#[derive(Debug, Error)]
pub enum VolumeError {
    /// The target path is refused or cannot be reached. Nothing was touched.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Something that is no directory stands at the target. Nothing was touched.
    #[error("target path {} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// Something that is no volume of this driver is mounted at the target. Nothing was touched.
    #[error("target path {} has a file system mounted that is no tmpfs", .0.display())]
    Foreign(PathBuf),
    /// The operation needs a mounted volume and there is none.
    #[error("target path {} is not mounted", .0.display())]
    NotMounted(PathBuf),
    /// The state of the target could not be read. Begins as the Go driver's text.
    #[error("failed to check if target path {} is mount point", target.display())]
    Inspect {
        /// The target path.
        target: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The files do not fit the limits of a volume, counting that it holds two generations while it rotates.
    /// Nothing was touched.
    #[error("the files need {needed} {unit} while they are rotated, a volume has {limit} {unit}")]
    TooLarge {
        /// What two generations take.
        needed: u64,
        /// What a volume has.
        limit: u64,
        /// "bytes" or "inodes".
        unit: &'static str,
    },
    /// Mounting failed; nothing is mounted. Begins as the Go driver's text.
    #[error("mount failed: {}", target.display())]
    Mount {
        /// The target path.
        target: PathBuf,
        /// The step that failed.
        source: StepError,
    },
    /// The volume ran full while it was written; it shows what it showed before.
    #[error("volume at {} is full: {exhausted}", target.display())]
    Full {
        /// The target path.
        target: PathBuf,
        /// What ran out.
        exhausted: Exhausted,
        /// The step that failed.
        source: StepError,
    },
    /// Writing failed; the volume shows what it showed before.
    #[error("failed to write files to volume at {}", target.display())]
    Write {
        /// The target path.
        target: PathBuf,
        /// The step that failed.
        source: StepError,
    },
    /// The files of the volume could not be read back. Begins as the Go driver's text.
    #[error("failed to get mounted files of {}", target.display())]
    Read {
        /// The target path.
        target: PathBuf,
        /// The step that failed.
        source: StepError,
    },
    /// A volume that a provider fills itself holds more than is read back.
    #[error("failed to get mounted files of {}: more than {limit} {unit}", target.display())]
    ReadLimit {
        /// The target path.
        target: PathBuf,
        /// The limit.
        limit: u64,
        /// "bytes" or "files".
        unit: &'static str,
    },
    /// The volume is still mounted. Begins as the Go driver's text.
    #[error("unmount failed: {}", target.display())]
    Unmount {
        /// The target path.
        target: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Nothing is mounted any more, but the directory is still there. Begins as the Go driver's text.
    #[error("failed to cleanup mount point {}", target.display())]
    Cleanup {
        /// The target path.
        target: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A publish failed, and what it had mounted could not be unmounted: the target may be a mount without
    /// complete files, and unpublish has to be tried again.
    #[error("failed to undo a failed mount, target path {} may still be mounted ({undo})", target.display())]
    UndoFailed {
        /// The target path.
        target: PathBuf,
        /// Why it could not be unmounted.
        undo: io::Error,
        /// Why the publish failed.
        source: Box<VolumeError>,
    },
    /// The kernel's list of mounts could not be read.
    #[error("failed to read /proc/self/mountinfo")]
    MountInfo(#[source] io::Error),
}

/// One step of an operation and why it failed.
#[derive(Debug, Error)]
#[error("failed to {action}")]
pub struct StepError {
    action: String,
    exhausted: Option<Exhausted>,
    source: io::Error,
}

/// Which limit of a volume is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Exhausted {
    /// All memory that the volume may have, in bytes.
    #[error("its size limit of {0} bytes is reached")]
    Bytes(u64),
    /// All files, directories and links that the volume may have.
    #[error("its limit of {0} inodes is reached")]
    Inodes(u64),
}

impl VolumeError {
    /// What an operator can do, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotADirectory(_) => Some("remove it on the node"),
            Self::Foreign(_) => Some("unmount it on the node"),
            Self::TooLarge { .. } | Self::Full { .. } => {
                Some("raise the driver's limits for volumes, or use fewer objects in the SecretProviderClass")
            }
            Self::ReadLimit { .. } => Some("raise the driver's limits for volumes"),
            Self::NotMounted(_) | Self::MountInfo(_) => None,
            Self::UndoFailed { .. } => {
                Some("kubelet calls again; if this stays, unmount the path on the node")
            }
            Self::Target(TargetError::Unreachable { .. })
                if matches!(self.errno(), Some(Errno::LOOP | Errno::NOTDIR)) =>
            {
                Some("below kubelet's pods directory no symbolic links are followed")
            }
            Self::Target(_)
            | Self::Inspect { .. }
            | Self::Mount { .. }
            | Self::Write { .. }
            | Self::Read { .. }
            | Self::Unmount { .. }
            | Self::Cleanup { .. } => self.errno().and_then(errno_hint),
        }
    }

    /// The whole story on one line: this error, its causes, and the hint. Contains no file contents.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        match self.hint() {
            Some(hint) => format!("{text}; {hint}"),
            None => text,
        }
    }

    fn errno(&self) -> Option<Errno> {
        let mut cause: Option<&(dyn StdError + 'static)> = self.source();
        while let Some(error) = cause {
            if let Some(number) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
                return Some(Errno::from_raw_os_error(number));
            }
            cause = error.source();
        }
        None
    }
}

fn errno_hint(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::PERM | Errno::ACCESS => Some(
            "the driver must run as root with the capabilities SYS_ADMIN, DAC_OVERRIDE, CHOWN and FOWNER",
        ),
        Errno::NOSPC => Some("the node's disk is full or its number of mounts is exhausted (fs.mount-max)"),
        Errno::DQUOT => Some("a disk quota on the node is used up"),
        Errno::MFILE | Errno::NFILE => Some("too many open files: raise the limit of the driver or the node"),
        Errno::NOMEM => Some("the node or the driver's memory limit is out of memory"),
        Errno::ROFS => Some("the node's file system is mounted read-only"),
        Errno::BUSY => Some("something is mounted there or below; find it with findmnt on the node"),
        Errno::NOTEMPTY => {
            Some("the directory holds files that are not the driver's; remove them on the node")
        }
        _ => None,
    }
}

impl StepError {
    /// `action` completes "failed to …".
    pub(crate) fn new(action: impl Into<String>, source: io::Error) -> Self {
        Self { action: action.into(), exhausted: None, source }
    }

    /// Adds what ran out if the volume is full; to be called before anything is cleaned up.
    pub(crate) fn with_room_of(mut self, root: &Dir) -> Self {
        if self.exhausted.is_none()
            && self.source.raw_os_error() == Some(Errno::NOSPC.raw_os_error())
            && let Ok(room) = rustix::fs::fstatvfs(root)
        {
            self.exhausted = Some(match room.f_ffree {
                0 => Exhausted::Inodes(room.f_files),
                _ => Exhausted::Bytes(room.f_blocks.saturating_mul(room.f_frsize)),
            });
        }
        self
    }

    /// As the error of a write to the volume at `target`.
    pub(crate) fn writing(self, target: &std::path::Path) -> VolumeError {
        let target = target.to_owned();
        match self.exhausted {
            Some(exhausted) => VolumeError::Full { target, exhausted, source: self },
            None => VolumeError::Write { target, source: self },
        }
    }
}

/// Says what was being done when a system call failed.
pub(crate) trait During<T> {
    /// The action as for [`StepError::new`].
    fn during(self, action: impl FnOnce() -> String) -> Result<T, StepError>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, action: impl FnOnce() -> String) -> Result<T, StepError> {
        self.map_err(|error| StepError::new(action(), error.into()))
    }
}
