//! A place where tests kill the process: before the n-th step that changes a volume.

use std::sync::atomic::{AtomicU64, Ordering};

/// Steps that are left before the process is killed; a test without kills never gets down to 0.
static STEPS_LEFT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Lets the process be killed before the n-th step from now, counted from 1.
pub(crate) fn kill_before_step(step: u64) {
    STEPS_LEFT.store(step, Ordering::SeqCst);
}

pub(crate) fn kill_point() {
    if STEPS_LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
