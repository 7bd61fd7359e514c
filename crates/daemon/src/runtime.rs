//! The tokio runtime of a daemon.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// Worker threads of a daemon: two, so that one busy worker never stalls the health endpoint, at no
/// cost in memory.
pub const WORKERS: usize = 2;

/// Threads for blocking system calls (mounts, file writes). They end when idle.
pub const BLOCKING_THREADS: usize = 16;

/// Builds the runtime.
///
/// # Errors
/// The operating system refused a thread or an epoll instance.
pub fn build() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("keymount")
        .enable_all()
        .build()
}
