//! The directory of registration sockets, watched.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Kubelet, Registration};

/// Watches the registry; ends when it is dropped. Drivers stay registered.
#[derive(Debug)]
pub struct Watching(JoinHandle<()>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What tells a socket from one that was made later under the same name.
type Identity = (u64, u64, i64, i64);

/// What has become of a socket.
enum State {
    Registered(Registration),
    /// Not tried again before it is made anew.
    GivenUp,
    Retry {
        failures: u32,
        due: Instant,
    },
}

struct Socket {
    identity: Identity,
    state: State,
}

impl Kubelet {
    /// Registers every driver whose socket is in the registry or comes into it, and forgets it when the
    /// socket goes.
    ///
    /// # Errors
    /// If the directory cannot be watched.
    pub fn watch_registry(&self) -> io::Result<Watching> {
        let events = Events::of(&self.registry_dir())?;
        let kubelet = self.clone();
        Ok(Watching(tokio::spawn(async move { kubelet.follow_registry(events).await })))
    }

    async fn follow_registry(self, events: Events) {
        let mut sockets: BTreeMap<PathBuf, Socket> = BTreeMap::new();
        loop {
            let found = sockets_in(&self.registry_dir());
            let gone = sockets.extract_if(.., |path, socket| found.get(path) != Some(&socket.identity));
            let gone: Vec<Socket> = gone.map(|(_, socket)| socket).collect();
            for socket in gone {
                if let State::Registered(registration) = socket.state {
                    self.deregister(&registration.driver.name).await;
                }
            }
            for (path, identity) in found {
                let failures = match sockets.get(&path).map(|socket| &socket.state) {
                    None => 0,
                    Some(State::Retry { failures, due }) if *due <= Instant::now() => *failures,
                    Some(_) => continue,
                };
                let state = match self.register(&path).await {
                    Ok(registration) => State::Registered(registration),
                    Err(error) if error.is_retried() => {
                        let failures = failures + 1;
                        State::Retry {
                            failures,
                            due: Instant::now() + self.options().backoff.pause(failures),
                        }
                    }
                    Err(_) => State::GivenUp,
                };
                sockets.insert(path, Socket { identity, state });
            }
            let due = sockets.values().filter_map(|socket| match socket.state {
                State::Retry { due, .. } => Some(due),
                _ => None,
            });
            match due.min() {
                Some(due) => {
                    let _ = tokio::time::timeout_at(due, events.wait()).await;
                }
                None => events.wait().await,
            }
        }
    }
}

/// The sockets in a directory; names that begin with a dot are not looked at.
fn sockets_in(directory: &Path) -> BTreeMap<PathBuf, Identity> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sockets = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let identity = (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec());
        (metadata.file_type().is_socket() && !hidden).then(|| (entry.path(), identity))
    });
    sockets.collect()
}

/// Changes of a directory.
struct Events(AsyncFd<OwnedFd>);

impl Events {
    #[allow(
        deprecated,
        reason = "its successor is unsafe; this descriptor is owned by the AsyncFd and nobody else"
    )]
    fn of(directory: &Path) -> io::Result<Self> {
        let fd = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        let what = inotify::WatchFlags::CREATE
            | inotify::WatchFlags::DELETE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::MOVED_FROM;
        inotify::add_watch(&fd, directory, what)?;
        Ok(Self(AsyncFd::new(fd)?))
    }

    /// Waits for a change, and takes all there are.
    async fn wait(&self) {
        let Ok(mut ready) = self.0.readable().await else { return };
        let mut buffer = [0_u8; 4096];
        while rustix::io::read(self.0.get_ref(), &mut buffer).is_ok_and(|read| read > 0) {}
        ready.clear_ready();
    }
}
