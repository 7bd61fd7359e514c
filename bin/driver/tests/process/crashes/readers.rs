//! A container's view of mounted volumes, looked at without pause.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Files of each volume; all hold the number of the generation they belong to.
pub(crate) const FILES: [&str; 4] = ["first", "b", "nested/third", "nested/deeper/last"];

/// One volume that is looked at.
pub(crate) struct Watched {
    target: Mutex<PathBuf>,
    /// Whether it has to be there: after the OK of its publish, before its unpublish.
    must_exist: AtomicBool,
}

impl Watched {
    pub(crate) fn new(target: PathBuf) -> Arc<Self> {
        Arc::new(Self { target: Mutex::new(target), must_exist: AtomicBool::new(false) })
    }

    pub(crate) fn look_at(&self, target: PathBuf) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    pub(crate) fn expect(&self, there: bool) {
        self.must_exist.store(there, Ordering::SeqCst);
    }
}

/// A thread that reads until it is dropped.
pub(crate) struct Readers {
    stop: Arc<AtomicBool>,
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    whole: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Readers {
    pub(crate) fn start(volumes: Vec<Arc<Watched>>) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Seen::default()));
        let (stopped, told) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                for volume in &volumes {
                    look(volume, &told);
                    std::thread::yield_now();
                }
            }
        });
        Self { stop, seen, thread: Some(thread) }
    }

    /// Generations that were read whole.
    pub(crate) fn whole(&self) -> usize {
        self.seen.whole.load(Ordering::SeqCst)
    }

    /// What no container may ever see.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.seen.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn look(volume: &Watched, seen: &Seen) {
    let target = volume.target.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let expected = volume.must_exist.load(Ordering::SeqCst);
    let found = generation(&target);
    // Only what had to be there before and after counts.
    let expected = expected
        && volume.must_exist.load(Ordering::SeqCst)
        && *volume.target.lock().unwrap_or_else(PoisonError::into_inner) == target;
    let wrong = match found {
        Generation::Whole => {
            seen.whole.fetch_add(1, Ordering::SeqCst);
            return;
        }
        Generation::Replaced => return,
        Generation::Absent if !expected => return,
        Generation::Absent => "nothing there".to_owned(),
        Generation::Mixed(what) => what,
        Generation::Partial(_) if !expected => return,
        Generation::Partial(what) => what,
    };
    let mut all = seen.wrong.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() < 10 {
        all.push(format!("{}: {wrong}", target.display()));
    }
}

enum Generation {
    Whole,
    /// There is none.
    Absent,
    /// Another one was shown at the end than at the beginning.
    Replaced,
    /// Files of one generation that do not belong together.
    Mixed(String),
    /// Files are missing in the generation that is shown.
    Partial(String),
}

/// Reads a volume as programs do that read by name: `..data` once at the beginning, once at the end.
fn generation(target: &Path) -> Generation {
    let Ok(shown) = std::fs::read_link(target.join("..data")) else { return Generation::Absent };
    let texts = FILES.map(|name| {
        let by_name = std::fs::read_to_string(target.join(name)).ok();
        let in_generation = std::fs::read_to_string(target.join(&shown).join(name)).ok();
        (by_name, in_generation)
    });
    let numbers: Vec<&String> = texts.iter().filter_map(|(_, text)| text.as_ref()).collect();
    if numbers.windows(2).any(|pair| pair[0] != pair[1]) || numbers.iter().any(|text| text.is_empty()) {
        return Generation::Mixed(format!("{} holds {texts:?}", shown.display()));
    }
    let still = std::fs::read_link(target.join("..data"));
    if still.map(|link| link.as_os_str().as_bytes() != shown.as_os_str().as_bytes()).unwrap_or(true) {
        return Generation::Replaced;
    }
    if texts.iter().any(|(by_name, in_generation)| by_name.is_none() || by_name != in_generation) {
        return Generation::Partial(format!("{} shows {texts:?}", shown.display()));
    }
    Generation::Whole
}
