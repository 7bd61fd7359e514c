//! The tokio runtime of a daemon.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// Threads for blocking system calls (mounts, file writes) and slow conversions. They end when idle.
pub const BLOCKING_THREADS: usize = 16;

/// Builds the runtime: all tasks on the calling thread, so that none is handed over to another, which costs a
/// third more processor time. Nothing that takes long runs on it (docs/adr/0703-one-thread-for-all-tasks.md).
///
/// # Errors
/// The operating system refused an epoll instance.
pub fn build() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("keymount")
        .enable_all()
        .build()
}
