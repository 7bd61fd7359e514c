//! Writing the objects: POST for a new pod; PUT at the version that this driver wrote last, as long as nobody else
//! has written there; otherwise read, compare, PUT. Never server-side apply, which fails where the installed
//! definition lacks our fields; POST and PUT prune them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use keymount_api::{Condition, SecretProviderClassPodStatus, labels};
use keymount_clock::WallClock;
use keymount_schedule::{Done, Queue, WritePace};
use keymount_volume::Volumes;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::object::{StatusKey, View, desired, keep_times, says_the_same};
use crate::certificates::{self, Certificates};
use crate::kubernetes::api_error;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::volume::{Failure, Volume};

/// Objects that are written at one time.
const WORKERS: usize = 8;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Of a pod that never gets mounted nobody says that it has gone. Kubelet tries again within about two
/// minutes, so one that has not been tried for this long is.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// Objects that are remembered at most; further failed mounts are only logged.
const MOST: usize = 10_000;

/// What a [`StatusWriter`] works with.
pub(crate) struct Parts {
    /// The API server.
    pub(crate) client: Client,
    /// Name of the node.
    pub(crate) node: String,
    /// Whether volumes are rotated.
    pub(crate) rotates: bool,
    /// Dates conditions.
    pub(crate) clock: WallClock,
    /// Spaces writes out.
    pub(crate) pace: Arc<WritePace>,
    /// Volumes to tell of.
    pub(crate) ledger: Arc<Ledger>,
    /// Where their files are.
    pub(crate) volumes: Arc<Volumes>,
    /// Counts how long it takes.
    pub(crate) metrics: Arc<Metrics>,
}

/// Keeps the objects of this node's pods up to date.
pub(crate) struct StatusWriter {
    parts: Parts,
    queue: Arc<Queue<StatusKey>>,
    objects: Mutex<HashMap<StatusKey, Object>>,
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
    /// The version of an object in which nobody but this driver has written: it is replaced without being read.
    version: Option<String>,
    /// Why the pod's volume could not be mounted, and when that was tried last.
    mount_failure: Option<(Failure, Instant)>,
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
    /// A writer for the pods of a node.
    #[must_use]
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, queue: Queue::new(), objects: Mutex::default() })
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
        if key.is_complete() {
            self.objects().entry(key.clone()).or_default().mount_failure = None;
            self.queue.add(key.clone());
        }
    }

    /// A volume was found mounted.
    pub(crate) fn found(&self, key: &StatusKey) {
        if key.is_complete() {
            self.objects().entry(key.clone()).or_default().exists = true;
            self.queue.add(key.clone());
        }
    }

    /// A first mount failed.
    pub(crate) fn mount_failed(&self, key: &StatusKey, failure: Failure) {
        if !key.is_complete() {
            return;
        }
        {
            let mut objects = self.objects();
            if objects.len() >= MOST && !objects.contains_key(key) {
                return;
            }
            let object = objects.entry(key.clone()).or_default();
            let known = object.mount_failure.replace((failure, Instant::now()));
            // Only a new reason is news.
            if let (Some((known, _)), Some((now, _))) = (&known, &mut object.mount_failure)
                && known.reason == now.reason
            {
                *now = known.clone();
                return;
            }
        }
        self.queue.add(key.clone());
    }

    /// A rotation ended, either way. Says whether the one before had failed and this one has not.
    pub(crate) fn rotated(&self, key: &StatusKey) -> bool {
        let failed_before = self
            .objects()
            .get(key)
            .and_then(|object| object.view.as_ref()?.rotation.as_ref()?.as_ref())
            .is_some();
        self.queue.add(key.clone());
        failed_before && self.view(key).is_some_and(|view| view.rotation == Some(None))
    }

    /// A Secret of the class is in sync, or not.
    pub(crate) fn synced(&self, key: &StatusKey, secret: &str, failure: Option<Failure>) {
        {
            let mut objects = self.objects();
            let Some(object) = objects.get_mut(key) else { return };
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

    /// Somebody may have deleted or changed the object.
    pub(crate) fn look_again(&self, key: &StatusKey) {
        if let Some(object) = self.objects().get_mut(key) {
            (object.view, object.version) = (None, None);
        }
        self.queue.add(key.clone());
    }

    /// A volume is going away; the object goes with its pod.
    pub(crate) fn unmounting(&self, key: &StatusKey, target: &Path) {
        let mut others = false;
        self.parts.ledger.for_each_of_pod(&key.pod.uid, |path, volume| {
            others |= path != target && is_of(volume, key);
        });
        if !others {
            self.queue.remove(key);
            self.objects().remove(key);
        }
    }

    /// A pod is going away that may have no volume: its failed mounts are no news any more.
    pub(crate) fn forget_failures(&self, pod_uid: &str) {
        self.objects().retain(|key, object| {
            let keep = key.pod.uid != pod_uid || object.mount_failure.is_none();
            if !keep {
                self.queue.remove(key);
            }
            keep
        });
    }

    /// Name and UID of the object, once it has been written or read.
    #[must_use]
    pub(crate) fn identity(&self, key: &StatusKey) -> Option<(String, String)> {
        self.objects().get(key)?.identity.clone()
    }

    /// First mounts that fail, with why.
    #[must_use]
    pub(crate) fn failed_mounts(&self) -> Vec<(StatusKey, Failure)> {
        let objects = self.objects();
        let failed = objects.iter().filter_map(|(key, object)| {
            let (failure, tried) = object.mount_failure.as_ref()?;
            (tried.elapsed() < FORGOTTEN).then(|| (key.clone(), failure.clone()))
        });
        failed.collect()
    }

    /// Secrets of this pod's class that are not in sync, with why.
    #[must_use]
    pub(crate) fn unsynced(&self, key: &StatusKey) -> BTreeMap<String, Failure> {
        self.objects().get(key).and_then(|object| object.unsynced.clone()).unwrap_or_default()
    }

    /// Objects that wait to be written.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.queue.pending()
    }

    async fn bring_up_to_date(&self, key: &StatusKey) -> Done {
        self.read_certificates(key).await;
        let Some(view) = self.view(key) else { return Done::Finished };
        let (conditions, exists, known) = {
            let mut objects = self.objects();
            let Some(object) = objects.get(key) else { return Done::Finished };
            let tried = object.mount_failure.as_ref().map(|(_, at)| at.elapsed());
            if view.mount_failure.is_some() && tried.is_some_and(|ago| ago >= FORGOTTEN) {
                objects.remove(key);
                return Done::Finished;
            }
            if object.view.as_ref().is_some_and(|told| says_as_much(told, &view)) {
                return after(&view);
            }
            let name = object.identity.as_ref().map(|(name, _)| name.clone());
            (object.conditions.clone(), object.exists, name.zip(object.version.clone()))
        };
        let wanted = desired(key, &view, &self.parts.node, &conditions, self.parts.clock.now());
        match self.write(key, wanted, exists, known).await {
            Ok(written) => {
                if let Some(took) = self.queue.asked_ago(key) {
                    self.parts.metrics.converged("status", took);
                }
                let done = after(&view);
                if let Some(object) = self.objects().get_mut(key) {
                    object.identity = written.uid().map(|uid| (written.name_any(), uid));
                    object.version = version_of_ours(&written);
                    object.conditions = written.status.conditions;
                    object.view = Some(view);
                    object.exists = true;
                }
                done
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
    /// sent. `known` are name and version of one that can be replaced without being read.
    async fn write(
        &self,
        key: &StatusKey,
        mut wanted: SecretProviderClassPodStatus,
        exists: bool,
        known: Option<(String, String)>,
    ) -> Result<SecretProviderClassPodStatus, Trouble> {
        let api: Api<SecretProviderClassPodStatus> =
            Api::namespaced(self.parts.client.clone(), &key.pod.namespace);
        if let Some((name, version)) = known {
            let mut ours = wanted.clone();
            (ours.metadata.name, ours.metadata.resource_version) = (Some(name.clone()), Some(version));
            self.parts.pace.turn().await;
            match tokio::time::timeout(TIMEOUT, api.replace(&name, &PostParams::default(), &ours)).await {
                Ok(Ok(replaced)) => return Ok(sent(replaced, wanted)),
                // Somebody has written there or deleted it: read it, as if nothing were known.
                Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {}
                Ok(Err(error)) => return Err(Trouble::Retry(api_error(&error))),
                Err(_) => return Err(Trouble::Retry("no answer".to_owned())),
            }
        }
        if !exists {
            match self.create(&api, &wanted).await? {
                Some(created) => return Ok(sent(created, wanted)),
                None => tracing::trace!(pod = key.pod.to_string(), "status object exists already"),
            }
        }
        let name = wanted.name_any();
        let Some(live) = answered(api.get_opt(&name)).await? else {
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
        self.update(&api, key, wanted, live).await
    }

    /// Updates an object under the other name.
    async fn write_over(
        &self,
        api: &Api<SecretProviderClassPodStatus>,
        key: &StatusKey,
        wanted: SecretProviderClassPodStatus,
    ) -> Result<SecretProviderClassPodStatus, Trouble> {
        let Some(live) = answered(api.get_opt(&wanted.name_any())).await? else {
            return Err(Trouble::Retry("it vanished while it was being read".to_owned()));
        };
        self.update(api, key, wanted, live).await
    }

    async fn update(
        &self,
        api: &Api<SecretProviderClassPodStatus>,
        key: &StatusKey,
        mut wanted: SecretProviderClassPodStatus,
        live: SecretProviderClassPodStatus,
    ) -> Result<SecretProviderClassPodStatus, Trouble> {
        if says_the_same(&live, &wanted) {
            return Ok(sent(live, wanted));
        }
        self.must_be_the_pod(&live, key).await?;
        keep_times(&mut wanted.status, &live.status);
        // What others put there stays: labels, annotations, finalizers. The resource version that was read
        // makes the server refuse if somebody else was faster.
        let ours = std::mem::replace(&mut wanted.metadata, live.metadata);
        wanted.metadata.labels.get_or_insert_default().extend(ours.labels.unwrap_or_default());
        wanted.metadata.owner_references = ours.owner_references;
        wanted.metadata.managed_fields = None;
        self.parts.pace.turn().await;
        let replaced = answered(api.replace(&wanted.name_any(), &PostParams::default(), &wanted)).await?;
        Ok(sent(replaced, wanted))
    }

    async fn create(
        &self,
        api: &Api<SecretProviderClassPodStatus>,
        wanted: &SecretProviderClassPodStatus,
    ) -> Result<Option<SecretProviderClassPodStatus>, Trouble> {
        self.parts.pace.turn().await;
        match tokio::time::timeout(TIMEOUT, api.create(&PostParams::default(), wanted)).await {
            Ok(Ok(created)) => Ok(Some(created)),
            Ok(Err(kube::Error::Api(status))) if status.reason == "AlreadyExists" => Ok(None),
            Ok(Err(error)) => Err(Trouble::Retry(api_error(&error))),
            Err(_) => Err(Trouble::Retry("no answer".to_owned())),
        }
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
        let pods: Api<Pod> = Api::namespaced(self.parts.client.clone(), &key.pod.namespace);
        match answered(pods.get_opt(&key.pod.name)).await? {
            Some(pod) if pod.metadata.uid.as_deref() == Some(key.pod.uid.as_str()) => Ok(()),
            _ => Err(Trouble::NotOurs),
        }
    }

    /// Looks into files of the pod's volumes of the class that are new, to tell when their certificates expire.
    async fn read_certificates(&self, key: &StatusKey) {
        let mut unread = Vec::new();
        self.parts.ledger.for_each_of_pod(&key.pod.uid, |path, volume| {
            // While files are replaced, what is read belongs to nothing; the end of that asks again.
            if volume.certificates == Certificates::Unread && !volume.changing && is_of(volume, key) {
                unread.push((path.to_owned(), volume.content_since));
            }
        });
        for (target, since) in unread {
            let (volumes, path) = (Arc::clone(&self.parts.volumes), target.clone());
            let found = match tokio::task::spawn_blocking(move || certificates::read(&volumes, &path)).await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    tracing::debug!(target_path = %target.display(), err = error.report(), "cannot look for certificates");
                    continue;
                }
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            };
            self.parts.ledger.with(&target, |volume| {
                if volume.content_since == since && !volume.changing {
                    volume.certificates = found;
                }
            });
        }
    }

    /// What the ledger and this writer know of the pod's volumes of the class.
    fn view(&self, key: &StatusKey) -> Option<View> {
        let mut view = View { rotation: self.parts.rotates.then_some(None), ..View::default() };
        let (mut targets, mut versions, mut found) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        self.parts.ledger.for_each_of_pod(&key.pod.uid, |path, volume| {
            if !is_of(volume, key) {
                return;
            }
            targets.insert(path.to_string_lossy().into_owned());
            versions.extend(volume.versions.clone());
            found.extend(volume.certificates.known().iter().cloned());
            view.fetched = view.fetched.max(volume.last_success);
            if let (Some(rotation @ None), Some(failure)) = (&mut view.rotation, &volume.last_failure) {
                *rotation = Some(failure.clone());
            }
        });
        view.targets = targets.into_iter().collect();
        view.versions = versions.into_iter().collect();
        view.certificates = found.into_iter().take(certificates::MOST).collect();
        let objects = self.objects();
        let object = objects.get(key)?;
        if view.targets.is_empty() {
            view.rotation = None;
            view.mount_failure = Some(object.mount_failure.clone()?.0);
        } else {
            // One of them stands for all; the others' turn comes when it is put right.
            view.sync = object.unsynced.as_ref().map(|unsynced| unsynced.values().next().cloned());
        }
        Some(view)
    }

    fn objects(&self) -> MutexGuard<'_, HashMap<StatusKey, Object>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an object tells of a volume.
fn is_of(volume: &Volume, key: &StatusKey) -> bool {
    volume.pod == key.pod && volume.class.key().name == key.class
}

/// When to look again at what has been told.
const fn after(view: &View) -> Done {
    match view.mount_failure {
        Some(_) => Done::Again(FORGOTTEN),
        None => Done::Finished,
    }
}

/// Whether nothing that is told has changed. The time of a fetch that changed nothing is no news.
fn says_as_much(told: &View, now: &View) -> bool {
    let View { targets, versions, certificates, fetched: _, mount_failure, rotation, sync } = told;
    *targets == now.targets
        && *versions == now.versions
        && *certificates == now.certificates
        && *mount_failure == now.mount_failure
        && *rotation == now.rotation
        && *sync == now.sync
}

/// The object as the server has it, with the conditions as they were sent.
fn sent(
    mut server: SecretProviderClassPodStatus,
    wanted: SecretProviderClassPodStatus,
) -> SecretProviderClassPodStatus {
    server.status.conditions = wanted.status.conditions;
    server
}

/// The version of an object that holds nothing but what this driver puts there.
fn version_of_ours(server: &SecretProviderClassPodStatus) -> Option<String> {
    let metadata = &server.metadata;
    let ours =
        metadata.labels.as_ref().is_some_and(|all| all.len() == 1 && all.contains_key(labels::NODE_NAME))
            && metadata.owner_references.as_ref().is_some_and(|owners| owners.len() == 1)
            && metadata.annotations.as_ref().is_none_or(BTreeMap::is_empty)
            && metadata.finalizers.as_ref().is_none_or(Vec::is_empty);
    ours.then(|| metadata.resource_version.clone()).flatten()
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
        Ok(answer) => answer.map_err(|error| Trouble::Retry(api_error(&error))),
        Err(_) => Err(Trouble::Retry("no answer".to_owned())),
    }
}
