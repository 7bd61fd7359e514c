//! What a mounted volume holds.

use std::collections::BTreeMap;
use std::path::Path;

use keymount_sensitive::SecretBytes;

use crate::error::{During, VolumeError};
use crate::files::{ReadError, Reader};
use crate::layout::Content;
use crate::record::{self, Recorded};
use crate::volumes::Volumes;

impl Volumes {
    /// The files of a complete volume by their path below its root: regular files only, links and special files that
    /// a provider may have made are not followed.
    ///
    /// # Errors
    /// [`VolumeError::NotMounted`] also for a volume without complete files, [`VolumeError::ReadLimit`],
    /// [`VolumeError::Read`].
    pub fn read_files(&self, target: &Path) -> Result<BTreeMap<String, SecretBytes>, VolumeError> {
        let (target, root, content) = self.open_volume(target)?;
        let limits = &self.options.read_limits;
        let most_files = u64::try_from(limits.max_files).unwrap_or(u64::MAX);
        let reader = Reader::new(limits.max_bytes, most_files);
        let read = match content {
            Content::Incomplete => return Err(VolumeError::NotMounted(target.path)),
            Content::ProviderWritten { .. } => reader.provider_written(&root),
            Content::Committed { generation } => root
                .dir(generation)
                .during(|| "open the current generation".into())
                .map_err(ReadError::from)
                .and_then(|generation| reader.generation(&generation)),
        };
        read.map_err(|error| {
            let target = target.path;
            match error {
                ReadError::Step(source) => VolumeError::Read { target, source },
                ReadError::TooManyFiles => {
                    VolumeError::ReadLimit { target, limit: most_files, unit: "files" }
                }
                ReadError::TooManyBytes => {
                    VolumeError::ReadLimit { target, limit: limits.max_bytes, unit: "bytes" }
                }
            }
        })
    }

    /// What was recorded with the files that the volume shows. `None` if there is no complete volume, or no record.
    #[must_use]
    pub fn record(&self, target: &Path) -> Option<Recorded> {
        let (_, root, content) = self.open_volume(target).ok()?;
        match content {
            Content::Incomplete => None,
            Content::ProviderWritten { .. } => record::load(&root),
            Content::Committed { generation } => record::load(&root.dir(generation).ok()?),
        }
    }

    /// Memory that the files of a mounted volume take, in bytes, as the kernel counts it.
    ///
    /// # Errors
    /// [`VolumeError::NotMounted`], [`VolumeError::Inspect`].
    pub fn memory_of(&self, target: &Path) -> Result<u64, VolumeError> {
        let (target, root, _) = self.open_volume(target)?;
        let room = rustix::fs::fstatvfs(&root)
            .map_err(|error| VolumeError::Inspect { target: target.path, source: error.into() })?;
        Ok(room.f_blocks.saturating_sub(room.f_bfree).saturating_mul(room.f_frsize))
    }
}
