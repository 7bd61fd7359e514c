//! The loop: the pods of the node, each with a task that brings its volumes where they should be.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::publish::csi_volumes;
use super::{Kubelet, directory};

/// The loop under way; ends when it is dropped. What is mounted stays.
#[derive(Debug)]
pub struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a pod's task knows of its pod; `None` when it is gone.
type View = Option<Arc<Pod>>;

impl Kubelet {
    /// Publishes the volumes of the pods that are bound to this node, marks the pods as running, publishes
    /// again where the driver asks for it, and unpublishes and removes pods that are being deleted or have
    /// ended. Drivers are registered by [`Self::watch_registry`].
    #[must_use]
    pub fn run(&self) -> Running {
        let kubelet = self.clone();
        Running(tokio::spawn(async move { kubelet.follow_pods().await }))
    }

    async fn follow_pods(self) {
        let pods: Api<Pod> = Api::all(self.options().client.clone());
        let config = Config::default().fields(&format!("spec.nodeName={}", self.options().node));
        let mut events = pin!(watcher(pods, config).default_backoff());
        let mut known: BTreeMap<String, watch::Sender<View>> = BTreeMap::new();
        let mut listed = Vec::new();
        // Dropping the set, also by an abort of this task, ends the tasks of all pods.
        let mut tasks = JoinSet::new();
        loop {
            let event = tokio::select! {
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {
                    known.retain(|_, view| !view.is_closed());
                    continue;
                }
                event = events.next() => event,
            };
            let uid_of = |pod: &Pod| pod.metadata.uid.clone().unwrap_or_default();
            let mut show = |known: &mut BTreeMap<String, watch::Sender<View>>, uid: String, view: View| {
                let sender = known.entry(uid.clone()).or_insert_with(|| watch::Sender::new(None));
                sender.send_replace(view);
                if sender.receiver_count() == 0 {
                    tasks.spawn(self.clone().tend(uid, sender.subscribe()));
                }
            };
            match event {
                None => return,
                // The watcher tries again by itself.
                Some(Err(_)) => {}
                Some(Ok(Event::Init)) => listed.clear(),
                Some(Ok(Event::InitApply(pod))) => {
                    listed.push(uid_of(&pod));
                    show(&mut known, uid_of(&pod), Some(Arc::new(pod)));
                }
                Some(Ok(Event::InitDone)) => {
                    // Pods that went while nobody looked, and volumes an earlier kubelet left.
                    let on_disk = directory::all(self.root()).into_keys();
                    let gone: Vec<String> =
                        known.keys().cloned().chain(on_disk).filter(|uid| !listed.contains(uid)).collect();
                    for uid in gone {
                        show(&mut known, uid, None);
                    }
                }
                Some(Ok(Event::Apply(pod))) => show(&mut known, uid_of(&pod), Some(Arc::new(pod))),
                Some(Ok(Event::Delete(pod))) => show(&mut known, uid_of(&pod), None),
            }
        }
    }

    /// One pod, from its first volume to its removal.
    async fn tend(self, uid: String, mut view: watch::Receiver<View>) {
        let mut failures = 0;
        let mut published = BTreeSet::new();
        loop {
            let pod = view.borrow_and_update().clone();
            let result = match pod.as_deref().filter(|pod| !is_over(pod)) {
                None => match self.unpublish(&uid).await {
                    Ok(()) => {
                        if let Some(pod) = &pod {
                            self.remove(pod).await;
                        }
                        return;
                    }
                    Err(_) => Err(()),
                },
                Some(pod) => self.bring_up(pod, &mut published).await,
            };
            failures = if result.is_ok() { 0 } else { failures + 1 };
            let pause = if result.is_ok() {
                self.options().sync_interval
            } else {
                self.options().backoff.pause(failures)
            };
            let changed = async {
                loop {
                    // The loop that sends views outlives this task.
                    if view.changed().await.is_err() {
                        return;
                    }
                    let over = view.borrow().as_deref().is_none_or(is_over);
                    if over {
                        return;
                    }
                }
            };
            // A pause ends early when the pod does.
            let _ = tokio::time::timeout(pause, changed).await;
        }
    }

    /// One round for one pod: its volumes are published, and what fails is said by an event of the pod. Says whether the pod
    /// runs then.
    pub async fn mount_once(&self, pod: &Pod) -> bool {
        self.bring_up(pod, &mut BTreeSet::new()).await.is_ok()
    }

    /// Publishes the volumes that are not published yet, and those whose driver wants it again and again.
    /// The pod runs once all are; a failure after that is only said.
    async fn bring_up(&self, pod: &Pod, published: &mut BTreeSet<String>) -> Result<(), ()> {
        let volumes = csi_volumes(pod);
        let mut due = Vec::new();
        for (volume, source) in &volumes {
            if !published.contains(volume) || self.is_republished(&source.driver).await {
                due.push(volume.clone());
            }
        }
        let (before, mut result) = (published.len(), Ok(()));
        for (volume, published_now) in self.publish_each(pod, due).await {
            match published_now {
                Ok(()) => {
                    published.insert(volume);
                }
                Err(error) => {
                    let message = format!("MountVolume.SetUp failed for volume \"{volume}\" : {error}");
                    self.say_failed_mount(pod, &message).await;
                    result = Err(());
                }
            }
        }
        let first_time = before < volumes.len() || volumes.is_empty();
        if published.len() == volumes.len() && first_time {
            self.mark_running(pod).await;
        }
        result
    }

    /// Does a driver want volumes published again and again?
    async fn is_republished(&self, driver: &str) -> bool {
        let drivers: Api<CSIDriver> = Api::all(self.options().client.clone());
        let driver = drivers.get_opt(driver).await.ok().flatten();
        driver.is_some_and(|driver| driver.spec.requires_republish == Some(true))
    }

    async fn mark_running(&self, pod: &Pod) {
        let status = json!({"status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}]}});
        let name = pod.metadata.name.clone().unwrap_or_default();
        // A status that cannot be written now is no reason to hold up the volumes.
        let _ = self.pods(pod).patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await;
    }

    /// Removes the object of a pod that is being deleted and has nothing left on this node.
    async fn remove(&self, pod: &Pod) {
        if pod.metadata.deletion_timestamp.is_none() {
            return;
        }
        let name = pod.metadata.name.clone().unwrap_or_default();
        let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        let now =
            DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }.grace_period(0);
        // Gone already is as good; anything else is repeated when the pod is seen again.
        let _ = self.pods(pod).delete(&name, &now).await;
    }

    fn pods(&self, pod: &Pod) -> Api<Pod> {
        Api::namespaced(self.options().client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default())
    }
}

/// Is the pod being deleted, or has it ended?
fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Succeeded" | "Failed"))
}
