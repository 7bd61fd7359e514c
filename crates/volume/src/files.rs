//! Reading the files of a volume back, for Secret sync and to see when certificates expire. A provider may have written them itself, so anything can be
//! there: links out of the volume, fifos, files without end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use keymount_sensitive::SecretBytes;
use rustix::fs::FileType;

use crate::dir::{Dir, Entry, kind};
use crate::error::{During, StepError};
use crate::layout::is_hidden;

/// Why reading stopped.
pub(crate) enum ReadError {
    Incomplete,
    Step(StepError),
    TooManyFiles,
    TooManyBytes,
}

impl From<StepError> for ReadError {
    fn from(error: StepError) -> Self {
        Self::Step(error)
    }
}

/// Collects files by their path, within bounds.
pub(crate) struct Reader<'a> {
    /// Files that do not begin so are left out.
    beginning: &'a [u8],
    files: BTreeMap<String, SecretBytes>,
    bytes_left: u64,
    files_left: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(most_bytes: u64, most_files: u64, beginning: &'a [u8]) -> Self {
        Self { beginning, files: BTreeMap::new(), bytes_left: most_bytes, files_left: most_files }
    }

    /// All files of a generation.
    pub(crate) fn generation(mut self, generation: &Dir) -> Result<BTreeMap<String, SecretBytes>, ReadError> {
        self.tree(generation, PathBuf::new())?;
        Ok(self.files)
    }

    /// All files of a volume that a provider wrote itself. A link at the top counts as what it leads to, if that
    /// lies in the volume; names that are not UTF-8 cannot be asked for and are left out, as is everything that is
    /// neither file nor directory.
    pub(crate) fn provider_written(mut self, root: &Dir) -> Result<BTreeMap<String, SecretBytes>, ReadError> {
        for Entry { name, kind } in entries(root, Path::new(""))? {
            if is_hidden(&name) {
                continue;
            }
            let path = PathBuf::from(&name);
            if kind != FileType::Symlink {
                self.entry(root, path.clone(), &path, kind)?;
            } else if let Some((kind, target)) = inside(root, &path) {
                self.entry(root, path, &target, kind)?;
            }
        }
        Ok(self.files)
    }

    /// Reads one entry found at `at` as `path`, and everything below it if it is a directory.
    fn entry(&mut self, root: &Dir, path: PathBuf, at: &Path, kind: FileType) -> Result<(), ReadError> {
        match kind {
            FileType::RegularFile => self.file(root, &path, at),
            FileType::Directory => {
                let directory = root.dir(at).during(|| "open a directory".into())?;
                self.tree(&directory, path)
            }
            _ => Ok(()),
        }
    }

    fn tree(&mut self, top: &Dir, path: PathBuf) -> Result<(), ReadError> {
        let mut unvisited = vec![PathBuf::new()];
        while let Some(below) = unvisited.pop() {
            for Entry { name, kind } in entries(top, &below)? {
                let at = below.join(name);
                match kind {
                    FileType::RegularFile => self.file(top, &path.join(&at), &at)?,
                    FileType::Directory => {
                        self.count()?;
                        unvisited.push(at);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, root: &Dir, path: &Path, at: &Path) -> Result<(), ReadError> {
        self.count()?;
        let Some(name) = path.to_str() else {
            return Ok(());
        };
        let file = root.file(at).during(|| format!("open file {}", path.display()))?;
        let stat = rustix::fs::fstat(&file).during(|| format!("look at file {}", path.display()))?;
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        if kind(&stat) != FileType::RegularFile {
            return Ok(());
        }
        if !begins(&file, size, self.beginning).during(|| format!("read file {}", path.display()))? {
            return Ok(());
        }
        if size > self.bytes_left {
            return Err(ReadError::TooManyBytes);
        }
        self.bytes_left -= size;
        let contents = read(&file, size).during(|| format!("read file {}", path.display()))?;
        self.files.insert(name.to_owned(), contents);
        Ok(())
    }

    fn count(&mut self) -> Result<(), ReadError> {
        self.files_left = self.files_left.checked_sub(1).ok_or(ReadError::TooManyFiles)?;
        Ok(())
    }
}

fn begins(file: &File, size: u64, beginning: &[u8]) -> io::Result<bool> {
    if usize::try_from(size).is_ok_and(|size| size < beginning.len()) {
        return Ok(false);
    }
    let mut start = vec![0; beginning.len()];
    file.read_exact_at(&mut start, 0)?;
    Ok(start == beginning)
}

/// The content of a file of this size.
fn read(mut file: &File, size: u64) -> io::Result<SecretBytes> {
    let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    // Never grown, which would leave a copy behind.
    let mut contents = SecretBytes::new(vec![0; size]);
    file.read_exact(contents.expose_mut())?;
    if file.read(&mut [0])? != 0 {
        return Err(io::Error::other("it grew while it was read"));
    }
    Ok(contents)
}

fn entries(top: &Dir, below: &Path) -> Result<Vec<Entry>, StepError> {
    let listed = match below.as_os_str().is_empty() {
        true => top.entries(),
        false => top.dir(below).and_then(|directory| directory.entries()),
    };
    listed.during(|| format!("list directory /{}", below.display()))
}

/// What a link at the top leads to, one step as in the Go driver; `None` if that is not in the volume.
fn inside(root: &Dir, name: &Path) -> Option<(FileType, PathBuf)> {
    let target = root.link_text(name).ok()??;
    let kind = root.kind_below(&target).ok()?;
    Some((kind, target))
}

#[cfg(test)]
mod tests;
