//! What a daemon gives up before it does anything: privileges it has no use for, and core dumps.
//!
//! Kubernetes runs the driver as a privileged container (nothing less may propagate mounts), which hands it every
//! capability of the node. It keeps those that mounting and writing for any owner take. Runs before there is a second
//! thread: the kernel counts capabilities by thread, and threads inherit. What system calls are left is in [`crate::seccomp`].

use std::path::Path;

use landlock::{
    ABI, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus,
};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
pub use rustix::thread::CapabilitySet;
use rustix::thread::{
    CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// Gives up all capabilities but `keep`, the way back to any (`no_new_privs`), and core dumps.
///
/// What cannot be given up is logged, and the daemon runs with it.
pub(crate) fn apply(keep: CapabilitySet) {
    // A core dump would hold secrets, and so would what a debugger of another process reads.
    warn("turn core dumps off", set_dumpable_behavior(DumpableBehavior::NotDumpable));
    warn("rule out new privileges", set_no_new_privs(true));
    // Takes a capability itself, so it comes first; without it no_new_privs does for programs what this would.
    if let Err(error) = limit_programs(keep) {
        tracing::debug!(err = %error, "the bounding set of capabilities stays as it is");
    }
    warn("give up ambient capabilities", clear_ambient_capability_set());
    warn("give up capabilities", limit_self(keep));
}

fn limit_self(keep: CapabilitySet) -> Result<(), Errno> {
    let kept = capabilities(None)?.permitted & keep;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )
}

fn limit_programs(keep: CapabilitySet) -> Result<(), Errno> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !keep.contains(capability) => remove_capability_from_bounding_set(capability)?,
            Ok(_) => {}
            // One more than the kernel knows.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn warn(what: &str, done: Result<(), Errno>) {
    if let Err(error) = done {
        tracing::warn!(err = %error, "cannot {what}");
    }
}

/// Gives up writing, making and removing files, except for sockets in `directory`, and running programs (Landlock).
/// Like capabilities this is the calling thread's and its children's, and there is no way back.
///
/// Kernels before 5.13 do not know it, and some are built without it: then the log says so.
pub(crate) fn confine(directory: &Path) {
    match landlock(directory) {
        Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => {}
        Ok(RulesetStatus::NotEnforced) => {
            tracing::info!("this kernel has no Landlock: files are not confined")
        }
        Err(error) => tracing::warn!(err = %error, "cannot confine files"),
    }
}

fn landlock(directory: &Path) -> Result<RulesetStatus, Box<dyn std::error::Error>> {
    let handled = AccessFs::from_write(ABI::V3) | AccessFs::Execute;
    let sockets = PathBeneath::new(PathFd::new(directory)?, AccessFs::MakeSock | AccessFs::RemoveFile);
    let ruleset = Ruleset::default().handle_access(handled)?.create()?.add_rule(sockets)?;
    Ok(ruleset.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confined_daemon_writes_nothing_and_runs_nothing_but_serves_its_socket() {
        let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(other.path().join("read"), "x").unwrap();
        if landlock(own.path()).unwrap() == RulesetStatus::NotEnforced {
            println!("skipped: this kernel has no Landlock");
            return;
        }
        let socket = own.path().join("azure.sock");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        std::fs::remove_file(&socket).unwrap();
        assert_eq!(std::fs::read_to_string(other.path().join("read")).unwrap(), "x");
        let denied = |result: std::io::Result<()>| {
            assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
        };
        denied(std::fs::write(own.path().join("file"), "x"));
        denied(std::fs::write(other.path().join("file"), "x"));
        denied(std::fs::write(other.path().join("read"), "y"));
        denied(std::fs::create_dir(other.path().join("directory")));
        denied(std::fs::remove_file(other.path().join("read")));
        denied(std::os::unix::fs::symlink("/", other.path().join("link")));
        denied(std::os::unix::net::UnixListener::bind(other.path().join("socket")).map(drop));
        denied(std::process::Command::new("/bin/true").status().map(drop));
    }

    /// Each test has a thread of its own, and with it capabilities of its own.
    #[test]
    fn only_what_is_kept_is_left() {
        let before = capabilities(None).unwrap().permitted;
        let keep = CapabilitySet::CHOWN | CapabilitySet::FOWNER;
        let bounded = limit_programs(keep).is_ok();
        limit_self(keep).unwrap();
        let after = capabilities(None).unwrap();
        assert_eq!((after.effective, after.permitted), (before & keep, before & keep));
        assert_eq!(after.inheritable, CapabilitySet::empty());
        assert_eq!(bounded, before.contains(CapabilitySet::SETPCAP));
        assert_eq!(capability_is_in_bounding_set(CapabilitySet::SYS_ADMIN).unwrap(), !bounded);
        // Not again: what was given up is gone.
        limit_self(CapabilitySet::all()).unwrap();
        assert_eq!(capabilities(None).unwrap().permitted, before & keep);
    }
}
