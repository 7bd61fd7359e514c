//! The operations on volumes.

use std::fmt;
use std::io;
use std::path::Path;

use keymount_clock::WallClock;
use rustix::io::Errno;

use crate::dir::Dir;
use crate::error::{During, StepError, VolumeError};
use crate::generation::Ownership;
use crate::layout::{Content, PENDING};
use crate::payload::{Limits, Payload};
use crate::record::{self, Record};
use crate::state::{Found, TargetState};
use crate::target::{Target, TargetGuard};
use crate::tmpfs::{TmpfsFactory, TmpfsOptions, attach, detach};
use crate::writer::{Replaced, Write, sweep};

mod mounted;
mod provider_written;
mod read;
mod unpublish;

pub use mounted::MountedVolume;
pub use unpublish::Unpublished;

/// Inodes of a volume besides its generations: the root and the links to the shown and the next generation.
const OWN_INODES: u64 = 3;

/// How volumes are made and where.
#[derive(Clone, Debug)]
pub struct VolumeOptions {
    /// Which target paths are accepted.
    pub guard: TargetGuard,
    /// How the tmpfs of each volume is set up.
    pub tmpfs: TmpfsOptions,
    /// What is read back at most from a volume that a provider fills itself.
    pub read_limits: Limits,
    /// Name of the CSI driver; volumes that kubelet made for another one are left out of [`Volumes::mounted`].
    pub driver_name: String,
}

impl Default for VolumeOptions {
    fn default() -> Self {
        Self {
            guard: TargetGuard::default(),
            tmpfs: TmpfsOptions::default(),
            read_limits: Limits::default(),
            driver_name: "secrets-store.csi.k8s.io".to_owned(),
        }
    }
}

/// What a publish did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// A new volume is mounted.
    Mounted,
    /// A volume that a killed driver left without complete files has them now.
    Completed,
    /// There was a volume already; its files were replaced.
    AlreadyMounted(Replaced),
}

/// The volumes of a node. All calls block; those for one target must not overlap, those for different targets may.
///
/// Every operation opens the target's directory once and works on descriptors from there, so a link that is
/// swapped in on the way changes nothing (see [`TargetGuard`]).
pub struct Volumes {
    pub(crate) options: VolumeOptions,
    tmpfs: TmpfsFactory,
    clock: WallClock,
}

impl Volumes {
    /// Touches nothing yet. The clock dates generations and records.
    #[must_use]
    pub fn new(options: VolumeOptions, clock: WallClock) -> Self {
        Self { tmpfs: TmpfsFactory::new(options.tmpfs.clone()), options, clock }
    }

    /// What is at the target.
    ///
    /// # Errors
    /// [`VolumeError::Target`], [`VolumeError::Inspect`].
    pub fn inspect(&self, target: &Path) -> Result<TargetState, VolumeError> {
        match self.options.guard.open(target)? {
            Some(target) => Ok(Found::at(&target)?.state()),
            None => Ok(TargetState::Missing),
        }
    }

    /// What is at the target, if nothing is mounted on it; else `None`. Unlike [`inspect`](Self::inspect) it enters no file
    /// system that is mounted there, so it asks no server and is quick.
    ///
    /// # Errors
    /// [`VolumeError::Target`], [`VolumeError::Inspect`].
    pub fn inspect_unmounted(&self, target: &Path) -> Result<Option<TargetState>, VolumeError> {
        match self.options.guard.open(target)? {
            Some(target) => Ok(Found::unmounted_at(&target)?.map(|found| found.state())),
            None => Ok(Some(TargetState::Missing)),
        }
    }

    /// Makes the target a volume that shows the payload. The target and missing directories above it are created
    /// (mode 0750).
    ///
    /// The volume is completed before it is attached, so the target is never a mount without complete files; on
    /// kernels before 5.2 it is mounted first and completed in the step that makes it [`TargetState::Committed`].
    ///
    /// # Errors
    /// After any error but [`VolumeError::UndoFailed`] nothing that this call mounted is mounted any more, and a
    /// volume that was complete before shows what it showed.
    pub fn publish(
        &self,
        target: &Path,
        payload: &Payload,
        record: &Record,
        ownership: Ownership,
    ) -> Result<Published, VolumeError> {
        self.check_room(payload, record)?;
        let path = target;
        let (target, created) = self.options.guard.create(path)?;
        let write = self.write(payload, record, ownership);
        match Found::at(&target)? {
            Found::Missing | Found::Directory => {
                let filled = self.mount(&target, created, ownership, |root| write.first(root));
                filled.map(|()| Published::Mounted)
            }
            Found::Volume(root, Content::Incomplete) if is_pending(&root) => {
                // Mounted for a provider that sent its files after all: no pod has it, and a new one is set up for them.
                drop(root);
                match detach(&target) {
                    Ok(true) => self.publish(path, payload, record, ownership),
                    Ok(false) => Err(unmount_failed(&target, Errno::INVAL.into())),
                    Err(source) => Err(unmount_failed(&target, source)),
                }
            }
            // Mounted by a driver that was killed: a pod may have it, if that was the Go driver.
            Found::Volume(root, Content::Incomplete) => match write.to(&root, Content::Incomplete) {
                Ok(_) => Ok(Published::Completed),
                Err(error) => Err(undo(&target, error.writing(&target.path))),
            },
            found => {
                let (root, content) = found.volume(target.path.clone())?;
                let replaced = write.to(&root, content).map_err(|error| error.writing(&target.path))?;
                Ok(Published::AlreadyMounted(replaced))
            }
        }
    }

    /// Makes a mounted volume show the payload, by one switch from the whole old to the whole new generation.
    /// Nothing is written if content, modes and group are the same already.
    ///
    /// # Errors
    /// The volume shows what it showed before. [`VolumeError::NotMounted`] if there is no volume.
    pub fn replace(
        &self,
        target: &Path,
        payload: &Payload,
        record: &Record,
        ownership: Ownership,
    ) -> Result<Replaced, VolumeError> {
        self.check_room(payload, record)?;
        let (target, root, content) = self.open_volume(target)?;
        self.write(payload, record, ownership).to(&root, content).map_err(|error| error.writing(&target.path))
    }

    /// Removes the generation that [`replace`](Self::replace) has left behind. To be called a moment after it, when no
    /// path walk can still be on the way there; the next `replace` does the same first.
    ///
    /// # Errors
    /// The volume shows what it showed before. [`VolumeError::NotMounted`] if there is no volume.
    pub fn sweep(&self, target: &Path, ownership: Ownership) -> Result<(), VolumeError> {
        let (target, root, content) = self.open_volume(target)?;
        let Content::Committed { generation } = content else { return Ok(()) };
        sweep(&root, &generation, ownership)
            .during(|| "remove the previous generation".into())
            .map_err(|error| error.writing(&target.path))
    }

    fn open_volume(&self, path: &Path) -> Result<(Target, Dir, Content), VolumeError> {
        let target =
            self.options.guard.open(path)?.ok_or_else(|| VolumeError::NotMounted(path.to_owned()))?;
        let (root, content) = Found::at(&target)?.volume(path.to_owned())?;
        Ok((target, root, content))
    }

    fn write<'a>(&self, payload: &'a Payload, record: &'a Record, ownership: Ownership) -> Write<'a> {
        Write { payload, record, ownership, root_mode: self.options.tmpfs.root_mode, now: self.clock.now() }
    }

    /// Refuses what would not fit while it rotates: a volume that can be mounted must also be replaceable.
    fn check_room(&self, payload: &Payload, record: &Record) -> Result<(), VolumeError> {
        let TmpfsOptions { size_limit, inode_limit, .. } = self.options.tmpfs;
        let bytes = payload.allocated_bytes().saturating_mul(2);
        if bytes > size_limit {
            return Err(VolumeError::TooLarge { needed: bytes, limit: size_limit, unit: "bytes" });
        }
        let generation = payload.inodes().saturating_add(record::inodes(record));
        let inodes = generation.saturating_mul(2).saturating_add(OWN_INODES);
        if inodes > inode_limit {
            return Err(VolumeError::TooLarge { needed: inodes, limit: inode_limit, unit: "inodes" });
        }
        Ok(())
    }

    /// Mounts a new volume on the target and fills it, in the order that the kernel allows.
    fn mount(
        &self,
        target: &Target,
        created: bool,
        ownership: Ownership,
        fill: impl Fn(&Dir) -> Result<(), StepError>,
    ) -> Result<(), VolumeError> {
        let failed = |source| VolumeError::Mount { target: target.path.clone(), source };
        let mounted = match self.tmpfs.detached(ownership) {
            Ok(Some(mount)) => Dir::of_mount(&mount)
                .during(|| "open the new volume".into())
                .map_err(failed)
                .and_then(|root| fill(&root).map_err(|error| error.writing(&target.path)))
                .and_then(|()| attach(&mount, target).during(|| "attach the volume".into()).map_err(failed)),
            Ok(None) => self.tmpfs.mounted(target, ownership).map_err(failed).and_then(|()| {
                let root = target.root().during(|| "open the new volume".into()).map_err(failed);
                root.and_then(|root| fill(&root).map_err(|error| error.writing(&target.path)))
                    .map_err(|error| undo(target, error))
            }),
            Err(error) => Err(failed(error)),
        };
        if mounted.is_err() && created {
            // Not the failure that matters: the directory alone does no harm, kubelet and unpublish remove it too.
            let _ = target.parent.remove_dir(&target.name);
        }
        mounted
    }
}

impl fmt::Debug for Volumes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volumes").field("options", &self.options).finish_non_exhaustive()
    }
}

fn unmount_failed(target: &Target, source: io::Error) -> VolumeError {
    VolumeError::Unmount { target: target.path.clone(), source }
}

fn is_pending(root: &Dir) -> bool {
    matches!(root.stat(PENDING), Ok(Some(_)))
}

/// Unmounts what a failed publish left mounted, or says that it could not.
fn undo(target: &Target, error: VolumeError) -> VolumeError {
    match detach(target) {
        Ok(_) => error,
        Err(undo) => VolumeError::UndoFailed { target: target.path.clone(), undo, source: Box::new(error) },
    }
}

#[cfg(test)]
mod tests;
