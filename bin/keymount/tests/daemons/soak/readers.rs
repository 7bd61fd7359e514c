//! A container's view of mounted volumes, looked at again and again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Files of each volume: the first is made of the two after it, all from one answer of the vault.
const FILES: [&str; 4] = ["tls/site", "tls/site.crt", "tls/site.key", "number"];

/// Pause between two volumes, so that others have a processor, too.
const PAUSE: Duration = Duration::from_millis(1);

/// One volume that is looked at.
#[derive(Default)]
pub(crate) struct Watched(Mutex<View>);

#[derive(Clone, Default, PartialEq, Eq)]
struct View {
    target: PathBuf,
    /// Whether it has to be there: after the OK of its publish, before its unpublish.
    expected: bool,
    /// Newest number that was read in it.
    number: u64,
}

impl Watched {
    fn view(&self) -> MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another volume from now on, which may be there or not.
    pub(crate) fn look_at(&self, target: PathBuf) {
        *self.view() = View { target, ..View::default() };
    }

    pub(crate) fn expect(&self, there: bool) {
        self.view().expected = there;
    }

    /// Newest number that was read, if it has to be there.
    pub(crate) fn number(&self) -> Option<u64> {
        let view = self.view();
        view.expected.then_some(view.number)
    }
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// Generations that were read whole.
    pub(crate) whole: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

impl Seen {
    /// Notes what may never be seen.
    pub(crate) fn wrong(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() < 20 {
            wrong.push(what);
        }
    }

    /// What may never be seen and was.
    pub(crate) fn all_wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A thread that reads until it is dropped.
pub(crate) struct Readers {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(volumes: Vec<Arc<Watched>>, seen: &Arc<Seen>) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::clone(seen));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                for volume in &volumes {
                    look(volume, &seen);
                    #[allow(clippy::disallowed_methods, reason = "the pace of a reader, not a wait")]
                    std::thread::sleep(PAUSE);
                }
            }
        });
        Self { stop, thread: Some(thread) }
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
    let before = volume.view().clone();
    let found = read(&before.target);
    let mut after = volume.view();
    // Only what had to be there before and after counts.
    let expected = before.expected && after.expected && before.target == after.target;
    let wrong = match found {
        Found::Whole(number) => {
            seen.whole.fetch_add(1, Ordering::SeqCst);
            if before.target != after.target || number >= before.number {
                if before.target == after.target {
                    after.number = after.number.max(number);
                }
                return;
            }
            format!("number {number} after {}", before.number)
        }
        Found::Replaced => return,
        Found::Mixed(what) => what,
        Found::Absent(_) if !expected => return,
        Found::Absent(what) => what,
    };
    drop(after);
    seen.wrong(format!("{}: {wrong}", before.target.display()));
}

/// What one look finds.
pub(crate) enum Found {
    /// One generation, with this number.
    Whole(u64),
    /// Another one was shown at the end than at the beginning.
    Replaced,
    /// There is none, or files of it are missing.
    Absent(String),
    /// Files that do not belong together.
    Mixed(String),
}

/// Reads a volume as programs do that read by name: `..data` once at the beginning, once at the end.
pub(crate) fn read(target: &Path) -> Found {
    let Ok(shown) = std::fs::read_link(target.join("..data")) else {
        return Found::Absent("nothing there".to_owned());
    };
    let text = |path: PathBuf| std::fs::read_to_string(path).ok();
    let by_name = FILES.map(|name| text(target.join(name)));
    let in_generation = FILES.map(|name| text(target.join(&shown).join(name)));
    let lengths = || in_generation.each_ref().map(|text| text.as_ref().map(String::len));
    if let [Some(all), Some(certificate), Some(key), _] = &in_generation
        && !(all.contains(certificate.trim()) && all.contains(key.trim()) && certificate.len() > 100)
    {
        return Found::Mixed(format!("{} holds parts of two, lengths {:?}", shown.display(), lengths()));
    }
    if std::fs::read_link(target.join("..data")).ok().as_deref() != Some(&*shown) {
        return Found::Replaced;
    }
    if in_generation.iter().any(Option::is_none) {
        return Found::Absent(format!("{} is not whole, lengths {:?}", shown.display(), lengths()));
    }
    if by_name != in_generation {
        return Found::Mixed(format!("names show other files than {}", shown.display()));
    }
    match in_generation[3].as_deref().unwrap_or_default().parse() {
        Ok(number) => Found::Whole(number),
        Err(_) => Found::Mixed(format!("{}: half a number", shown.display())),
    }
}
