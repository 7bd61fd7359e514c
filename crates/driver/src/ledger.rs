//! The volume ledger: which volumes this node has, and which operation runs on each.
//!
//! An operation belongs to the ledger, not to the request that asked for it: kubelet's cancellation
//! drops the request's future, and work inside it would stop at any await, half done. So operations are
//! tasks, and requests wait for their outcome. Per target path one operation runs at a time:
//!
//! | running \ asked | publish | unpublish | rotation |
//! |---|---|---|---|
//! | publish | the same request waits for the same outcome, another one is refused | cancels it, then runs | skipped |
//! | rotation | nothing to do if the volume is there; if it is not, cancels it, then runs | cancels it, then runs | skipped |
//! | unpublish | waits for its end, then runs | waits for the same outcome | skipped |

mod pods;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::Reservation;
use crate::error::{PublishError, UnpublishError};
use crate::request::PublishRequest;
use crate::volume::Volume;
use pods::PathsOfPods;

/// How a publish ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// The volume is new.
    Mounted,
    /// It was mounted already.
    Unchanged,
}

/// Outcomes are shared by all requests that wait for them.
pub(crate) type PublishOutcome = Result<Published, Arc<PublishError>>;
/// Outcomes are shared by all requests that wait for them.
pub(crate) type UnpublishOutcome = Result<(), Arc<UnpublishError>>;

/// All volumes of this node and the operations on them.
pub(crate) struct Ledger {
    targets: Mutex<Targets>,
    operations: TaskTracker,
    closing: CancellationToken,
}

/// What is known of all target paths.
#[derive(Default)]
struct Targets {
    known: HashMap<PathBuf, Target>,
    of_pods: PathsOfPods,
}

impl Targets {
    /// Takes a volume out.
    fn take_volume(&mut self, path: &Path) -> Option<Volume> {
        let volume = self.known.get_mut(path)?.volume.take()?;
        self.of_pods.remove(&volume.pod.uid, path);
        Some(volume)
    }
}

/// What is known of one target path.
#[derive(Default)]
struct Target {
    volume: Option<Volume>,
    /// Memory of a volume that was found mounted and of which nothing else is known yet.
    unknown: Option<Reservation>,
    running: Option<Running>,
}

/// The operation that runs on a target.
struct Running {
    operation: Operation,
    cancel: CancellationToken,
    /// Closed when the operation has ended, whatever way.
    ended: watch::Receiver<()>,
}

enum Operation {
    Publish { request: Arc<PublishRequest>, outcome: watch::Receiver<Option<PublishOutcome>> },
    Unpublish { outcome: watch::Receiver<Option<UnpublishOutcome>> },
    Rotate,
}

/// What to do next about a request.
enum Next<T> {
    Await(watch::Receiver<Option<T>>),
    /// Another operation has to end first.
    After(watch::Receiver<()>),
    /// A rotation runs, which is cancelled and waited for only if its volume is gone.
    Beside(CancellationToken, watch::Receiver<()>),
    Now(T),
}

impl Ledger {
    /// An empty ledger; nothing starts any more once `closing` is cancelled, and running publishes and
    /// rotations are cancelled with it.
    #[must_use]
    pub(crate) fn new(closing: CancellationToken) -> Self {
        Self { targets: Mutex::default(), operations: TaskTracker::new(), closing }
    }

    /// Publishes: starts `work`, or joins the operation that does the same already. `work` is given the
    /// token that cancels it. `is_there` says whether the volume is mounted, without waiting for anybody.
    ///
    /// # Errors
    /// What `work` ended with, or that nothing can be started.
    pub(crate) async fn publish<F, L>(
        self: &Arc<Self>,
        request: Arc<PublishRequest>,
        work: impl Fn(Arc<PublishRequest>, CancellationToken) -> F,
        is_there: impl Fn(Arc<PublishRequest>) -> L,
    ) -> PublishOutcome
    where
        F: Future<Output = Result<Published, PublishError>> + Send + 'static,
        L: Future<Output = bool>,
    {
        loop {
            match self.next_publish(&request, &work) {
                Next::Now(outcome) => return outcome,
                Next::Await(outcome) => {
                    return ended(outcome).await.unwrap_or_else(|| Err(Arc::new(PublishError::Panicked)));
                }
                Next::After(end) => await_end(end).await,
                Next::Beside(_, _) if is_there(Arc::clone(&request)).await => {
                    return Ok(Published::Unchanged);
                }
                Next::Beside(rotation, end) => {
                    rotation.cancel();
                    await_end(end).await;
                }
            }
        }
    }

    fn next_publish<F>(
        self: &Arc<Self>,
        request: &Arc<PublishRequest>,
        work: &impl Fn(Arc<PublishRequest>, CancellationToken) -> F,
    ) -> Next<PublishOutcome>
    where
        F: Future<Output = Result<Published, PublishError>> + Send + 'static,
    {
        let mut targets = self.lock();
        if self.closing.is_cancelled() {
            return Next::Now(Err(Arc::new(PublishError::ShuttingDown)));
        }
        let target = targets.known.entry(request.target.clone()).or_default();
        match &target.running {
            Some(Running { operation: Operation::Publish { request: running, outcome }, .. }) => {
                if running.asks_for_the_same(request) {
                    Next::Await(outcome.clone())
                } else {
                    Next::Now(Err(Arc::new(PublishError::Busy(request.target.clone()))))
                }
            }
            Some(Running { operation: Operation::Rotate, cancel, ended }) => {
                Next::Beside(cancel.clone(), ended.clone())
            }
            Some(Running { operation: Operation::Unpublish { .. }, ended, .. }) => Next::After(ended.clone()),
            None => {
                let cancel = self.closing.child_token();
                let (sender, outcome) = watch::channel(None);
                let work = work(Arc::clone(request), cancel.clone());
                let operation = Operation::Publish { request: Arc::clone(request), outcome: outcome.clone() };
                self.start(&request.target, target, operation, cancel, async move {
                    sender.send_replace(Some(work.await.map_err(Arc::new)));
                });
                Next::Await(outcome)
            }
        }
    }

    /// Unpublishes: cancels what runs on the target, then starts `work`, or joins the unpublish that
    /// runs already. `work` has the volume [forgotten](Self::forget) when it has gone.
    ///
    /// # Errors
    /// What `work` ended with.
    pub(crate) async fn unpublish<F>(self: &Arc<Self>, path: &Path, work: impl Fn() -> F) -> UnpublishOutcome
    where
        F: Future<Output = Result<(), UnpublishError>> + Send + 'static,
    {
        loop {
            match self.next_unpublish(path, &work) {
                Next::Now(outcome) => return outcome,
                Next::Await(outcome) => {
                    return ended(outcome).await.unwrap_or_else(|| Err(Arc::new(UnpublishError::Panicked)));
                }
                Next::After(end) | Next::Beside(_, end) => await_end(end).await,
            }
        }
    }

    fn next_unpublish<F>(self: &Arc<Self>, path: &Path, work: &impl Fn() -> F) -> Next<UnpublishOutcome>
    where
        F: Future<Output = Result<(), UnpublishError>> + Send + 'static,
    {
        let mut targets = self.lock();
        let target = targets.known.entry(path.to_owned()).or_default();
        match &target.running {
            Some(Running { operation: Operation::Unpublish { outcome }, .. }) => Next::Await(outcome.clone()),
            Some(Running { cancel, ended, .. }) => {
                cancel.cancel();
                Next::After(ended.clone())
            }
            None => {
                let (sender, outcome) = watch::channel(None);
                let work = work();
                let operation = Operation::Unpublish { outcome: outcome.clone() };
                self.start(path, target, operation, CancellationToken::new(), async move {
                    sender.send_replace(Some(work.await.map_err(Arc::new)));
                });
                Next::Await(outcome)
            }
        }
    }

    /// Starts `work` on a mounted volume on which nothing runs. Says whether it did.
    pub(crate) fn rotate<F>(self: &Arc<Self>, path: &Path, work: impl FnOnce(CancellationToken) -> F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut targets = self.lock();
        let Some(target) = targets.known.get_mut(path).filter(|t| t.volume.is_some() && t.running.is_none())
        else {
            return false;
        };
        if self.closing.is_cancelled() {
            return false;
        }
        let cancel = self.closing.child_token();
        let work = work(cancel.clone());
        self.start(path, target, Operation::Rotate, cancel, work);
        true
    }

    fn start(
        self: &Arc<Self>,
        path: &Path,
        target: &mut Target,
        operation: Operation,
        cancel: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let (sender, ended) = watch::channel(());
        target.running = Some(Running { operation, cancel, ended });
        // Ends with the task, also with one that panics.
        let end = End { ledger: Arc::clone(self), path: path.to_owned(), _ended: sender };
        self.operations.spawn(async move {
            let _end = end;
            work.await;
        });
    }

    /// Puts a mounted volume into the ledger, or another state of it.
    pub(crate) fn record(&self, path: &Path, volume: Volume) {
        let mut targets = self.lock();
        drop(targets.take_volume(path));
        targets.of_pods.insert(&volume.pod.uid, path);
        let target = targets.known.entry(path.to_owned()).or_default();
        target.unknown = None;
        target.volume = Some(volume);
    }

    /// Remembers that a volume is mounted whose pod is not known yet.
    pub(crate) fn found(&self, path: &Path, memory: Reservation) {
        self.lock().known.entry(path.to_owned()).or_default().unknown = Some(memory);
    }

    /// Whether a volume was found mounted and nothing more is known of it.
    #[must_use]
    pub(crate) fn is_unknown(&self, path: &Path) -> bool {
        self.lock().known.get(path).is_some_and(|target| target.unknown.is_some())
    }

    /// Number of volumes that were found mounted and of which nothing more is known.
    #[must_use]
    pub(crate) fn unknown(&self) -> usize {
        self.lock().known.values().filter(|target| target.unknown.is_some()).count()
    }

    /// Looks at a volume, or changes it. None if the ledger has none there.
    pub(crate) fn with<T>(&self, path: &Path, look: impl FnOnce(&mut Volume) -> T) -> Option<T> {
        self.lock().known.get_mut(path)?.volume.as_mut().map(look)
    }

    /// Looks at every volume in turn, or changes it. `look` must be quick: everything else waits.
    pub(crate) fn for_each(&self, mut look: impl FnMut(&Path, &mut Volume)) {
        for (path, target) in &mut self.lock().known {
            if let Some(volume) = &mut target.volume {
                look(path, volume);
            }
        }
    }

    /// Looks at every volume of one pod, by the order of their paths.
    pub(crate) fn for_each_of_pod(&self, uid: &str, mut look: impl FnMut(&Path, &Volume)) {
        let targets = self.lock();
        for path in targets.of_pods.of(uid) {
            if let Some(volume) = targets.known.get(path).and_then(|target| target.volume.as_ref()) {
                look(path, volume);
            }
        }
    }

    /// Returns when no operation runs. Starts none; `closing` should be cancelled before.
    pub(crate) async fn drained(&self) {
        self.operations.close();
        self.operations.wait().await;
    }

    /// Takes a volume out, and gives it: dropped by the caller, it holds no lock while its class goes.
    pub(crate) fn forget(&self, path: &Path) -> Option<Volume> {
        let mut targets = self.lock();
        targets.known.get_mut(path)?.unknown = None;
        targets.take_volume(path)
    }

    fn lock(&self) -> MutexGuard<'_, Targets> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the operation as ended when it is dropped.
struct End {
    ledger: Arc<Ledger>,
    path: PathBuf,
    _ended: watch::Sender<()>,
}

impl Drop for End {
    fn drop(&mut self) {
        let mut targets = self.ledger.lock();
        if let Entry::Occupied(mut entry) = targets.known.entry(std::mem::take(&mut self.path)) {
            entry.get_mut().running = None;
            if entry.get().volume.is_none() && entry.get().unknown.is_none() {
                entry.remove();
            }
        }
    }
}

/// The outcome of an operation; none if it panicked.
async fn ended<T: Clone>(mut outcome: watch::Receiver<Option<T>>) -> Option<T> {
    outcome.wait_for(Option::is_some).await.ok()?.clone()
}

async fn await_end(mut end: watch::Receiver<()>) {
    // Nothing is ever sent: an error says that the sender is gone, which is the event.
    while end.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests;
