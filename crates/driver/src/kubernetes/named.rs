//! One object, read by name when it is first needed and kept fresh by a watch on that name.
//!
//! Never a list: a node's load on the API server depends on what the node uses, not on how much the
//! cluster holds, and the right to read one object is enough.
//!
//! The watch does not go on from the version that was read: an object that has not changed for days has a
//! version that no server can go back to, and each such watch would end in 410 at once. It begins with
//! whatever state the server has at hand, which is told as the first event.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, pin_mut};
use keymount_clock::jitter;
use kube::api::{Api, WatchEvent, WatchParams};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{api_error, is_object_name};

/// An object that is kept fresh until this is dropped.
pub(crate) struct Named<K> {
    known: watch::Receiver<Known<K>>,
    again: Arc<Notify>,
    _stop: DropGuard,
}

/// Why there is no such object to be had. Display is the API server's own text with a hint.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum NamedError {
    /// There is none of that name.
    #[error("{0}")]
    NotFound(String),
    /// The API server refused.
    #[error("{0}")]
    Refused(String),
    /// The API server could not be reached.
    #[error("{0} (the Kubernetes API cannot be reached from this node; kubelet retries)")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("context deadline exceeded (the Kubernetes API did not answer in time; kubelet retries)")]
    TimedOut,
    /// The caller does not want it any more.
    #[error("context canceled")]
    Cancelled,
}

/// What is known, and after how many readings.
struct Known<K> {
    readings: u64,
    outcome: Option<Result<Arc<K>, NamedError>>,
}

/// Pause after a failure, doubled with each, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long one reading may take, the opening of a watch included.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the server keeps one watch open, and how long this side waits beyond that.
const WATCH_SECONDS: u32 = 285;
const WATCH_GRACE: Duration = Duration::from_secs(20);

/// How long a new watch may take to tell of the object. Where it says nothing the object may have been
/// deleted between reading and watching.
const FIRST_EVENT: Duration = Duration::from_secs(10);

/// A watch that ends sooner than this is followed by a pause.
const SHORT_WATCH: Duration = Duration::from_secs(5);

impl<K> Named<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// Starts reading. `changed` is called after each new state of the object has become known, the
    /// first one and its deletion included.
    pub(crate) fn start(api: Api<K>, name: String, changed: impl Fn() + Send + Sync + 'static) -> Self {
        let outcome = (!is_object_name(&name)).then(|| Err(NamedError::NotFound(not_found::<K>(&name))));
        let exists_nowhere = outcome.is_some();
        let (sender, known) = watch::channel(Known { readings: 0, outcome });
        let again = Arc::new(Notify::new());
        let stop = CancellationToken::new();
        if !exists_nowhere {
            let reader =
                Reader { api, name, known: sender, again: Arc::clone(&again), changed: Box::new(changed) };
            let stopped = stop.clone();
            tokio::spawn(async move { stopped.run_until_cancelled(reader.run()).await });
        }
        Self { known, again, _stop: stop.drop_guard() }
    }

    /// The object. Where the last reading failed it is read again first; where the watch is broken the
    /// last known state is given, so that a mount does not depend on the API server for a class that
    /// this node uses already.
    ///
    /// # Errors
    /// [`NamedError`].
    pub(crate) async fn get(&self, deadline: Instant) -> Result<Arc<K>, NamedError> {
        let mut known = self.known.clone();
        let seen = {
            let now = known.borrow();
            if let Some(Ok(object)) = &now.outcome {
                return Ok(Arc::clone(object));
            }
            now.readings
        };
        self.again.notify_one();
        let fresh = known.wait_for(|now| matches!(now.outcome, Some(Ok(_))) || now.readings > seen);
        match timeout_at(deadline, fresh).await {
            Ok(Ok(now)) => now.outcome.clone().unwrap_or(Err(NamedError::TimedOut)),
            // Nobody reads an object whose name no object can have.
            Ok(Err(_)) => self.known().unwrap_or(Err(NamedError::TimedOut)),
            Err(_) => Err(NamedError::TimedOut),
        }
    }

    /// What is known now, without asking anybody; none before the first reading.
    #[must_use]
    pub(crate) fn known(&self) -> Option<Result<Arc<K>, NamedError>> {
        self.known.borrow().outcome.clone()
    }
}

/// The task behind a [`Named`].
struct Reader<K> {
    api: Api<K>,
    name: String,
    known: watch::Sender<Known<K>>,
    again: Arc<Notify>,
    changed: Box<dyn Fn() + Send + Sync>,
}

impl<K> Reader<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            match self.read().await {
                Ok(object) => {
                    self.learn(Ok(object));
                    self.follow().await;
                    if began.elapsed() > LONGEST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                }
                Err(error) => {
                    // What was read before stays in use until the object is known to be gone.
                    if matches!(error, NamedError::NotFound(_)) || self.object().is_none() {
                        self.learn(Err(error));
                    } else {
                        tracing::warn!(name = self.name, kind = %K::kind(&()), err = %error, "cannot read object, going on with its last known state");
                    }
                }
            }
            tokio::select! {
                () = self.again.notified() => {}
                () = tokio::time::sleep(pause.mul_f64(0.75 + jitter::fraction() / 2.0)) => {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn read(&self) -> Result<K, NamedError> {
        match tokio::time::timeout(READ_TIMEOUT, self.api.get(&self.name)).await {
            Ok(object) => object.map_err(|error| explain::<K>(&error, &self.name)),
            Err(_) => Err(NamedError::TimedOut),
        }
    }

    /// Watches the object, one watch after the other, until it has to be read again.
    async fn follow(&self) {
        loop {
            let began = Instant::now();
            if self.watch().await.is_none() || began.elapsed() < SHORT_WATCH {
                return;
            }
        }
    }

    /// One watch, from whatever state the server has at hand. Gives none if the object has to be read
    /// again, because it is gone or the watch did not end in the ordinary way.
    async fn watch(&self) -> Option<()> {
        let seconds = WATCH_SECONDS - u32::from(jitter::fraction() < 0.5) * 60;
        let parameters =
            WatchParams::default().fields(&format!("metadata.name={}", self.name)).timeout(seconds);
        let open = tokio::time::timeout(READ_TIMEOUT, self.api.watch(&parameters, "0"));
        let events = open.await.ok()?.ok()?;
        pin_mut!(events);
        let closes = Instant::now() + Duration::from_secs(seconds.into()) + WATCH_GRACE;
        let mut patience = Instant::now() + FIRST_EVENT;
        loop {
            match timeout_at(patience, events.next()).await {
                Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
                    patience = closes;
                    if !self.is_outdated(&object) {
                        self.learn(Ok(object));
                    }
                }
                Ok(Some(Ok(WatchEvent::Bookmark(_)))) => {}
                Ok(Some(Ok(WatchEvent::Deleted(last)))) => {
                    if !self.is_outdated(&last) {
                        self.learn(Err(NamedError::NotFound(not_found::<K>(&self.name))));
                        return None;
                    }
                }
                Ok(None) => return Some(()),
                Ok(Some(Ok(WatchEvent::Error(_)) | Err(_))) | Err(_) => return None,
            }
        }
    }

    fn object(&self) -> Option<Arc<K>> {
        self.known.borrow().outcome.clone()?.ok()
    }

    /// Whether the state is older than the one that is known: a server may begin a watch with what its
    /// cache had a moment ago.
    fn is_outdated(&self, object: &K) -> bool {
        let number = |object: &K| object.meta().resource_version.as_deref()?.parse::<u64>().ok();
        let known = self.object();
        matches!((number(object), known.as_deref().and_then(number)), (Some(new), Some(known)) if new < known)
    }

    fn learn(&self, outcome: Result<K, NamedError>) {
        let version = |known: &Known<K>| {
            known.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok()?.resource_version())
        };
        let mut news = false;
        self.known.send_modify(|known| {
            let before = version(known);
            known.readings += 1;
            known.outcome = Some(outcome.map(Arc::new));
            news = version(known) != before;
        });
        if news {
            (self.changed)();
        }
    }
}

/// The text of the Go driver's cache, which names the kind.
fn not_found<K: Resource<DynamicType = ()>>(name: &str) -> String {
    format!("{}.{} {name:?} not found", K::kind(&()), K::group(&()))
}

fn explain<K: Resource<DynamicType = ()>>(error: &kube::Error, name: &str) -> NamedError {
    match error {
        // The object, not its kind: that answer has no details.
        kube::Error::Api(status) if status.code == 404 && status.reason == "NotFound" => {
            if status.details.as_ref().is_some_and(|details| details.name == name) {
                NamedError::NotFound(not_found::<K>(name))
            } else {
                NamedError::Refused(format!(
                    "{} (the CustomResourceDefinition of {} is not installed)",
                    status.message,
                    K::kind(&())
                ))
            }
        }
        kube::Error::Api(status) if (500..600).contains(&status.code) || status.code == 429 => {
            NamedError::Unreachable(api_error(error))
        }
        kube::Error::Api(_) => NamedError::Refused(api_error(error)),
        _ => NamedError::Unreachable(api_error(error)),
    }
}
