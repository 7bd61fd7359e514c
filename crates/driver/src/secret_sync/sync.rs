//! The task that keeps Secrets in sync.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use keymount_api::{SecretObject, SecretProviderClass};
use keymount_clock::{WallClock, jitter};
use keymount_schedule::{Done, Queue, WritePace};
use keymount_volume::{VolumeError, Volumes};
use kube::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::desired::{DesiredError, Source, desired};
use super::owners::{self, PodOwners};
use super::problem::Problem;
use super::write::{Target, Written};
use crate::events::Events;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::request::{ClassKey, PodRef};
use crate::status::{StatusKey, StatusWriter};

/// Secrets that are worked on at one time.
const WORKERS: usize = 4;

/// When to look again for a status object that is being written.
const OWNER_EXPECTED: Duration = Duration::from_millis(500);

/// Pods on which a failure is told by an event; all of them have it in their status.
const EVENTS: usize = 10;

/// One Secret of one class.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SecretKey {
    /// The class.
    pub(crate) class: ClassKey,
    /// Name of the Secret.
    pub(crate) secret: String,
}

/// What the syncing is built on.
pub(crate) struct Parts {
    /// The API.
    pub(crate) client: Client,
    /// Pace of writes.
    pub(crate) pace: Arc<WritePace>,
    /// Volumes whose files the Secrets are made of.
    pub(crate) ledger: Arc<Ledger>,
    /// To read the files.
    pub(crate) volumes: Arc<Volumes>,
    /// Owners of pods that nothing owns.
    pub(crate) status: Arc<StatusWriter>,
    /// Where failures are told.
    pub(crate) events: Arc<Events>,
    /// Where work is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// To tell whether a time that another node wrote can be.
    pub(crate) clock: WallClock,
    /// How often a Secret is compared with its volume; zero is never.
    pub(crate) repair: Duration,
}

/// Keeps the Secrets of this node's classes in sync.
pub(crate) struct SecretSync {
    parts: Parts,
    queue: Arc<Queue<SecretKey>>,
    /// Every Secret that a class of this node wants, or wanted when that was last looked at.
    known: Mutex<HashMap<SecretKey, Option<Synced>>>,
}

/// What is remembered of a Secret that is in sync.
struct Synced {
    fingerprint: [u8; 32],
    owners: Vec<String>,
    compared: Instant,
}

/// A volume that a Secret can be made from.
struct Candidate {
    target: PathBuf,
    pod: PodRef,
    provider: String,
    versions: BTreeMap<String, String>,
    since: Option<Timestamp>,
    owners: Option<Arc<PodOwners>>,
}

/// How a Secret was brought up to date.
struct Outcome {
    written: Written,
    /// Whether every pod's owner is known; if not, another look is due soon.
    complete: bool,
}

impl SecretSync {
    /// Syncing that has nothing to do yet.
    #[must_use]
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, queue: Queue::new(), known: Mutex::default() })
    }

    /// Works until `stop` is cancelled.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let queue = Arc::clone(&self.queue);
        let work = move |key| {
            let sync = Arc::clone(&self);
            async move { sync.bring_up_to_date(&key).await }
        };
        queue.run(WORKERS, stop, work).await;
    }

    /// Something about a class or its volumes has changed: its Secrets are looked at, also those that it
    /// does not want any more.
    pub(crate) fn class_changed(&self, class: &ClassKey) {
        let mut secrets: BTreeSet<String> = self
            .class(class)
            .iter()
            .flat_map(|class| &class.spec.secret_objects)
            .map(|object| object.secret_name.trim().to_owned())
            .collect();
        let known = |key: &&SecretKey| key.class == *class;
        secrets.extend(self.known().keys().filter(known).map(|key| key.secret.clone()));
        for secret in secrets {
            self.queue.add(SecretKey { class: class.clone(), secret });
        }
    }

    /// Secrets that wait to be written.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.queue.pending()
    }

    async fn bring_up_to_date(&self, key: &SecretKey) -> Done {
        let class = self.class(&key.class);
        let objects: Vec<&SecretObject> = class
            .iter()
            .flat_map(|class| &class.spec.secret_objects)
            .filter(|object| object.secret_name.trim() == key.secret)
            .collect();
        let candidates = self.candidates(&key.class);
        let newest = candidates.iter().max_by_key(|candidate| candidate.since);
        let (Some(object), Some(newest)) = (objects.first(), newest) else {
            // No volume or no such secretObject any more: the garbage collector does the rest.
            self.known().remove(key);
            self.tell(&candidates, key, None);
            return Done::Finished;
        };
        let was_there = self.known().entry(key.clone()).or_default().is_some();
        let began = Instant::now();
        let synced = match objects.len() {
            1 => self.sync(key, object, newest, &candidates).await,
            _ => Err(Problem::from(&named_twice(key))),
        };
        match synced {
            Ok(outcome) => {
                if matches!(outcome.written, Written::Created | Written::Updated) {
                    self.parts.metrics.secret_synced(&newest.provider, began.elapsed());
                    if let Some(took) = self.queue.asked_ago(key) {
                        self.parts.metrics.converged("secret", took);
                    }
                }
                if outcome.written == Written::Created && was_there {
                    self.doubt_owners(&candidates, key);
                }
                self.tell(&candidates, key, None);
                if outcome.written == Written::Updated {
                    self.tell_of_update(&candidates, key);
                }
                match self.parts.repair {
                    _ if !outcome.complete => Done::Again(OWNER_EXPECTED),
                    Duration::ZERO => Done::Finished,
                    repair => Done::Again(repair.mul_f64(0.9 + jitter::fraction() / 5.0)),
                }
            }
            Err(problem) => {
                tracing::warn!(
                    secret = key.secret,
                    class = key.class.name,
                    namespace = key.class.namespace,
                    err = problem.text,
                    reason = keymount_reasons::numbered(problem.reason),
                    "failed to sync kubernetes secret"
                );
                self.parts.metrics.secret_failed(&newest.provider, problem.reason);
                self.tell(&candidates, key, Some(&problem));
                problem.next
            }
        }
    }

    async fn sync(
        &self,
        key: &SecretKey,
        object: &SecretObject,
        newest: &Candidate,
        candidates: &[Candidate],
    ) -> Result<Outcome, Problem> {
        let (volumes, target) = (Arc::clone(&self.parts.volumes), newest.target.clone());
        let files = match tokio::task::spawn_blocking(move || volumes.read_files(&target)).await {
            Ok(Ok(files)) => files,
            // The pod is going away; the next look finds another volume, or none.
            Ok(Err(VolumeError::NotMounted(_))) => {
                return Ok(Outcome { written: Written::No, complete: false });
            }
            Ok(Err(error)) => return Err(Problem::files(&error.report())),
            Err(_) => return Err(Problem::files("reading them panicked")),
        };
        if !self.is_settled(newest) {
            // What was read may be newer than the versions it would be written with.
            return Ok(Outcome { written: Written::No, complete: false });
        }
        let source =
            Source { class: &key.class.name, files: &files, versions: &newest.versions, since: newest.since };
        let desired =
            desired(&key.class.namespace, object, &source).map_err(|error| Problem::from(&error))?;
        drop(files);
        let (owners, complete) = self.owners(key, candidates).await?;
        if owners.is_empty() {
            // Without an owner the Secret would outlive everybody who needs it.
            return Ok(Outcome { written: Written::No, complete });
        }
        let fingerprint = desired.fingerprint();
        let uids: Vec<String> = owners.iter().map(|owner| owner.uid.clone()).collect();
        if self.is_in_sync(key, &fingerprint, &uids) {
            return Ok(Outcome { written: Written::No, complete });
        }
        let target = Target {
            client: &self.parts.client,
            pace: &self.parts.pace,
            namespace: &key.class.namespace,
            name: &key.secret,
            class: &key.class.name,
            now: self.parts.clock.now(),
        };
        let written =
            target.bring_to(&desired, newest.since, &owners).await.map_err(|error| Problem::from(&error))?;
        if written != Written::NewerThere {
            let now = Synced { fingerprint, owners: uids, compared: Instant::now() };
            self.known().insert(key.clone(), Some(now));
        }
        Ok(Outcome { written, complete })
    }

    /// Owners of all pods, and whether that is all: a pod that nothing owns is represented by its status
    /// object, which may not have been written yet.
    async fn owners(
        &self,
        key: &SecretKey,
        candidates: &[Candidate],
    ) -> Result<(Vec<OwnerReference>, bool), Problem> {
        let (mut all, mut complete) = (BTreeMap::new(), true);
        for candidate in candidates {
            match self.owners_of(candidate).await?.as_ref() {
                PodOwners::Owners(owners) => {
                    all.extend(owners.iter().map(|owner| (owner.uid.clone(), owner.clone())));
                }
                PodOwners::Gone => {}
                PodOwners::None => {
                    let status = StatusKey { pod: candidate.pod.clone(), class: key.class.name.clone() };
                    match self.parts.status.identity(&status) {
                        Some((name, uid)) => {
                            all.insert(uid.clone(), owners::status_object(name, uid));
                        }
                        None => complete = false,
                    }
                }
            }
        }
        Ok((all.into_values().collect(), complete))
    }

    /// One GET in the life of a volume.
    async fn owners_of(&self, candidate: &Candidate) -> Result<Arc<PodOwners>, Problem> {
        if let Some(owners) = &candidate.owners {
            return Ok(Arc::clone(owners));
        }
        let owners = Arc::new(owners::of_pod(&self.parts.client, &candidate.pod).await?);
        self.parts.ledger.with(&candidate.target, |volume| volume.owners = Some(Arc::clone(&owners)));
        Ok(owners)
    }

    fn is_in_sync(&self, key: &SecretKey, fingerprint: &[u8; 32], owners: &[String]) -> bool {
        self.known().get(key).and_then(Option::as_ref).is_some_and(|synced| {
            let compared = synced.compared.elapsed();
            let fresh = self.parts.repair.is_zero() || compared < self.parts.repair.mul_f64(0.8);
            fresh
                && synced.fingerprint == *fingerprint
                && owners.iter().all(|owner| synced.owners.contains(owner))
        })
    }

    /// Whether the files have been those of the candidate's versions until now.
    fn is_settled(&self, candidate: &Candidate) -> bool {
        let same = self
            .parts
            .ledger
            .with(&candidate.target, |volume| !volume.changing && volume.versions == candidate.versions);
        same == Some(true)
    }

    fn candidates(&self, class: &ClassKey) -> Vec<Candidate> {
        let mut all = Vec::new();
        self.parts.ledger.for_each(|path, volume| {
            if volume.class.key() == class {
                all.push(Candidate {
                    target: path.to_owned(),
                    pod: volume.pod.clone(),
                    provider: volume.provider(),
                    versions: volume.versions.clone(),
                    since: volume.content_since,
                    owners: volume.owners.clone(),
                });
            }
        });
        all
    }

    fn class(&self, class: &ClassKey) -> Option<Arc<SecretProviderClass>> {
        let mut known = None;
        self.parts.ledger.for_each(|_, volume| {
            if known.is_none() && volume.class.key() == class {
                known = volume.class.known();
            }
        });
        known
    }

    /// Failures go to the status of every pod, and to events of some.
    fn tell(&self, candidates: &[Candidate], key: &SecretKey, problem: Option<&Problem>) {
        for (number, candidate) in candidates.iter().enumerate() {
            let status = StatusKey { pod: candidate.pod.clone(), class: key.class.name.clone() };
            self.parts.status.synced(&status, &key.secret, problem.map(Problem::failure));
            if let Some(problem) = problem.filter(|_| number < EVENTS) {
                self.parts.events.warning(&candidate.pod, "FailedToCreateSecret", &problem.failure().event());
            }
        }
    }

    /// A Secret that was there had gone. It may have been collected because a status object that owned it
    /// was deleted: they are looked at again.
    fn doubt_owners(&self, candidates: &[Candidate], key: &SecretKey) {
        for candidate in
            candidates.iter().filter(|candidate| candidate.owners.as_deref() == Some(&PodOwners::None))
        {
            let status = StatusKey { pod: candidate.pod.clone(), class: key.class.name.clone() };
            self.parts.status.look_again(&status);
        }
    }

    fn tell_of_update(&self, candidates: &[Candidate], key: &SecretKey) {
        let text = format!("successfully rotated K8s secret {}", key.secret);
        for candidate in candidates.iter().take(EVENTS) {
            self.parts.events.normal(&candidate.pod, "SecretRotationComplete", &text);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<SecretKey, Option<Synced>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn named_twice(key: &SecretKey) -> DesiredError {
    DesiredError::Invalid {
        namespace: key.class.namespace.clone(),
        class: key.class.name.clone(),
        problem: "several secretObjects have the same secretName (give each a name of its own, or put all data into one)",
    }
}
