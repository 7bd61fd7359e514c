//! One generation: the directory that holds the files, how it is written and how it is compared.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use keymount_sensitive::Sensitive;
use rustix::fs::{FileType, Gid, Mode, Stat, XattrFlags};

use crate::dir::{Dir, attribute, kind};
use crate::error::{During, StepError};
use crate::kill_point;
use crate::payload::{File, Payload};

/// The attribute in which SELinux keeps a file's label.
const SELINUX: &str = "security.selinux";
/// Longest SELinux label in bytes that is copied.
const MAX_LABEL: usize = 4096;
/// Mode of directories of a generation that has no group.
const DIRECTORY_MODE: u32 = 0o755;
/// Bits of a directory that are compared. A set-group-ID bit may be missing where the process may not set it.
const DIRECTORY_BITS: u32 = 0o777;

/// Who owns the files besides root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// The pod's `fsGroup`, from `volume_mount_group` of the CSI request. Files and directories get this
    /// group, files become readable for it (mode | 0440), directories are 2750. Without one the group is root's,
    /// file modes are as given and directories are 0755.
    pub group: Option<u32>,
}

impl Ownership {
    /// The mode of every directory of the volume, given that of a volume without group.
    pub(crate) fn directory_mode(self, ungrouped: u32) -> u32 {
        if self.group.is_some() { 0o2750 } else { ungrouped }
    }

    fn file_mode(self, mode: u32) -> u32 {
        if self.group.is_some() { mode | 0o440 } else { mode }
    }
}

/// What every new entry of a volume gets besides its content.
pub(crate) struct Look {
    ownership: Ownership,
    /// The SELinux label of the volume's root, once a container runtime has set one for the pod.
    label: Option<Vec<u8>>,
}

impl Look {
    pub(crate) fn of(root: &Dir, ownership: Ownership) -> Self {
        // A file system without labels says "not supported": nothing to copy.
        Self { ownership, label: attribute(root, SELINUX, MAX_LABEL).ok().flatten() }
    }

    /// The mode to create directories with. Where the set-group-ID bit is inherited, changing the mode later would
    /// lose it for a process without the capability FSETID.
    pub(crate) fn new_dir_mode(&self) -> u32 {
        self.ownership.directory_mode(DIRECTORY_MODE) & DIRECTORY_BITS
    }

    /// Gives a directory its group and mode. The process's umask has no part in it.
    pub(crate) fn own_dir(&self, directory: &Dir, ungrouped: u32) -> io::Result<()> {
        let stat = directory.own_stat()?;
        self.chgrp(directory, &stat)?;
        let mode = self.ownership.directory_mode(ungrouped);
        if (stat.st_mode ^ mode) & DIRECTORY_BITS != 0 {
            rustix::fs::fchmod(directory, Mode::from_raw_mode(mode))?;
        }
        Ok(())
    }

    fn dress_dir(&self, directory: &Dir) -> io::Result<()> {
        self.own_dir(directory, DIRECTORY_MODE)?;
        self.relabel(directory)
    }

    fn dress_file(&self, file: &std::fs::File, mode: u32) -> io::Result<()> {
        if self.ownership.group.is_some() {
            self.chgrp(file, &rustix::fs::fstat(file)?)?;
        }
        rustix::fs::fchmod(file, Mode::from_raw_mode(self.ownership.file_mode(mode)))?;
        self.relabel(file)
    }

    /// Copies the label onto a link at the top.
    pub(crate) fn dress_link(&self, root: &Dir, name: impl AsRef<Path>) -> io::Result<()> {
        match &self.label {
            Some(label) if root.attribute_of(&name, SELINUX, MAX_LABEL)?.as_ref() != Some(label) => {
                root.set_attribute_of(name, SELINUX, label)
            }
            _ => Ok(()),
        }
    }

    fn chgrp(&self, file: impl AsFd, stat: &Stat) -> io::Result<()> {
        match self.ownership.group {
            Some(group) if group != stat.st_gid => {
                Ok(rustix::fs::fchown(file, None, Some(Gid::from_raw(group)))?)
            }
            _ => Ok(()),
        }
    }

    fn relabel(&self, file: impl AsFd) -> io::Result<()> {
        let Some(label) = &self.label else {
            return Ok(());
        };
        // Mostly the kernel has given the right one already, and changing it takes rights under SELinux.
        if attribute(&file, SELINUX, MAX_LABEL)?.as_ref() == Some(label) {
            return Ok(());
        }
        Ok(rustix::fs::fsetxattr(file, SELINUX, label, XattrFlags::empty())?)
    }

    fn fits_group(&self, stat: &Stat) -> bool {
        self.ownership.group.is_none_or(|group| group == stat.st_gid)
    }
}

/// Writes all files of the payload into the empty directory of a new generation.
pub(crate) fn fill(generation: &Dir, payload: &Payload, look: &Look) -> Result<(), StepError> {
    look.dress_dir(generation).during(|| "set the mode of the new generation".into())?;
    for path in payload.directories() {
        create_dir(generation, Path::new(path), look).during(|| format!("create directory {path}"))?;
    }
    for (path, File { mode, contents }) in payload.files() {
        let mut file = generation.create_file(path.as_str()).during(|| format!("create file {path}"))?;
        kill_point();
        file.write_all(contents.expose()).during(|| format!("write file {path}"))?;
        kill_point();
        look.dress_file(&file, *mode).during(|| format!("set owner, mode and label of file {path}"))?;
    }
    Ok(())
}

fn create_dir(generation: &Dir, path: &Path, look: &Look) -> io::Result<()> {
    let parent = match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => &generation.dir(parent)?,
        None => generation,
    };
    let Some(name) = path.file_name() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    parent.create_dir(name, look.new_dir_mode())?;
    look.dress_dir(&parent.dir(name)?)
}

/// Whether the generation is the payload exactly: the same directories and files with the same content, mode and
/// group, and nothing else. What cannot be read is not the same.
pub(crate) fn holds(generation: &Dir, payload: &Payload, look: &Look) -> bool {
    matches(generation, payload, look).unwrap_or(false)
}

fn matches(generation: &Dir, payload: &Payload, look: &Look) -> io::Result<bool> {
    let mut missing_directories = payload.directories();
    let mut missing_files = payload.file_count();
    let mut unvisited = vec![PathBuf::new()];
    while let Some(path) = unvisited.pop() {
        let below = match path.as_os_str().is_empty() {
            true => None,
            false => Some(generation.dir(&path)?),
        };
        let directory = below.as_ref().unwrap_or(generation);
        let stat = directory.own_stat()?;
        let mode = look.ownership.directory_mode(DIRECTORY_MODE);
        if (stat.st_mode ^ mode) & DIRECTORY_BITS != 0 || !look.fits_group(&stat) {
            return Ok(false);
        }
        for entry in directory.entries()? {
            let path = path.join(&entry.name);
            let Some(name) = path.to_str() else {
                return Ok(false);
            };
            match (entry.kind, payload.file(name)) {
                (FileType::Directory, None) if missing_directories.remove(name) => unvisited.push(path),
                (FileType::RegularFile, Some(file)) if same(&directory.file(&entry.name)?, file, look)? => {
                    missing_files -= 1;
                }
                _ => return Ok(false),
            }
        }
    }
    Ok(missing_directories.is_empty() && missing_files == 0)
}

fn same(mut on_disk: &std::fs::File, wanted: &File, look: &Look) -> io::Result<bool> {
    let stat = rustix::fs::fstat(on_disk)?;
    let contents = wanted.contents.expose().as_slice();
    if kind(&stat) != FileType::RegularFile
        || stat.st_mode & 0o7777 != look.ownership.file_mode(wanted.mode)
        || !look.fits_group(&stat)
        || u64::try_from(stat.st_size).ok() != u64::try_from(contents.len()).ok()
    {
        return Ok(false);
    }
    let mut buffer = Sensitive::new(vec![0; contents.len().clamp(1, 64 << 10)]);
    for chunk in contents.chunks(buffer.expose().len()) {
        let read = buffer.expose_mut().split_at_mut(chunk.len()).0;
        on_disk.read_exact(read)?;
        if read != chunk {
            return Ok(false);
        }
    }
    Ok(true)
}
