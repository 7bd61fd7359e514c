//! A directory held open. Everything below it is reached through its descriptor, one place for all system calls
//! that touch a volume, and the kernel sees to it that no name leads out of it (`openat2` with `RESOLVE_BENEATH`,
//! no symbolic links, no magic links).

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags, ResolveFlags, SeekFrom, Stat, XattrFlags,
};
use rustix::io::Errno;

use crate::kill_point;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Bytes of names that are read of a directory at a time.
const LISTED: usize = 4096;

/// A directory held open.
#[derive(Debug)]
pub(crate) struct Dir(OwnedFd);

/// One name in a directory.
pub(crate) struct Entry {
    pub(crate) name: OsString,
    pub(crate) kind: FileType,
}

impl Dir {
    /// Opens a directory the ordinary way: symbolic links in the path are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, DIRECTORY, Mode::empty())?))
    }

    /// The root of a mount that `fsmount` returned.
    pub(crate) fn of_mount(mount: &OwnedFd) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(mount, ".", DIRECTORY, Mode::empty())?))
    }

    /// Opens the directory at `path` below this one; what is mounted there is entered.
    pub(crate) fn dir(&self, path: impl AsRef<Path>) -> io::Result<Self> {
        beneath(self.as_fd(), path.as_ref(), DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map(Self)
    }

    /// Like [`Dir::dir`], without entering: good for mounting on, also where reading is refused or hangs.
    pub(crate) fn handle(&self, name: impl AsRef<Path>) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        beneath(self.as_fd(), name.as_ref(), flags, Mode::empty())
    }

    /// Opens the file at `path` below this directory for reading. Never waits for a fifo's writer.
    pub(crate) fn file(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        beneath(self.as_fd(), path.as_ref(), flags, Mode::empty()).map(File::from)
    }

    /// What `path` below this directory is; a symbolic link is not followed. `None` if nothing is there.
    pub(crate) fn stat(&self, name: impl AsRef<Path>) -> io::Result<Option<Stat>> {
        found(rustix::fs::statat(self, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT))
    }

    /// What `path` below this directory is, with no link anywhere on the way followed.
    pub(crate) fn kind_below(&self, path: impl AsRef<Path>) -> io::Result<FileType> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = beneath(self.as_fd(), path.as_ref(), flags, Mode::empty())?;
        Ok(kind(&rustix::fs::fstat(opened)?))
    }

    /// What this directory itself is.
    pub(crate) fn own_stat(&self) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(self)?)
    }

    /// The text of the symbolic link `name`; `None` if there is no such name or it is no link.
    pub(crate) fn link_text(&self, name: impl AsRef<Path>) -> io::Result<Option<PathBuf>> {
        match rustix::fs::readlinkat(self, name.as_ref(), Vec::new()) {
            Ok(text) => Ok(Some(PathBuf::from(OsString::from_vec(text.into_bytes())))),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The names in this directory except `.` and `..`, sorted.
    pub(crate) fn entries(&self) -> io::Result<Vec<Entry>> {
        let (mut entries, mut listed) = (Vec::new(), Vec::with_capacity(LISTED));
        // It may have been listed before.
        rustix::fs::seek(self, SeekFrom::Start(0))?;
        let mut listing = RawDir::new(self, listed.spare_capacity_mut());
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => self.stat(&name)?.map_or(FileType::Unknown, |stat| kind(&stat)),
                known => known,
            };
            entries.push(Entry { name, kind });
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// Creates the directory `name`, readable as `mode` says, less the process's umask.
    pub(crate) fn create_dir(&self, name: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        kill_point();
        Ok(rustix::fs::mkdirat(self, name.as_ref(), Mode::from_raw_mode(mode))?)
    }

    /// Creates the file at `path` below this directory for writing; its directory must exist, it must not.
    pub(crate) fn create_file(&self, path: impl AsRef<Path>) -> io::Result<File> {
        kill_point();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        beneath(self.as_fd(), path.as_ref(), flags, Mode::RUSR | Mode::WUSR).map(File::from)
    }

    /// Creates the symbolic link `name` with this text.
    pub(crate) fn create_link(&self, name: impl AsRef<Path>, text: impl AsRef<Path>) -> io::Result<()> {
        kill_point();
        Ok(rustix::fs::symlinkat(text.as_ref(), self, name.as_ref())?)
    }

    /// Renames within this directory; a file or link of the new name is replaced in one step.
    pub(crate) fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        self.rename_into(from, self, to)
    }

    /// Renames into another directory of the same file system.
    pub(crate) fn rename_into(
        &self,
        from: impl AsRef<Path>,
        directory: &Self,
        to: impl AsRef<Path>,
    ) -> io::Result<()> {
        kill_point();
        Ok(rustix::fs::renameat(self, from.as_ref(), directory, to.as_ref())?)
    }

    /// Lets two names of this directory change places in one step.
    pub(crate) fn exchange(&self, one: impl AsRef<Path>, other: impl AsRef<Path>) -> io::Result<()> {
        kill_point();
        Ok(rustix::fs::renameat_with(self, one.as_ref(), self, other.as_ref(), RenameFlags::EXCHANGE)?)
    }

    /// Removes a file or link. `Ok` if there is none.
    pub(crate) fn unlink(&self, name: impl AsRef<Path>) -> io::Result<()> {
        kill_point();
        found(rustix::fs::unlinkat(self, name.as_ref(), AtFlags::empty())).map(drop)
    }

    /// Removes an empty directory. `Ok` if there is none.
    pub(crate) fn remove_dir(&self, name: impl AsRef<Path>) -> io::Result<()> {
        kill_point();
        found(rustix::fs::unlinkat(self, name.as_ref(), AtFlags::REMOVEDIR)).map(drop)
    }

    /// The extended attribute of `name` itself, also if that is a symbolic link; `None` if it has none of that name.
    pub(crate) fn attribute_of(
        &self,
        name: impl AsRef<Path>,
        attribute: &str,
        most: usize,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut value = Vec::with_capacity(most);
        let path = self.process_path(name);
        attribute_found(
            rustix::fs::lgetxattr(path, attribute, rustix::buffer::spare_capacity(&mut value)),
            value,
        )
    }

    /// Sets an extended attribute of `name` itself, also if that is a symbolic link.
    pub(crate) fn set_attribute_of(
        &self,
        name: impl AsRef<Path>,
        attribute: &str,
        value: &[u8],
    ) -> io::Result<()> {
        Ok(rustix::fs::lsetxattr(self.process_path(name), attribute, value, XattrFlags::empty())?)
    }

    /// A path to `name` in this directory for system calls that take no descriptor.
    pub(crate) fn process_path(&self, name: impl AsRef<Path>) -> PathBuf {
        use std::os::fd::AsRawFd;
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd())).join(name)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Room for an attribute of the usual size. The kernel clears as much memory as it is offered, each time.
const USUAL_ATTRIBUTE: usize = 1024;

/// The extended attribute `name` of an open file; `None` if it has none of that name.
pub(crate) fn attribute(file: impl AsFd, name: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
    let read = |room| {
        let mut value = Vec::with_capacity(room);
        let read = rustix::fs::fgetxattr(&file, name, rustix::buffer::spare_capacity(&mut value));
        (read, value)
    };
    let (found, value) = match read(most.min(USUAL_ATTRIBUTE)) {
        (Err(Errno::RANGE), _) => read(most),
        found => found,
    };
    attribute_found(found, value)
}

fn attribute_found(read: Result<usize, Errno>, value: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    match read {
        Ok(_) => Ok(Some(value)),
        Err(Errno::NODATA) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The type of a file.
pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Opens `path` below `directory` without following any link.
fn beneath(directory: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    match rustix::fs::openat2(directory, path, flags, mode, BENEATH) {
        // Before Linux 5.6, and under seccomp filters that are older than the call.
        Err(Errno::NOSYS | Errno::PERM) => walk(directory, path, flags, mode),
        opened => Ok(opened?),
    }
}

/// What [`beneath`] does, one element at a time.
fn walk(directory: BorrowedFd<'_>, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let mut opened: Option<OwnedFd> = None;
    let mut elements = path.components().peekable();
    while let Some(element) = elements.next() {
        let Component::Normal(name) = element else {
            return Err(Errno::XDEV.into());
        };
        let parent = opened.as_ref().map_or(directory, AsFd::as_fd);
        let last = elements.peek().is_none();
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let flags = if last { flags } else { step } | OFlags::NOFOLLOW;
        opened = Some(rustix::fs::openat(parent, name.as_bytes(), flags, mode)?);
    }
    opened.ok_or_else(|| Errno::NOENT.into())
}

fn found<T>(result: Result<T, Errno>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways of opening refuse the same paths.
    #[test]
    fn nothing_outside_is_reached() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir_all(at("inside/deep")).expect("directories");
        std::fs::write(at("inside/deep/file"), "content").expect("file");
        std::os::unix::fs::symlink("/etc", at("inside/out")).expect("link");
        std::os::unix::fs::symlink("deep", at("inside/within")).expect("link");
        let root = Dir::open(&at("inside")).expect("opens");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        for by_kernel in [true, false] {
            let opens = |path: &str| {
                let open = if by_kernel { beneath } else { walk };
                open(root.as_fd(), Path::new(path), flags, Mode::empty()).is_ok()
            };
            assert!(opens("deep") && opens("deep/file"));
            for path in [
                "out",
                "out/passwd",
                "within",
                "within/file",
                "..",
                "../inside",
                "/etc",
                "/",
                "",
                "deep/../../x",
            ] {
                assert!(!opens(path), "{path:?}");
            }
        }
    }

    #[test]
    fn names_and_kinds() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let root = Dir::open(directory.path()).expect("opens");
        root.create_dir("b", 0o755).expect("creates");
        root.create_link("a", "b").expect("creates");
        root.create_file("c").expect("creates");
        let entries = root.entries().expect("lists");
        let seen: Vec<_> = entries.iter().map(|entry| (entry.name.to_str(), entry.kind)).collect();
        assert_eq!(
            seen,
            [
                (Some("a"), FileType::Symlink),
                (Some("b"), FileType::Directory),
                (Some("c"), FileType::RegularFile)
            ]
        );
        assert_eq!(root.link_text("a").expect("reads"), Some(PathBuf::from("b")));
        assert_eq!(root.link_text("b").expect("reads"), None);
        assert_eq!(root.link_text("missing").expect("reads"), None);
        assert!(root.stat("missing").expect("looks").is_none());
        root.unlink("missing").expect("nothing to remove");
    }
}
