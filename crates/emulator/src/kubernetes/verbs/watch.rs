//! Watches: a position in the change log, and what is sent from there on.
//!
//! A watch holds no queue of its own. It remembers the revision up to which it has sent, and fails
//! with 410 when the log no longer reaches back to it, as a slow watch of an API server does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Answer, present};
use crate::kubernetes::request::Request;
use crate::kubernetes::resource::ResourceType;
use crate::kubernetes::selector::Selector;
use crate::kubernetes::status::{Cause, Failure};
use crate::kubernetes::store::{Change, Store};

/// How long a watch lives that does not say.
const DEFAULT_LIFE: Duration = Duration::from_secs(30 * 60);

/// The last bookmark comes this long before the end.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// How a test ends all watches at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEnd {
    /// The stream ends, as at a restart of the API server.
    Closed,
    /// The stream ends with a 410 `Expired` event.
    Expired,
}

/// A watch under way.
#[derive(Debug)]
pub(crate) struct Watch {
    resource: Arc<ResourceType>,
    version: String,
    namespace: String,
    selector: Selector,
    /// Everything up to this revision has been sent.
    position: u64,
    /// The revision of the last bookmark, or of the beginning.
    marked: u64,
    bookmarks: bool,
    /// Events that come before any change.
    first: Vec<Value>,
    /// When the stream ends.
    pub(crate) deadline: Instant,
    /// When the next bookmark is due.
    next_bookmark: Instant,
    bookmark_interval: Duration,
    /// Warnings for the header of the answer.
    pub(crate) warnings: Vec<String>,
}

/// Begins a watch.
pub(super) fn start(store: &Store, request: &Request) -> Result<Answer, Failure> {
    let selector = super::read::selector(request)?;
    if request.query.has("sendInitialEvents") {
        let why = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        return Err(Failure::invalid_options("ListOptions", Cause::forbidden("sendInitialEvents", why)));
    }
    let life = match request.query.get("timeoutSeconds") {
        "" | "0" => DEFAULT_LIFE,
        text => Duration::from_secs(text.parse().map_err(|_| {
            Failure::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))
        })?),
    };
    let asked = request.query.get("resourceVersion");
    let revision = if asked.is_empty() {
        0
    } else {
        super::read::parse_revision(asked).map_err(|why| Failure::new(500, "", why))?
    };
    let now = Instant::now();
    let mut watch = Watch {
        resource: Arc::clone(&request.resource),
        version: request.route.version.clone(),
        namespace: request.route.namespace.clone(),
        selector,
        position: revision,
        marked: revision,
        bookmarks: request.query.flag("allowWatchBookmarks"),
        first: Vec::new(),
        deadline: now + life,
        next_bookmark: now,
        bookmark_interval: BOOKMARK_INTERVAL,
        warnings: super::replace::deprecation(request),
    };
    watch.schedule_bookmark(now);
    if revision == 0 {
        // Without a position the watch begins with what is there.
        let key = request.resource.key();
        watch.first = store
            .all(&key)
            .filter(|((namespace, _), object)| watch.selects(namespace, object))
            .map(|(_, object)| watch.event("ADDED", object))
            .collect();
        (watch.position, watch.marked) = (store.revision(), store.revision());
    }
    Ok(Answer::Watch(Box::new(watch)))
}

/// About how often a bookmark is sent while a watch lasts.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);

impl Watch {
    fn selects(&self, namespace: &str, object: &Value) -> bool {
        (self.namespace.is_empty() || namespace == self.namespace) && self.selector.matches(object)
    }

    fn event(&self, kind: &str, object: &Value) -> Value {
        json!({"type": kind, "object": present(&self.resource, &self.version, object)})
    }

    fn schedule_bookmark(&mut self, now: Instant) {
        let regular = now + self.bookmark_interval;
        let last = self.deadline.checked_sub(LAST_BOOKMARK).unwrap_or(now);
        self.next_bookmark = if last > now { regular.min(last) } else { regular };
    }

    /// When there is something to do even though nothing changes; `None` when only changes matter.
    pub(crate) fn wake_at(&self) -> Instant {
        if self.bookmarks { self.deadline.min(self.next_bookmark) } else { self.deadline }
    }

    /// What is to be sent now: an event each. An error is the last event.
    pub(crate) fn events(&mut self, store: &Store) -> Result<Vec<Value>, Value> {
        let mut events = std::mem::take(&mut self.first);
        let changes =
            store.changes_after(self.position, &self.resource.key()).ok_or_else(|| self.expired(store))?;
        events.extend(changes.iter().filter_map(|change| self.translate(change)));
        self.position = self.position.max(store.revision());
        let now = Instant::now();
        if self.bookmarks && now >= self.next_bookmark {
            self.schedule_bookmark(now);
            if self.position > self.marked {
                self.marked = self.position;
                events.push(self.bookmark());
            }
        }
        Ok(events)
    }

    /// An object that comes to match is added, one that no longer matches is deleted.
    fn translate(&self, change: &Change) -> Option<Value> {
        let matched =
            |side: &Option<Arc<Value>>| side.clone().filter(|object| self.selects(&change.key.0, object));
        match (matched(&change.before), matched(&change.after)) {
            (None, Some(after)) => Some(self.event("ADDED", &after)),
            (Some(_), Some(after)) => Some(self.event("MODIFIED", &after)),
            (Some(before), None) => {
                let mut last = (*before).clone();
                crate::kubernetes::object::set_meta(
                    &mut last,
                    "resourceVersion",
                    change.revision.to_string().into(),
                );
                Some(self.event("DELETED", &last))
            }
            (None, None) => None,
        }
    }

    fn bookmark(&self) -> Value {
        let object = json!({
            "kind": self.resource.kind, "apiVersion": self.resource.api_version(&self.version),
            "metadata": {"resourceVersion": self.position.to_string(), "creationTimestamp": null},
        });
        json!({"type": "BOOKMARK", "object": object})
    }

    /// The event that ends a watch whose position is no longer known.
    pub(crate) fn expired(&self, store: &Store) -> Value {
        let message = format!("too old resource version: {} ({})", self.position, store.compacted());
        json!({"type": "ERROR", "object": Failure::expired(message).body()})
    }
}
