//! What is made of a file that others replace while this process runs.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

/// Kubelet replaces tokens and authorities long before the old ones end; client-go looks as often.
pub(super) const READ_AGAIN: Duration = Duration::from_mins(1);

/// A file, and what was made of it at most [`READ_AGAIN`] ago.
#[derive(Debug)]
pub(super) struct Reread<T> {
    path: PathBuf,
    read: Mutex<(T, Instant)>,
}

impl<T: Clone> Reread<T> {
    /// Reads it for the first time, when it has to be there.
    pub(super) fn new<E>(path: &Path, read: impl FnOnce(&Path) -> Result<T, E>) -> Result<Self, E> {
        let read = Mutex::new((read(path)?, Instant::now()));
        Ok(Self { path: path.to_owned(), read })
    }

    /// A file that is gone or unreadable leaves what was made of it last.
    pub(super) fn current<E: std::fmt::Display>(&self, read: impl FnOnce(&Path) -> Result<T, E>) -> T {
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if last.1.elapsed() >= READ_AGAIN {
            match read(&self.path) {
                Ok(value) => last.0 = value,
                Err(error) => warn!(%error, "what was read before is used on"),
            }
            last.1 = Instant::now();
        }
        last.0.clone()
    }
}
