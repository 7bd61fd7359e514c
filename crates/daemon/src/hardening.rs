//! What a daemon gives up before it does anything: privileges it has no use for, and core dumps.
//!
//! Kubernetes runs the driver as a privileged container (nothing less may propagate mounts), which hands it every
//! capability of the node. It keeps those that mounting and writing for any owner take. Runs before there is a second
//! thread: the kernel counts capabilities by thread, and threads inherit. What system calls are left is in [`crate::seccomp`].

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

#[cfg(test)]
mod tests {
    use super::*;

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
