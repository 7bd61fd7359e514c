//! Writing the objects: POST for a new pod, otherwise read, compare, PUT. Never server-side apply, which
//! fails where the installed definition lacks our fields; POST and PUT prune them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use keymount_api::{Condition, SecretProviderClassPodStatus};
use keymount_clock::WallClock;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use super::object::{StatusKey, View, desired, says_the_same};
use crate::kubernetes::WritePace;
use crate::ledger::Ledger;
use crate::queue::{Done, Queue};
use crate::volume::Failure;

/// Objects that are written at one time.
const WORKERS: usize = 8;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Failed mounts that are remembered; of a pod that never gets mounted nobody says that it has gone.
const FAILED_MOUNTS: usize = 1024;

/// Keeps the objects of this node's pods up to date.
pub(crate) struct StatusWriter {
    client: Client,
    node: String,
    rotates: bool,
    clock: WallClock,
    pace: Arc<WritePace>,
    ledger: Arc<Ledger>,
    queue: Arc<Queue<StatusKey>>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    objects: HashMap<StatusKey, Object>,
    failed_mounts: BTreeMap<u64, StatusKey>,
    sequence: u64,
}

/// What is remembered of one object.
#[derive(Default)]
struct Object {
    /// What was last sent, or found to be there. Compared with what was *sent*: a server that prunes
    /// fields must not make this driver write for ever.
    view: Option<View>,
    conditions: Vec<Condition>,
    /// Name and UID of the object, once it is known.
    identity: Option<(String, String)>,
    /// The object most likely exists already: read it first.
    exists: bool,
    mount_failure: Option<Failure>,
    /// Secrets that are not in sync; none as long as all always were.
    unsynced: Option<BTreeMap<String, Failure>>,
}

/// Why an object was not written.
enum Trouble {
    /// Worth another try, with why.
    Retry(String),
    /// The pod is not the one of that name any more.
    NotOurs,
}

impl StatusWriter {
    /// A writer for the pods of `node`.
    #[must_use]
    pub(crate) fn new(
        client: Client,
        node: String,
        rotates: bool,
        clock: WallClock,
        pace: Arc<WritePace>,
        ledger: Arc<Ledger>,
    ) -> Arc<Self> {
        let (queue, told) = (Queue::new(), Mutex::default());
        Arc::new(Self { client, node, rotates, clock, pace, ledger, queue, told })
    }

    /// Works until `stop` is cancelled.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let queue = Arc::clone(&self.queue);
        let work = move |key| {
            let writer = Arc::clone(&self);
            async move { writer.bring_up_to_date(&key).await }
        };
        queue.run(WORKERS, stop, work).await;
    }

    /// A volume is new.
    pub(crate) fn mounted(&self, key: &StatusKey) {
        self.lock().objects.entry(key.clone()).or_default().mount_failure = None;
        self.queue.add(key.clone());
    }

    /// A volume was found mounted.
    pub(crate) fn found(&self, key: &StatusKey) {
        self.lock().objects.entry(key.clone()).or_default().exists = true;
        self.queue.add(key.clone());
    }

    /// A first mount failed.
    pub(crate) fn mount_failed(&self, key: &StatusKey, failure: Failure) {
        if key.pod.name.is_empty() || key.pod.uid.is_empty() || key.class.is_empty() {
            return;
        }
        {
            let mut told = self.lock();
            told.remember_failed(key);
            let object = told.objects.entry(key.clone()).or_default();
            // Only a new reason is news.
            if object.mount_failure.as_ref().is_some_and(|known| known.reason == failure.reason) {
                return;
            }
            object.mount_failure = Some(failure);
        }
        self.queue.add(key.clone());
    }

    /// A rotation ended, either way. Says whether the one before had failed and this one has not.
    pub(crate) fn rotated(&self, key: &StatusKey) -> bool {
        let failed_before = self
            .lock()
            .objects
            .get(key)
            .and_then(|object| object.view.as_ref()?.rotation.as_ref()?.as_ref())
            .is_some();
        self.queue.add(key.clone());
        failed_before && self.view(key).is_some_and(|view| view.rotation == Some(None))
    }

    /// A Secret of the class is in sync, or not.
    pub(crate) fn synced(&self, key: &StatusKey, secret: &str, failure: Option<Failure>) {
        {
            let mut told = self.lock();
            let Some(object) = told.objects.get_mut(key) else { return };
            let changed = match failure {
                None => object.unsynced.as_mut().and_then(|unsynced| unsynced.remove(secret)).is_some(),
                Some(failure) => {
                    let unsynced = object.unsynced.get_or_insert_default();
                    unsynced.insert(secret.to_owned(), failure.clone()) != Some(failure)
                }
            };
            if !changed {
                return;
            }
        }
        self.queue.add(key.clone());
    }

    /// A volume is going away; the object goes with its pod.
    pub(crate) fn unmounting(&self, key: &StatusKey, target: &Path) {
        let mut others = false;
        self.ledger.for_each(|path, volume| {
            others |= path != target && volume.pod == key.pod && volume.class.key().name == key.class;
        });
        if !others {
            self.queue.remove(key);
            self.lock().objects.remove(key);
        }
    }

    /// Name and UID of the object, once it has been written or read.
    #[must_use]
    pub(crate) fn identity(&self, key: &StatusKey) -> Option<(String, String)> {
        self.lock().objects.get(key)?.identity.clone()
    }

    /// Objects that wait to be written.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    async fn bring_up_to_date(&self, key: &StatusKey) -> Done {
        let Some(view) = self.view(key) else { return Done::Finished };
        let (conditions, exists) = {
            let told = self.lock();
            let Some(object) = told.objects.get(key) else { return Done::Finished };
            if object.view.as_ref().is_some_and(|told| says_as_much(told, &view)) {
                return Done::Finished;
            }
            (object.conditions.clone(), object.exists)
        };
        let wanted = desired(key, &view, &self.node, &conditions, self.clock.now());
        match self.write(key, wanted, exists).await {
            Ok(written) => {
                let mut told = self.lock();
                if let Some(object) = told.objects.get_mut(key) {
                    object.identity = written.uid().map(|uid| (written.name_any(), uid));
                    object.conditions = written.status.conditions;
                    object.view = Some(view);
                    object.exists = true;
                }
                Done::Finished
            }
            Err(Trouble::NotOurs) => Done::Finished,
            Err(Trouble::Retry(why)) => {
                tracing::warn!(
                    pod = key.pod.to_string(),
                    class = key.class,
                    err = why,
                    "failed to create/update spcps"
                );
                Done::Failed
            }
        }
    }

    /// Makes the object say what it should and gives it as it then is, with the conditions that were
    /// sent.
    async fn write(
        &self,
        key: &StatusKey,
        mut wanted: SecretProviderClassPodStatus,
        exists: bool,
    ) -> Result<SecretProviderClassPodStatus, Trouble> {
        let api: Api<SecretProviderClassPodStatus> = Api::namespaced(self.client.clone(), &key.pod.namespace);
        if !exists {
            match self.create(&api, &wanted).await? {
                Some(created) => return Ok(sent(created, wanted)),
                None => tracing::trace!(pod = key.pod.to_string(), "status object exists already"),
            }
        }
        let name = wanted.name_any();
        let Some(mut live) = answered(api.get_opt(&name)).await? else {
            return match self.create(&api, &wanted).await? {
                Some(created) => Ok(sent(created, wanted)),
                None => Err(Trouble::Retry("it appeared while it was being created".to_owned())),
            };
        };
        if is_of_another_pair(&live, key) {
            wanted.metadata.name = Some(key.other_name());
            return match self.create(&api, &wanted).await? {
                Some(created) => Ok(sent(created, wanted)),
                None => Box::pin(self.write_over(&api, key, wanted)).await,
            };
        }
        if says_the_same(&live, &wanted) {
            return Ok(sent(live, wanted));
        }
        self.must_be_the_pod(&live, key).await?;
        wanted.metadata.resource_version = live.metadata.resource_version.take();
        self.replace(&api, wanted, live).await
    }

    /// Updates an object under the other name.
    async fn write_over(
        &self,
        api: &Api<SecretProviderClassPodStatus>,
        key: &StatusKey,
        mut wanted: SecretProviderClassPodStatus,
    ) -> Result<SecretProviderClassPodStatus, Trouble> {
        let Some(mut live) = answered(api.get_opt(&wanted.name_any())).await? else {
            return Err(Trouble::Retry("it vanished while it was being read".to_owned()));
        };
        if says_the_same(&live, &wanted) {
            return Ok(sent(live, wanted));
        }
        self.must_be_the_pod(&live, key).await?;
        wanted.metadata.resource_version = live.metadata.resource_version.take();
        self.replace(api, wanted, live).await
    }

    async fn create(
        &self,
        api: &Api<SecretProviderClassPodStatus>,
        wanted: &SecretProviderClassPodStatus,
    ) -> Result<Option<SecretProviderClassPodStatus>, Trouble> {
        self.pace.turn().await;
        match tokio::time::timeout(TIMEOUT, api.create(&PostParams::default(), wanted)).await {
            Ok(Ok(created)) => Ok(Some(created)),
            Ok(Err(kube::Error::Api(status))) if status.reason == "AlreadyExists" => Ok(None),
            Ok(Err(error)) => Err(Trouble::Retry(error.to_string())),
            Err(_) => Err(Trouble::Retry("no answer".to_owned())),
        }
    }

    async fn replace(
        &self,
        api: &Api<SecretProviderClassPodStatus>,
        mut wanted: SecretProviderClassPodStatus,
        live: SecretProviderClassPodStatus,
    ) -> Result<SecretProviderClassPodStatus, Trouble> {
        // Labels and annotations of others stay.
        let mut labels = live.metadata.labels.unwrap_or_default();
        labels.extend(wanted.metadata.labels.take().unwrap_or_default());
        wanted.metadata.labels = Some(labels);
        wanted.metadata.annotations = live.metadata.annotations;
        wanted.metadata.uid = live.metadata.uid;
        self.pace.turn().await;
        let replaced = answered(api.replace(&wanted.name_any(), &PostParams::default(), &wanted)).await?;
        Ok(sent(replaced, wanted))
    }

    /// An object of another pod of the same name is only taken over by the pod that lives.
    async fn must_be_the_pod(
        &self,
        live: &SecretProviderClassPodStatus,
        key: &StatusKey,
    ) -> Result<(), Trouble> {
        let owners = live.metadata.owner_references.iter().flatten();
        if owners.into_iter().all(|owner| owner.uid == key.pod.uid) {
            return Ok(());
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &key.pod.namespace);
        match answered(pods.get_opt(&key.pod.name)).await? {
            Some(pod) if pod.metadata.uid.as_deref() == Some(key.pod.uid.as_str()) => Ok(()),
            _ => Err(Trouble::NotOurs),
        }
    }

    /// What the ledger and this writer know of the pod's volumes of the class.
    fn view(&self, key: &StatusKey) -> Option<View> {
        let mut view = View { rotation: self.rotates.then_some(None), ..View::default() };
        let (mut targets, mut versions) = (BTreeSet::new(), BTreeMap::new());
        self.ledger.for_each(|path, volume| {
            if volume.pod != key.pod || volume.class.key().name != key.class {
                return;
            }
            targets.insert(path.to_string_lossy().into_owned());
            versions.extend(volume.versions.clone());
            view.fetched = view.fetched.max(volume.fetched);
            if let (Some(rotation @ None), Some(failure)) = (&mut view.rotation, &volume.last_failure) {
                *rotation = Some(failure.clone());
            }
        });
        view.targets = targets.into_iter().collect();
        view.versions = versions.into_iter().collect();
        let told = self.lock();
        let object = told.objects.get(key)?;
        if view.targets.is_empty() {
            view.rotation = None;
            view.mount_failure = Some(object.mount_failure.clone()?);
        } else {
            // One of them stands for all; the others' turn comes when it is put right.
            view.sync = object.unsynced.as_ref().map(|unsynced| unsynced.values().next().cloned());
        }
        Some(view)
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn remember_failed(&mut self, key: &StatusKey) {
        if self.objects.contains_key(key) {
            return;
        }
        self.sequence += 1;
        self.failed_mounts.insert(self.sequence, key.clone());
        if self.failed_mounts.len() > FAILED_MOUNTS
            && let Some((_, oldest)) = self.failed_mounts.pop_first()
            && self.objects.get(&oldest).is_some_and(|object| object.mount_failure.is_some())
        {
            self.objects.remove(&oldest);
        }
    }
}

/// Whether nothing that is told has changed. The time of a fetch that changed nothing is no news.
fn says_as_much(told: &View, now: &View) -> bool {
    View { fetched: None, ..told.clone() } == View { fetched: None, ..now.clone() }
}

/// The object as the server has it, with the conditions as they were sent.
fn sent(
    mut server: SecretProviderClassPodStatus,
    wanted: SecretProviderClassPodStatus,
) -> SecretProviderClassPodStatus {
    server.status.conditions = wanted.status.conditions;
    server
}

/// Whether the object tells of another pod or class whose names give the same object name.
fn is_of_another_pair(live: &SecretProviderClassPodStatus, key: &StatusKey) -> bool {
    let status = &live.status;
    let owned_by_other_name =
        live.metadata.owner_references.iter().flatten().any(|owner| owner.name != key.pod.name);
    owned_by_other_name && (status.pod_name != key.pod.name || status.secret_provider_class_name != key.class)
}

async fn answered<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Trouble> {
    match tokio::time::timeout(TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| Trouble::Retry(error.to_string())),
        Err(_) => Err(Trouble::Retry("no answer".to_owned())),
    }
}
