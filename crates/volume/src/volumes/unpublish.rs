//! Taking a volume away.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::error::VolumeError;
use crate::layout::Content;
use crate::remove::{erase, remove_all};
use crate::state::Found;
use crate::target::{Target, parse_target};
use crate::tmpfs::detach;
use crate::volumes::Volumes;

/// More mounts than this at one target are somebody else's mistake; the next call goes on.
const MOST_MOUNTS: usize = 64;

/// What an unpublish found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpublished {
    /// There was nothing at the target.
    AlreadyGone,
    /// The target is gone.
    Removed {
        /// How many mounts were detached; 0 for a plain directory.
        mounts: usize,
    },
}

impl Volumes {
    /// Takes away everything at the target. Can be repeated, and goes on where a killed call stopped.
    ///
    /// - **Volumes with files of a driver** (a generation, or the mark of provider-written files) are emptied, so that
    ///   nothing can be read through a mount that leaked into another namespace; then detached, busy or not.
    /// - **Other mounts** at the target are detached too, or kubelet could never finish; their content is left alone.
    /// - **A plain directory** is removed with its content if the path has the form that kubelet gives CSI volumes (the
    ///   Go driver could leave files there); mounts below it are not entered. Otherwise it must be empty.
    /// - A link or file is removed, not followed.
    ///
    /// # Errors
    /// [`VolumeError::Target`], [`VolumeError::Unmount`] if something is still mounted, [`VolumeError::Cleanup`] if only
    /// the directory is left.
    pub fn unpublish(&self, path: &Path) -> Result<Unpublished, VolumeError> {
        let Some(target) = self.options.guard.open(path)? else {
            return Ok(Unpublished::AlreadyGone);
        };
        let mut mounts = 0;
        while mounts < MOST_MOUNTS && take_mount(&target)? {
            mounts += 1;
        }
        match remove(&target) {
            Ok(false) if mounts == 0 => Ok(Unpublished::AlreadyGone),
            Ok(_) => Ok(Unpublished::Removed { mounts }),
            Err(source) => Err(VolumeError::Cleanup { target: target.path, source }),
        }
    }
}

/// Takes the topmost mount away; `false` if there is none.
fn take_mount(target: &Target) -> Result<bool, VolumeError> {
    match Found::at(target) {
        Ok(Found::Missing | Found::Directory | Found::NotADirectory) => return Ok(false),
        Ok(Found::Volume(root, Content::Committed { .. } | Content::ProviderWritten { marked: true })) => {
            if let Err(error) = erase(&root) {
                tracing::warn!(target_path = %target.path.display(), %error, "volume could not be emptied");
            }
        }
        // A mount whose server is gone cannot be looked at, but it can be detached.
        Ok(Found::Volume(..) | Found::Foreign) | Err(_) => {}
    }
    detach(target).map_err(|source| VolumeError::Unmount { target: target.path.clone(), source })
}

/// Removes what nothing is mounted on any more; `false` if there is nothing.
fn remove(target: &Target) -> io::Result<bool> {
    let Target { parent, name, path } = target;
    if parent.stat(name)?.is_none() {
        return Ok(false);
    }
    match parent.remove_dir(name).map_err(|error| (error.raw_os_error().map(Errno::from_raw_os_error), error))
    {
        Ok(()) => {}
        Err((Some(Errno::NOTDIR), _)) => parent.unlink(name)?,
        Err((Some(Errno::NOTEMPTY), _)) if parse_target(path).is_some() => {
            remove_all(&target.root()?, None)?;
            parent.remove_dir(name)?;
        }
        Err((_, error)) => return Err(error),
    }
    Ok(true)
}
