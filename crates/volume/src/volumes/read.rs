//! What a mounted volume holds.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use keymount_sensitive::SecretBytes;

use crate::dir::Dir;
use crate::error::{During, StepError, VolumeError};
use crate::files::{ReadError, Reader};
use crate::layout::{self, Content};
use crate::record::{self, Recorded};
use crate::target::Target;
use crate::volumes::Volumes;

/// How often a read is begun because the files were replaced under it. Volumes are replaced minutes apart.
const ATTEMPTS: usize = 10;

impl Volumes {
    /// The files of a complete volume by their path below its root. Of what a provider may have made itself regular
    /// files count, and links at the top that lead to something in the volume; nothing else is opened.
    ///
    /// All files are of one generation, also while the volume is being replaced.
    ///
    /// # Errors
    /// [`VolumeError::NotMounted`] also for a volume without complete files, [`VolumeError::ReadLimit`],
    /// [`VolumeError::Read`].
    pub fn read_files(&self, target: &Path) -> Result<BTreeMap<String, SecretBytes>, VolumeError> {
        self.read_files_beginning(target, &[])
    }

    /// Those of the [files](Self::read_files) whose content begins so. Of the others no more is read than that.
    ///
    /// # Errors
    /// As [`read_files`](Self::read_files).
    pub fn read_files_beginning(
        &self,
        target: &Path,
        beginning: &[u8],
    ) -> Result<BTreeMap<String, SecretBytes>, VolumeError> {
        let (target, root, mut content) = self.open_volume(target)?;
        for _ in 0..ATTEMPTS {
            let read = self.read_content(&root, &content, beginning);
            match layout::content(&root) {
                // What was read may lack files that were being removed.
                Ok(now) if now != content => content = now,
                _ => return read.map_err(|error| self.read_error(target, error)),
            }
        }
        let error = StepError::new(
            "read files of one generation",
            io::Error::other("they are replaced without pause"),
        );
        Err(VolumeError::Read { target: target.path, source: error })
    }

    fn read_error(&self, target: Target, error: ReadError) -> VolumeError {
        let limits = &self.options.read_limits;
        let target = target.path;
        match error {
            ReadError::Incomplete => VolumeError::NotMounted(target),
            ReadError::Step(source) => VolumeError::Read { target, source },
            ReadError::TooManyFiles => {
                VolumeError::ReadLimit { target, limit: limits.most_files(), unit: "files" }
            }
            ReadError::TooManyBytes => {
                VolumeError::ReadLimit { target, limit: limits.max_bytes, unit: "bytes" }
            }
        }
    }

    fn read_content(
        &self,
        root: &Dir,
        content: &Content,
        beginning: &[u8],
    ) -> Result<BTreeMap<String, SecretBytes>, ReadError> {
        let limits = &self.options.read_limits;
        let reader = Reader::new(limits.max_bytes, limits.most_files(), beginning);
        match content {
            Content::Incomplete => Err(ReadError::Incomplete),
            Content::ProviderWritten { .. } => reader.provider_written(root),
            Content::Committed { generation } => {
                let generation = root.dir(generation).during(|| "open the current generation".into())?;
                reader.generation(&generation)
            }
        }
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
