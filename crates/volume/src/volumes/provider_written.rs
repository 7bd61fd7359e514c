//! Volumes whose files the provider writes itself.

use std::path::Path;

use crate::dir::Dir;
use crate::error::{During, VolumeError};
use crate::generation::Ownership;
use crate::layout::{Content, PENDING, PROVIDER_WRITTEN};
use crate::record::{self, Record};
use crate::remove::{mark_pending, remove_all};
use crate::state::Found;
use crate::volumes::{Volumes, undo};

impl Volumes {
    /// Makes the target an empty volume that a provider can write to. It is
    /// [`TargetState::Uncommitted`](crate::TargetState::Uncommitted) until
    /// [`commit_provider_written`](Self::commit_provider_written) or [`publish`](Self::publish). A volume that is
    /// complete already is left as it is; what a killed attempt left in an incomplete one is removed.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    pub fn mount_for_provider(&self, target: &Path) -> Result<(), VolumeError> {
        let (target, created) = self.options.guard.create(target)?;
        let pending = |root: &Dir| mark_pending(root).during(|| "mark the volume as incomplete".into());
        match Found::at(&target)? {
            Found::Missing | Found::Directory => self.mount(&target, created, Ownership::default(), pending),
            found => match found.volume(target.path.clone())? {
                (root, Content::Incomplete) => pending(&root)
                    .and_then(|()| {
                        remove_all(&root, Some(PENDING)).during(|| "remove incomplete files".into())
                    })
                    .map_err(|error| undo(&target, error.writing(&target.path))),
                _ => Ok(()),
            },
        }
    }

    /// Declares that the provider has written all its files to the mounted volume.
    ///
    /// # Errors
    /// The volume is as it was. [`VolumeError::NotMounted`] if there is no volume.
    pub fn commit_provider_written(&self, target: &Path, record: &Record) -> Result<(), VolumeError> {
        let (target, root, content) = self.open_volume(target)?;
        let now = self.clock.now();
        if let Content::Committed { generation } = content {
            // The provider has answered without files: those of the volume stay, as in the Go driver.
            let generation = root.dir(generation).during(|| "open the current generation".into());
            record::refresh(&generation.map_err(|error| error.writing(&target.path))?, record, now);
            return Ok(());
        }
        record::refresh(&root, record, now);
        let marked = match content {
            Content::ProviderWritten { marked: true } => Ok(()),
            _ => mark_pending(&root).and_then(|()| root.rename(PENDING, PROVIDER_WRITTEN)),
        };
        marked.during(|| "mark the volume as complete".into()).map_err(|error| error.writing(&target.path))
    }
}
