//! The tmpfs of a volume: made detached and attached when it is complete, or, on kernels before 5.2, mounted first.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, move_mount, unmount,
};

use crate::error::{During, StepError};
use crate::generation::Ownership;
use crate::kill_point;
use crate::target::Target;

/// The source that is shown in the list of mounts, as the Go driver's mounts show it.
const SOURCE: &str = "tmpfs";

/// How the tmpfs of a volume is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TmpfsOptions {
    /// Most memory of one volume, in bytes. Must hold two generations: the shown one and the next.
    pub size_limit: u64,
    /// Most files, directories and links of one volume.
    pub inode_limit: u64,
    /// Whether programs in a volume may not be run. Off as in the Go stack: files with mode 0755 are in use.
    pub noexec: bool,
    /// Mode of a volume's root directory if it has no group.
    pub root_mode: u32,
}

impl Default for TmpfsOptions {
    /// 64 MiB, 32768 inodes, programs may be run, root directory 0755.
    fn default() -> Self {
        Self { size_limit: 64 << 20, inode_limit: 32768, noexec: false, root_mode: 0o755 }
    }
}

/// Makes tmpfs mounts. Remembers what the kernel refused, so that it is tried once per process.
pub(crate) struct TmpfsFactory {
    options: TmpfsOptions,
    /// `noswap` exists since Linux 6.4, and not in user namespaces.
    swap_only: AtomicBool,
    /// Detached mounts exist since Linux 5.2, and old seccomp filters refuse them.
    attached_only: AtomicBool,
}

impl TmpfsFactory {
    pub(crate) fn new(options: TmpfsOptions) -> Self {
        Self { options, swap_only: AtomicBool::new(false), attached_only: AtomicBool::new(false) }
    }

    #[cfg(test)]
    pub(crate) fn forget_detached_mounts(&self) {
        self.attached_only.store(true, Ordering::Relaxed);
    }

    /// Makes an empty tmpfs that is mounted nowhere and vanishes with the descriptor. `None` if the kernel has no
    /// such mounts.
    pub(crate) fn detached(&self, ownership: Ownership) -> Result<Option<OwnedFd>, StepError> {
        if self.attached_only.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let context = match fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC) {
            Err(Errno::NOSYS | Errno::PERM) => {
                self.attached_only.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            opened => opened.during(|| "open a tmpfs".into())?,
        };
        fsconfig_set_string(&context, "source", SOURCE).during(|| "name the tmpfs".into())?;
        for (key, value) in self.parameters(ownership) {
            fsconfig_set_string(&context, key, &value).during(|| format!("set {key}={value}"))?;
        }
        if !self.swap_only.load(Ordering::Relaxed) && fsconfig_set_flag(&context, "noswap").is_err() {
            self.swap_only.store(true, Ordering::Relaxed);
        }
        fsconfig_create(&context).during(|| "create a tmpfs".into())?;
        let mut flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        flags.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, self.options.noexec);
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
            .during(|| "make a detached mount".into())
            .map(Some)
    }

    /// Mounts an empty tmpfs on the target.
    pub(crate) fn mounted(&self, target: &Target, ownership: Ownership) -> Result<(), StepError> {
        let mut flags = MountFlags::NOSUID | MountFlags::NODEV;
        flags.set(MountFlags::NOEXEC, self.options.noexec);
        let parameters: Vec<_> =
            self.parameters(ownership).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mount_with = |more: &str| -> io::Result<()> {
            kill_point();
            let data = CString::new(parameters.join(",") + more)?;
            Ok(mount(SOURCE, target.fixed_path(), "tmpfs", flags, data.as_c_str())?)
        };
        if !self.swap_only.load(Ordering::Relaxed) {
            if mount_with(",noswap").is_ok() {
                return Ok(());
            }
            self.swap_only.store(true, Ordering::Relaxed);
        }
        mount_with("").during(|| "mount a tmpfs".into())
    }

    fn parameters(&self, ownership: Ownership) -> Vec<(&'static str, String)> {
        let mode = ownership.directory_mode(self.options.root_mode);
        let mut parameters = vec![
            ("size", self.options.size_limit.to_string()),
            ("nr_inodes", self.options.inode_limit.to_string()),
            ("mode", format!("{mode:o}")),
        ];
        // At once with the set-group-ID bit: setting that later takes the capability FSETID.
        parameters.extend(ownership.group.map(|group| ("gid", group.to_string())));
        parameters
    }
}

/// Attaches a detached mount to the target: the one step in which the volume appears.
pub(crate) fn attach(mount: &OwnedFd, target: &Target) -> io::Result<()> {
    let on = target.parent.handle(&target.name)?;
    kill_point();
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", &on, "", flags)?)
}

/// Detaches the topmost mount at the target, also if it is in use or its server is gone. `false` if nothing is
/// mounted there.
pub(crate) fn detach(target: &Target) -> io::Result<bool> {
    kill_point();
    match unmount(target.fixed_path(), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a file system is a tmpfs.
pub(crate) fn is_tmpfs(root: &crate::dir::Dir) -> io::Result<bool> {
    const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;
    Ok(rustix::fs::fstatfs(root)?.f_type == TMPFS_MAGIC)
}
