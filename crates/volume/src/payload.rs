//! One whole generation of files, checked before anything of it exists.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use keymount_sensitive::SecretBytes;
use thiserror::Error;

use crate::path::{PathError, RelativePath, Shown};

/// Longest name whose link (`..data/<name>`) tmpfs keeps without a page of its own.
const SHORT_LINK_NAME: usize = 127 - "..data/".len();

/// One file as a provider sent it (`File` of the provider contract v1alpha1).
pub struct FileSpec {
    /// Path below the volume's root.
    pub path: String,
    /// Permission bits, 0 to 0o777.
    pub mode: i32,
    /// The content of the file.
    pub contents: SecretBytes,
}

/// What one volume may hold; a reply beyond it is refused whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most files in one volume.
    pub max_files: usize,
    /// Most bytes of content in one volume.
    pub max_bytes: u64,
    /// Most elements in one path.
    pub max_depth: usize,
}

impl Default for Limits {
    /// 4096 files, 16 MiB, 64 elements: far above what the default limit of a provider's reply (4 MiB) lets through.
    fn default() -> Self {
        Self { max_files: 4096, max_bytes: 16 << 20, max_depth: 64 }
    }
}

impl Limits {
    pub(crate) fn most_files(&self) -> u64 {
        u64::try_from(self.max_files).unwrap_or(u64::MAX)
    }
}

/// A file of a checked generation.
pub(crate) struct File {
    /// 0 to 0o777.
    pub(crate) mode: u32,
    pub(crate) contents: SecretBytes,
}

/// The files of one generation: every path is valid and unique, none is also a directory, modes and
/// sizes are within bounds. Has no way to print contents.
pub struct Payload {
    files: BTreeMap<RelativePath, File>,
}

/// Why a provider's files are refused. Nothing has been written when this is returned.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// A path breaks a rule.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Two files have one path.
    #[error(
        "duplicate file path {path}: two objects are written to one file; give one of them another objectAlias"
    )]
    Duplicate {
        /// The path both have.
        path: RelativePath,
    },
    /// A path is a file and, for another file, a directory.
    #[error(
        "conflicting file paths: {file} is a file, and {below} needs a directory of that name; rename one of them"
    )]
    Conflict {
        /// The file.
        file: RelativePath,
        /// The file that lies below it.
        below: RelativePath,
    },
    /// Bits outside 0o777, or a negative number.
    #[error("invalid file mode {} of {path}: must be 0000 to 0777", Octal(*mode))]
    Mode {
        /// The file.
        path: RelativePath,
        /// What the provider sent.
        mode: i32,
    },
    /// More elements in a path than [`Limits::max_depth`].
    #[error("invalid path: must have at most {limit} elements: {path}")]
    TooDeep {
        /// The file.
        path: RelativePath,
        /// The limit.
        limit: usize,
    },
    /// More files than [`Limits::max_files`].
    #[error("too many files: {files}, the limit is {limit}; use fewer objects or several volumes")]
    TooManyFiles {
        /// How many came.
        files: usize,
        /// The limit.
        limit: usize,
    },
    /// More content than [`Limits::max_bytes`].
    #[error("files too large: {bytes} bytes, the limit is {limit}; use fewer objects or several volumes")]
    TooLarge {
        /// How many bytes came.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

impl Payload {
    /// Checks the files as a whole. An empty list is a valid payload: a volume without files.
    ///
    /// # Errors
    /// The first rule that is broken; paths are named, contents never.
    pub fn validate(files: Vec<FileSpec>, limits: &Limits) -> Result<Self, PayloadError> {
        if files.len() > limits.max_files {
            return Err(PayloadError::TooManyFiles { files: files.len(), limit: limits.max_files });
        }
        let bytes = files.iter().map(|file| length(&file.contents)).sum();
        if bytes > limits.max_bytes {
            return Err(PayloadError::TooLarge { bytes, limit: limits.max_bytes });
        }
        let mut checked = BTreeMap::new();
        for FileSpec { path, mode, contents } in files {
            let path = RelativePath::parse(&path)?;
            if path.depth() > limits.max_depth {
                return Err(PayloadError::TooDeep { path, limit: limits.max_depth });
            }
            let Some(mode) = u32::try_from(mode).ok().filter(|mode| *mode <= 0o777) else {
                return Err(PayloadError::Mode { path, mode });
            };
            match checked.entry(path) {
                Entry::Occupied(taken) => return Err(PayloadError::Duplicate { path: taken.key().clone() }),
                Entry::Vacant(free) => free.insert(File { mode, contents }),
            };
        }
        let payload = Self { files: checked };
        payload.refuse_conflicts()?;
        Ok(payload)
    }

    /// The number of files.
    #[must_use]
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// The bytes of all contents together.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        self.files.values().map(|file| length(&file.contents)).sum()
    }

    /// The memory in bytes that the files take on the tmpfs: whole pages for each file, and one for each link at the
    /// top whose text is too long to lie in the inode.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        let page = u64::try_from(rustix::param::page_size()).unwrap_or(u64::MAX);
        let contents = self.files.values().map(|file| length(&file.contents).next_multiple_of(page));
        let long_links = self.top_names().into_iter().filter(|name| name.len() > SHORT_LINK_NAME);
        contents.chain(long_links.map(|_| page)).sum()
    }

    /// Whether there is a file whose content begins so.
    #[must_use]
    pub fn has_beginning(&self, beginning: &[u8]) -> bool {
        self.files.values().any(|file| file.contents.expose().starts_with(beginning))
    }

    /// The paths of the files, in order.
    pub fn paths(&self) -> impl Iterator<Item = &RelativePath> {
        self.files.keys()
    }

    /// The files, in the order of their paths.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&RelativePath, &File)> {
        self.files.iter()
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// Every directory that a file lies in, outer ones before inner ones.
    pub(crate) fn directories(&self) -> BTreeSet<&str> {
        self.files.keys().flat_map(RelativePath::directories).collect()
    }

    /// The names that are visible at the top of the volume.
    pub(crate) fn top_names(&self) -> BTreeSet<&str> {
        self.files.keys().map(RelativePath::top).collect()
    }

    /// Inodes that one generation takes: its directory, what is in it, and a link for each top-level name.
    pub(crate) fn inodes(&self) -> u64 {
        let inodes = 1 + self.files.len() + self.directories().len() + self.top_names().len();
        u64::try_from(inodes).unwrap_or(u64::MAX)
    }

    fn refuse_conflicts(&self) -> Result<(), PayloadError> {
        for below in self.files.keys() {
            for directory in below.directories() {
                if let Some((file, _)) = self.files.get_key_value(directory) {
                    return Err(PayloadError::Conflict { file: file.clone(), below: below.clone() });
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.files.keys().map(|path| Shown(path.as_str()).to_string());
        f.debug_tuple("Payload").field(&names.collect::<Vec<_>>()).finish()
    }
}

fn length(contents: &SecretBytes) -> u64 {
    u64::try_from(contents.expose().len()).unwrap_or(u64::MAX)
}

/// A mode as people write it, with the sign a provider may have sent.
struct Octal(i32);

impl fmt::Display for Octal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}0{:o}", self.0.unsigned_abs())
    }
}

#[cfg(test)]
mod tests;
