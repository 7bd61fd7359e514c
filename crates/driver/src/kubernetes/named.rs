//! One object, read by name when it is first needed and kept fresh by a watch on that name.
//!
//! Never a list: a node's load on the API server depends on what the node uses, not on how much the
//! cluster holds, and the right to read one object is enough.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, pin_mut};
use kube::api::{Api, WatchEvent, WatchParams};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

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

impl<K> Named<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// Starts reading. `changed` is called with each new state of the object, none meaning that it was
    /// deleted; not for the first reading.
    pub(crate) fn start(
        api: Api<K>,
        name: String,
        changed: impl Fn(Option<&K>) + Send + Sync + 'static,
    ) -> Self {
        let (sender, known) = watch::channel(Known { readings: 0, outcome: None });
        let again = Arc::new(Notify::new());
        let stop = CancellationToken::new();
        let reader =
            Reader { api, name, known: sender, again: Arc::clone(&again), changed: Box::new(changed) };
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(reader.run()).await });
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
            _ => Err(NamedError::TimedOut),
        }
    }

    /// What is known now, without asking anybody; none before the first reading.
    #[must_use]
    pub(crate) fn known(&self) -> Option<Result<Arc<K>, NamedError>> {
        self.known.borrow().outcome.clone()
    }
}

/// Told of each new state of the object; none: it was deleted.
type Changed<K> = Box<dyn Fn(Option<&K>) + Send + Sync>;

/// The task behind a [`Named`].
struct Reader<K> {
    api: Api<K>,
    name: String,
    known: watch::Sender<Known<K>>,
    again: Arc<Notify>,
    changed: Changed<K>,
}

/// Why a watch ended.
enum WatchEnd {
    /// In the ordinary way; it goes on from this resource version.
    Resume(String),
    /// The object has to be read again.
    ReadAgain,
    /// The object is gone.
    Deleted,
}

impl<K> Reader<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.read().await {
                Ok(mut version) => {
                    let began = Instant::now();
                    let end = loop {
                        match self.watch(&version).await {
                            WatchEnd::Resume(newer) => version = newer,
                            end => break end,
                        }
                    };
                    if began.elapsed() > LONGEST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                    if matches!(end, WatchEnd::Deleted) {
                        let gone = NamedError::NotFound(not_found::<K>(&self.name));
                        self.learn(Err(gone));
                        (self.changed)(None);
                    }
                }
                Err(error) => {
                    tracing::debug!(name = self.name, err = %error, "cannot read object");
                    // What was read before stays in use while the API server is away.
                    let keep = matches!(error, NamedError::Unreachable(_) | NamedError::TimedOut)
                        && matches!(self.known.borrow().outcome, Some(Ok(_)));
                    if !keep {
                        self.learn(Err(error));
                    }
                }
            }
            tokio::select! {
                () = self.again.notified() => {}
                () = tokio::time::sleep(pause.mul_f64(0.75 + crate::random::fraction() / 2.0)) => {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Reads the object and gives its resource version.
    async fn read(&self) -> Result<String, NamedError> {
        let object = match tokio::time::timeout(READ_TIMEOUT, self.api.get(&self.name)).await {
            Ok(object) => object.map_err(|error| explain::<K>(&error, &self.name))?,
            Err(_) => return Err(NamedError::TimedOut),
        };
        let version = object.resource_version().unwrap_or_default();
        let before = self.known();
        self.learn(Ok(Arc::new(object)));
        // A change that was missed while the watch was down is a change all the same.
        if before.is_some_and(|old| old.resource_version().as_deref() != Some(&version))
            && let Some(now) = self.known()
        {
            (self.changed)(Some(&now));
        }
        Ok(version)
    }

    async fn watch(&self, version: &str) -> WatchEnd {
        let seconds = WATCH_SECONDS - u32::from(crate::random::fraction() < 0.5) * 60;
        let parameters =
            WatchParams::default().fields(&format!("metadata.name={}", self.name)).timeout(seconds);
        let patience = Duration::from_secs(seconds.into()) + WATCH_GRACE;
        let Ok(Ok(events)) = tokio::time::timeout(READ_TIMEOUT, self.api.watch(&parameters, version)).await
        else {
            return WatchEnd::ReadAgain;
        };
        pin_mut!(events);
        let mut version = version.to_owned();
        let closes = Instant::now() + patience;
        loop {
            match timeout_at(closes, events.next()).await {
                Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
                    version = object.resource_version().unwrap_or(version);
                    (self.changed)(Some(&object));
                    self.learn(Ok(Arc::new(object)));
                }
                Ok(Some(Ok(WatchEvent::Bookmark(bookmark)))) => {
                    version = bookmark.metadata.resource_version;
                }
                Ok(Some(Ok(WatchEvent::Deleted(_)))) => return WatchEnd::Deleted,
                Ok(None) => return WatchEnd::Resume(version),
                // 410 Gone among them: the version is too old.
                Ok(Some(Ok(WatchEvent::Error(_)) | Err(_))) | Err(_) => return WatchEnd::ReadAgain,
            }
        }
    }

    fn known(&self) -> Option<Arc<K>> {
        self.known.borrow().outcome.clone()?.ok()
    }

    fn learn(&self, outcome: Result<Arc<K>, NamedError>) {
        self.known.send_modify(|known| {
            known.readings += 1;
            known.outcome = Some(outcome);
        });
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
            NamedError::Unreachable(status.message.clone())
        }
        kube::Error::Api(status) => NamedError::Refused(status.message.clone()),
        other => NamedError::Unreachable(whole_story(other)),
    }
}

/// The error with its causes on one line.
fn whole_story(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
