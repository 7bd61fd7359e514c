//! Pods that come, are published again and again, and go.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use keymount_daemon::grpc::channel;
use keymount_proto::csi::NodeUnpublishVolumeRequest;
use keymount_proto::csi::node_client::NodeClient;
use keymount_stack_tests::Mount;
use kube::api::{Api, PostParams};
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::readers::{Found, Seen, Watched, read};
use crate::place::Place;

/// Kubelet's deadline for a call.
const DEADLINE: Duration = Duration::from_secs(120);
/// How often a volume is published again without a reason.
const REPUBLISH: Duration = Duration::from_secs(10);
/// Calls for each volume in a storm.
const STORM: usize = 10;
/// Kubelet's first pause after a failure, and its longest here.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(8)];
/// What the tokens of pods are for.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// Where they travel.
const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";

/// Whether the driver can be expected to answer.
#[derive(Default)]
pub(crate) struct Presence {
    up: AtomicBool,
    changes: AtomicU64,
}

impl Presence {
    pub(crate) fn set(&self, up: bool) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.up.store(up, Ordering::SeqCst);
    }

    /// What a call begins with: a number if the driver is there.
    fn now(&self) -> Option<u64> {
        let changes = self.changes.load(Ordering::SeqCst);
        self.up.load(Ordering::SeqCst).then_some(changes)
    }
}

/// What all pods of the node share.
pub(crate) struct Kubelet {
    pub(crate) place: Arc<Place>,
    pub(crate) driver: Presence,
    pub(crate) seen: Arc<Seen>,
    pub(crate) slots: Vec<Slot>,
    classes: Vec<String>,
    /// Each number is a storm of republishes.
    pub(crate) storms: watch::Sender<u64>,
    token: Mutex<String>,
    /// Pods so far, publishes and unpublishes that were answered OK, publishes that failed.
    pub(crate) pods: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) unpublished: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// A place for a pod: when one goes, the next one comes.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) watched: Arc<Watched>,
    pub(crate) replace: Notify,
    pod: Mutex<String>,
}

impl Slot {
    /// Name of the pod that is there now.
    pub(crate) fn pod(&self) -> String {
        self.pod.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Kubelet {
    pub(crate) fn new(place: &Arc<Place>, volumes: usize, classes: Vec<String>) -> Self {
        Self {
            place: Arc::clone(place),
            driver: Presence::default(),
            seen: Arc::default(),
            slots: (0..volumes).map(|_| Slot::default()).collect(),
            classes,
            storms: watch::Sender::new(0),
            token: Mutex::default(),
            pods: AtomicU64::default(),
            published: AtomicU64::default(),
            unpublished: AtomicU64::default(),
            failed: AtomicU64::default(),
        }
    }

    /// Name of the class of a slot's pods.
    pub(crate) fn class(&self, slot: usize) -> &str {
        &self.classes[slot % self.classes.len()]
    }

    /// Takes a new token for the service account; with the API server down the old one stays.
    pub(crate) async fn renew_token(&self) {
        let config = kube::Config::new(self.place.api().url().parse().expect("a URL"));
        let accounts: Api<ServiceAccount> =
            Api::namespaced(kube::Client::try_from(config).expect("a client"), "default");
        let spec = TokenRequestSpec {
            audiences: vec![AUDIENCE.to_owned()],
            expiration_seconds: Some(7200),
            ..TokenRequestSpec::default()
        };
        let asked = TokenRequest { spec, ..TokenRequest::default() };
        let Ok(made) = accounts.create_token_request("default", &PostParams::default(), &asked).await else {
            return;
        };
        let Some(status) = made.status else { return };
        let expires = status.expiration_timestamp.0;
        let token = json!({AUDIENCE: {"token": status.token, "expirationTimestamp": expires.to_string()}});
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token.to_string();
    }

    /// Pods of one slot, until the end.
    pub(crate) async fn run(self: Arc<Self>, slot: usize, stop: CancellationToken) {
        for round in 1.. {
            if stop.is_cancelled() {
                return;
            }
            self.one_pod(slot, round, &stop).await;
        }
    }

    async fn one_pod(&self, slot: usize, round: usize, stop: &CancellationToken) {
        let name = format!("pod-{slot}-{round}");
        let uid = self.place.put_pod(&name);
        let mount = Mount::new(&name, &uid).class(self.class(slot));
        let (slot_of_pod, target) = (&self.slots[slot], mount.target(&self.place.pods()));
        *slot_of_pod.pod.lock().unwrap_or_else(PoisonError::into_inner) = name.clone();
        slot_of_pod.watched.look_at(target.clone());
        self.pods.fetch_add(1, Ordering::SeqCst);
        if self.first_publish(&mount, &target, stop).await {
            slot_of_pod.watched.expect(true);
            self.publish_again(slot, &mount, stop).await;
        }
        slot_of_pod.watched.expect(false);
        self.unpublish(&target).await;
        self.nothing_left(&target, &uid);
        self.place.api().delete("pods", "default", &name).expect("a pod");
    }

    /// Says whether it was mounted before the end.
    async fn first_publish(&self, mount: &Mount, target: &Path, stop: &CancellationToken) -> bool {
        let mut pause = PAUSES[0];
        loop {
            match self.publish(mount).await {
                Ok(()) => {
                    if let Found::Absent(what) | Found::Mixed(what) = read(target) {
                        self.seen.wrong(format!("I1: OK for {}: {what}", target.display()));
                    }
                    return true;
                }
                Err(_) if stop.is_cancelled() => return false,
                Err(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(PAUSES[1]);
        }
    }

    /// Publishes a mounted volume until another pod is wanted. The driver has nothing to answer but OK.
    async fn publish_again(&self, slot: usize, mount: &Mount, stop: &CancellationToken) {
        let mut storms = self.storms.subscribe();
        // Volumes do not come at once.
        let pause = REPUBLISH + Duration::from_millis(20) * u32::try_from(slot).unwrap_or_default();
        loop {
            let times = tokio::select! {
                () = stop.cancelled() => return,
                () = self.slots[slot].replace.notified() => return,
                _ = storms.changed() => STORM,
                () = sleep(pause) => 1,
            };
            for _ in 0..times {
                let before = self.driver.now();
                if let Err(error) = self.publish(mount).await
                    && before.is_some()
                    && before == self.driver.now()
                {
                    self.seen.wrong(format!("I9, I10: republish of {}: {error}", mount.pod));
                }
            }
        }
    }

    async fn unpublish(&self, target: &Path) {
        let request = NodeUnpublishVolumeRequest {
            volume_id: "csi-1".to_owned(),
            target_path: target.display().to_string(),
        };
        loop {
            let before = self.driver.now();
            let mut node = NodeClient::new(channel(&self.place.path("csi.sock")));
            match timeout(DEADLINE, node.node_unpublish_volume(request.clone())).await {
                Ok(Ok(_)) => break,
                failed if before.is_some() && before == self.driver.now() => {
                    self.seen.wrong(format!("I10: unpublish of {}: {failed:?}", target.display()));
                }
                _ => {}
            }
            sleep(PAUSES[0]).await;
        }
        self.unpublished.fetch_add(1, Ordering::SeqCst);
    }

    /// What kubelet removes when a pod is gone: its own directories, and nothing may be in them.
    fn nothing_left(&self, target: &Path, uid: &str) {
        let volume = target.parent().expect("a volume");
        let left: Vec<_> = std::fs::read_dir(volume).into_iter().flatten().flatten().collect();
        if target.exists() || !left.is_empty() {
            self.seen.wrong(format!("left of {}: {left:?}", volume.display()));
        }
        let _ = std::fs::remove_dir_all(self.place.pods().join(uid));
    }

    async fn publish(&self, mount: &Mount) -> Result<(), Status> {
        let mut request = mount.request(&self.place.pods());
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        request.volume_context.insert(TOKENS.to_owned(), token);
        let mut node = NodeClient::new(channel(&self.place.path("csi.sock")));
        let answered = timeout(DEADLINE, node.node_publish_volume(request)).await;
        let answered = answered.unwrap_or_else(|_| Err(Status::deadline_exceeded("kubelet waits no longer")));
        let counter = if answered.is_ok() { &self.published } else { &self.failed };
        counter.fetch_add(1, Ordering::SeqCst);
        answered.map(drop)
    }
}
