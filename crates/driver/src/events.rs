//! Events on pods, deduplicated and paced.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use keymount_clock::WallClock;
use keymount_schedule::WritePace;
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::kubernetes::api_error;
use crate::request::PodRef;

/// Name of the component, as the Go driver's events have it.
const COMPONENT: &str = "csi-secrets-store-controller";

/// An event that says the same as an earlier one of its reason is left out for this long.
const SAME_AGAIN: Duration = Duration::from_secs(600);

/// Different events of one reason on one pod within that time; texts may hold what changes each time.
const MOST_OF_A_REASON: usize = 8;

/// Events that may wait to be sent; further ones are dropped, and the log has them.
const WAITING: usize = 256;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Longest message in bytes; the API allows 1024.
const MESSAGE: usize = 1000;

/// UID of a pod, and a reason.
type Told = (String, &'static str);

/// Writes events.
pub(crate) struct Events {
    sender: mpsc::Sender<Event>,
    told: Mutex<HashMap<Told, Vec<(Instant, String)>>>,
    clock: WallClock,
    node: String,
}

impl Events {
    /// Also gives the task that sends them.
    pub(crate) fn new(
        client: Client,
        node: String,
        clock: WallClock,
        pace: Arc<WritePace>,
        stop: CancellationToken,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + 'static) {
        let (sender, mut waiting) = mpsc::channel::<Event>(WAITING);
        let send = async move {
            while let Some(Some(event)) = stop.run_until_cancelled(waiting.recv()).await {
                pace.turn().await;
                let namespace = event.metadata.namespace.clone().unwrap_or_default();
                let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
                let parameters = PostParams::default();
                let sent = tokio::time::timeout(TIMEOUT, api.create(&parameters, &event));
                match stop.run_until_cancelled(sent).await {
                    Some(Ok(Err(error))) => tracing::debug!(err = api_error(&error), "cannot write event"),
                    Some(Err(_)) => tracing::debug!("cannot write event: no answer"),
                    _ => {}
                }
            }
        };
        (Arc::new(Self { sender, told: Mutex::default(), clock, node }), send)
    }

    /// Something that should be looked at.
    pub(crate) fn warning(&self, pod: &PodRef, reason: &'static str, message: &str) {
        self.tell(pod, "Warning", reason, message);
    }

    /// Something that went as it should.
    pub(crate) fn normal(&self, pod: &PodRef, reason: &'static str, message: &str) {
        self.tell(pod, "Normal", reason, message);
    }

    /// Events that wait to be sent.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }

    /// The pod is going away.
    pub(crate) fn forget(&self, pod: &PodRef) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).retain(|(uid, _), _| *uid != pod.uid);
    }

    fn tell(&self, pod: &PodRef, type_: &str, reason: &'static str, message: &str) {
        let mut message = message.to_owned();
        message.truncate(message.floor_char_boundary(MESSAGE));
        let place = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let key = (pod.uid.clone(), reason);
            told.retain(|_, earlier| {
                earlier.retain(|(at, _)| now - *at < SAME_AGAIN);
                !earlier.is_empty()
            });
            let earlier = told.get(&key).map_or(&[][..], Vec::as_slice);
            if earlier.len() >= MOST_OF_A_REASON || earlier.iter().any(|(_, text)| *text == message) {
                return;
            }
            let Ok(place) = self.sender.try_reserve() else {
                tracing::debug!(reason, "too many events are waiting, dropping one");
                return;
            };
            told.entry(key).or_default().push((now, message.clone()));
            place
        };
        place.send(self.event(pod, type_, reason, message));
    }

    fn event(&self, pod: &PodRef, type_: &str, reason: &str, message: String) -> Event {
        let now = Time(self.clock.now());
        Event {
            metadata: ObjectMeta {
                namespace: Some(pod.namespace.clone()),
                generate_name: Some(format!("{}.", pod.name)),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: Some(pod.namespace.clone()),
                name: Some(pod.name.clone()),
                uid: Some(pod.uid.clone()),
                ..ObjectReference::default()
            },
            type_: Some(type_.to_owned()),
            reason: Some(reason.to_owned()),
            message: Some(message),
            source: Some(EventSource {
                component: Some(COMPONENT.to_owned()),
                host: Some(self.node.clone()),
            }),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            count: Some(1),
            ..Event::default()
        }
    }
}
