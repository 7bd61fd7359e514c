//! The system calls that a daemon may make: those it has a use for. All others do not exist for it (`ENOSYS`), so that
//! who gets hold of a daemon cannot start programs, load kernel modules, trace other processes or make namespaces.
//!
//! The lists hold what the daemons call, what glibc, musl and the runtime call beneath them, and what these take in its
//! place on other kernels.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    #[error("no filter for this processor: {0}")]
    Filter(#[from] seccompiler::BackendError),
    #[error("the kernel refuses it: {0}")]
    Kernel(#[from] seccompiler::Error),
}

/// Memory, threads, signals, time.
const PROCESS: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_tgkill,
    libc::SYS_tkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    libc::SYS_prlimit64,
    libc::SYS_prctl,
    libc::SYS_capget,
    libc::SYS_capset,
];

/// Files and directories.
const FILES: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_symlinkat,
    libc::SYS_linkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_ioctl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_umask,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
];

/// Sockets, and waiting for them.
const NETWORK: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
];

/// The older forms of the same, which newer processors never had.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_arch_prctl,
    libc::SYS_getrlimit,
    libc::SYS_time,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_getdents,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_symlink,
    libc::SYS_link,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// What a daemon needs beside that, if it mounts and watches directories.
pub const MOUNTING: &[i64] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_fgetxattr,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_fremovexattr,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
];

/// Flags of `clone` that make namespaces.
const NEW_NAMESPACES: u64 = 0x7e02_0000;

/// From here on this thread, and those it starts, can make the calls of every daemon and `more`, and no others.
/// `no_new_privs` must be set.
///
/// # Errors
///
/// The kernel has no filters, or there are none for this processor.
pub(crate) fn apply(more: &[i64]) -> Result<(), FilterError> {
    Ok(apply_filter(&program(more)?)?)
}

fn program(more: &[i64]) -> Result<BpfProgram, seccompiler::BackendError> {
    let always: Vec<SeccompRule> = Vec::new();
    let lists = [PROCESS, FILES, NETWORK, OLDER, more];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        lists.into_iter().flatten().map(|call| (*call, always.clone())).collect();
    // Threads. What `clone3` is asked for stands in memory, where no filter can look; without it `clone` is taken.
    let no_namespace =
        SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(NEW_NAMESPACES), 0)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![no_namespace])?]);
    let refused = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    SeccompFilter::new(rules, refused, SeccompAction::Allow, TargetArch::try_from(std::env::consts::ARCH)?)?
        .try_into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Each test has a thread of its own, and a filter is of the thread that asks for it and those it starts.
    #[test]
    fn programs_cannot_be_started_and_threads_can() {
        let run = || Command::new("/bin/true").status();
        assert!(run().unwrap().success());
        rustix::thread::set_no_new_privs(true).unwrap();
        apply(&[]).unwrap();
        assert_eq!(run().unwrap_err().raw_os_error(), Some(libc::ENOSYS));
        let inherited = std::thread::spawn(move || run().unwrap_err().raw_os_error());
        assert_eq!(inherited.join().unwrap(), Some(libc::ENOSYS));
    }

    #[test]
    fn only_who_mounts_may_mount() {
        let refusal = |calls: &'static [i64]| {
            let thread = std::thread::spawn(move || {
                rustix::thread::set_no_new_privs(true).unwrap();
                apply(calls).unwrap();
                rustix::mount::unmount("/no/such/place", rustix::mount::UnmountFlags::empty()).unwrap_err()
            });
            thread.join().unwrap()
        };
        assert_ne!(refusal(MOUNTING), rustix::io::Errno::NOSYS);
        assert_eq!(refusal(&[]), rustix::io::Errno::NOSYS);
    }

    #[test]
    fn every_call_is_named_once() {
        let lists = [PROCESS, FILES, NETWORK, OLDER, MOUNTING];
        let all: Vec<i64> = lists.into_iter().flatten().copied().collect();
        let distinct: std::collections::BTreeSet<i64> = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len());
        for dangerous in
            [libc::SYS_execve, libc::SYS_ptrace, libc::SYS_clone3, libc::SYS_unshare, libc::SYS_bpf]
        {
            assert!(!distinct.contains(&dangerous));
        }
    }
}
