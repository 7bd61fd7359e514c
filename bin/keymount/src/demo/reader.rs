//! An application that reads its secret all the time.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Seek as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Reads one file over and over on a thread of its own.
pub(super) struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// What was read, and how often.
#[derive(Default)]
pub(super) struct Seen {
    /// Contents by how often they were read by path.
    pub(super) contents: BTreeMap<String, u64>,
    /// Reads that failed.
    pub(super) failures: u64,
    /// What a descriptor that was opened at the beginning showed at the end.
    pub(super) held_open: String,
}

impl Reader {
    pub(super) fn start(path: PathBuf) -> std::io::Result<Self> {
        let mut held = std::fs::File::open(&path)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                match read(&path) {
                    Ok(content) => *seen.contents.entry(content).or_default() += 1,
                    Err(_) => seen.failures += 1,
                }
            }
            let rewound = held.rewind().and_then(|()| held.read_to_string(&mut seen.held_open));
            if rewound.is_err() {
                seen.failures += 1;
            }
            seen
        });
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// A path walk that began before the switch and ends after the old files are gone finds nothing, as with
/// Kubernetes' own secret volumes; applications open the file again.
fn read(path: &PathBuf) -> std::io::Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => std::fs::read_to_string(path),
        read => read,
    }
}
