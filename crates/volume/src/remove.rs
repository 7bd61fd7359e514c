//! Removing trees without following links, without entering mounts and without recursion.

use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::io;

use rustix::io::Errno;

use crate::dir::Dir;
use crate::layout::{DATA, PENDING, PROVIDER_WRITTEN};

/// Removes whatever is at `name`, with everything below it. `Ok` if nothing is there.
///
/// A directory is renamed into `root` before it is entered, so its depth does not matter, and the kernel refuses
/// (`EBUSY`) to rename one that something is mounted on: nothing beyond a mount is ever removed.
pub(crate) fn remove_tree(root: &Dir, name: impl AsRef<OsStr>) -> io::Result<()> {
    if unlinked(root, name.as_ref())? {
        return Ok(());
    }
    let mut directories = vec![set_aside(root, name.as_ref(), root)?];
    while let Some(name) = directories.pop() {
        let directory = root.dir(&name)?;
        for entry in directory.entries()? {
            if !unlinked(&directory, &entry.name)? {
                directories.push(set_aside(&directory, &entry.name, root)?);
            }
        }
        root.remove_dir(&name)?;
    }
    Ok(())
}

/// Removes everything in a directory except the entry `keep`.
pub(crate) fn remove_all(root: &Dir, keep: Option<&str>) -> io::Result<()> {
    for entry in root.entries()? {
        if keep.is_none_or(|keep| entry.name != keep) {
            remove_tree(root, &entry.name)?;
        }
    }
    Ok(())
}

/// Empties a volume. The first step makes it incomplete, the last one removes the mark that says so: a kill in
/// between leaves no volume that looks complete (I1).
pub(crate) fn erase(root: &Dir) -> io::Result<()> {
    mark_pending(root)?;
    remove_all(root, Some(PENDING))?;
    root.unlink(PENDING)
}

/// Marks a volume as incomplete in one step, which takes no memory where there is something to rename.
pub(crate) fn mark_pending(root: &Dir) -> io::Result<()> {
    if root.stat(PENDING)?.is_some() {
        return Ok(());
    }
    for mark in [DATA, PROVIDER_WRITTEN] {
        if root.stat(mark)?.is_some() {
            return root.rename(mark, PENDING);
        }
    }
    root.create_file(PENDING).map(drop)
}

/// Unlinks `name`; `false` if it is a directory.
fn unlinked(directory: &Dir, name: &OsStr) -> io::Result<bool> {
    match directory.unlink(name) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(Errno::ISDIR.raw_os_error()) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Moves a directory into `root` under a hidden name of its own.
fn set_aside(directory: &Dir, name: &OsStr, root: &Dir) -> io::Result<String> {
    let aside = format!("..removed.{}", RandomState::new().hash_one(name));
    directory.rename_into(name, root, &aside)?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Content, content};

    #[test]
    fn trees_of_any_depth_and_kind() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let outside = tempfile::tempdir().expect("temporary directory");
        std::fs::write(outside.path().join("kept"), "").expect("file");
        let root = Dir::open(directory.path()).expect("opens");
        root.create_dir("tree", 0o755).expect("creates");
        let mut current = root.dir("tree").expect("opens");
        current.create_file("file").expect("creates");
        current.create_link("link", outside.path()).expect("creates");
        // More than a process may have files open, or a path be long.
        for _ in 0..2100 {
            current.create_dir("d", 0o700).expect("creates");
            current = current.dir("d").expect("opens");
        }
        remove_tree(&root, "tree").expect("removes");
        remove_tree(&root, "tree").expect("nothing to remove");
        assert!(root.entries().expect("lists").is_empty());
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn marked_before_anything_is_removed() {
        for mark in [DATA, PROVIDER_WRITTEN] {
            let directory = tempfile::tempdir().expect("temporary directory");
            let root = Dir::open(directory.path()).expect("opens");
            root.create_dir("..2026", 0o755).expect("creates");
            root.create_link(mark, "..2026").expect("creates");
            root.create_file("file").expect("creates");
            assert_ne!(content(&root).expect("reads"), Content::Incomplete);
            mark_pending(&root).expect("marks");
            mark_pending(&root).expect("is marked");
            assert_eq!(content(&root).expect("reads"), Content::Incomplete);
            erase(&root).expect("erases");
            assert!(root.entries().expect("lists").is_empty());
        }
    }
}
