//! What is being done, for whoever waits at a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::DIM;

/// Who waits for less is not told.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line on standard error while something takes longer than a second; nothing where that is no terminal.
/// Gone when this is dropped.
pub(crate) struct Progress(Option<tokio::task::JoinHandle<()>>);

impl Progress {
    /// Begins to wait for this.
    pub(crate) fn of(what: impl Into<String>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let what = what.into();
        Self(Some(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(PATIENCE);
            ticks.tick().await;
            for seconds in 1.. {
                ticks.tick().await;
                let mut err = anstream::stderr().lock();
                let _ = write!(err, "\r\x1b[2K{DIM}{what} … {seconds} s{DIM:#}").and_then(|()| err.flush());
            }
        })))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\r\x1b[2K").and_then(|()| err.flush());
        }
    }
}
