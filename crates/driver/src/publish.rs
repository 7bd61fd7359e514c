//! Publishing a volume: the flow of a mount.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use keymount_schedule::Schedule;
use keymount_volume::{Ownership, Record, TargetState, VolumeError, Volumes};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::Reservation;
use crate::certificates::Certificates;
use crate::class::ClassHold;
use crate::error::PublishError;
use crate::fetch::{Content, Plan};
use crate::ledger::Published;
use crate::node::Node;
use crate::provider::{Bounds, Lane, Style};
use crate::request::{PodRef, PublishRequest};
use crate::volume::Volume;

/// Bytes that a volume is read or written with before other tasks get their turn: some tenths of a millisecond.
const FEW: u64 = 256 << 10;

impl Node {
    /// Makes the target show the content of its class, or finds that it does.
    pub(crate) async fn publish(
        self: Arc<Self>,
        request: Arc<PublishRequest>,
        deadline: Instant,
        cancel: CancellationToken,
    ) -> Result<Published, PublishError> {
        match self.state_of(&request.target).await? {
            state @ (TargetState::Committed { .. } | TargetState::ProviderWritten { .. }) => {
                self.adopt(request, &state).await;
                return Ok(Published::Unchanged);
            }
            TargetState::Missing | TargetState::Directory | TargetState::Uncommitted => {}
            TargetState::Foreign => return Err(refused(&request, VolumeError::Foreign)),
            TargetState::NotADirectory => return Err(refused(&request, VolumeError::NotADirectory)),
        }
        let bounds = Bounds { deadline, cancel: &cancel };
        let hold = self.classes.hold(request.class_key());
        let published = self.first_mount(&request, &hold, bounds).await;
        if let Err(error) = &published
            && !cancel.is_cancelled()
        {
            self.reports.mount_failed(&request, error);
        }
        published
    }

    async fn first_mount(
        self: &Arc<Self>,
        request: &Arc<PublishRequest>,
        hold: &Arc<ClassHold>,
        bounds: Bounds<'_>,
    ) -> Result<Published, PublishError> {
        let plan = self.plan(request, hold, bounds).await?;
        tracing::debug!(
            target_path = %request.target.display(), pod = request.pod.to_string(), provider = plan.provider,
            "node publish volume"
        );
        let (content, memory) = if self.providers.style(&plan.provider) == Style::SendsFiles {
            self.mount_complete(request, &plan, bounds).await?
        } else {
            self.mount_before_call(request, &plan, bounds).await?
        };
        let now = self.clock.now();
        self.ledger.record(
            &request.target,
            Volume {
                pod: request.pod.clone(),
                class: Arc::clone(hold),
                request: self.rotation.is_some().then(|| Arc::clone(request)),
                pod_volume: None,
                versions: content.versions,
                certificates: content.certificates,
                changing: false,
                content_since: Some(now),
                last_success: Some(now),
                fresh_since: Instant::now(),
                schedule: Schedule::mounted(self.beside(hold, request)),
                last_failure: None,
                owners: None,
                memory,
            },
        );
        self.reports.mounted(&request.target);
        self.scheduled.notify_one();
        Ok(Published::Mounted)
    }

    /// The provider sends its files: the volume is completed where nobody sees it, then attached.
    async fn mount_complete(
        self: &Arc<Self>,
        request: &Arc<PublishRequest>,
        plan: &Plan,
        bounds: Bounds<'_>,
    ) -> Result<(Content, Reservation), PublishError> {
        let content = self.fetch(plan, request, &no_versions(), Lane::FirstMount, bounds).await?;
        if content.payload.is_none() {
            // It wrote to the target path, where no volume was yet.
            self.providers.learn(&plan.provider, Style::WritesFiles);
            return self.mount_before_call(request, plan, bounds).await;
        }
        self.write_payload(request, content).await
    }

    /// The provider writes its files itself, or nobody knows yet: the volume has to be there before the
    /// call, and counts as mounted only once it is marked as complete.
    async fn mount_before_call(
        self: &Arc<Self>,
        request: &Arc<PublishRequest>,
        plan: &Plan,
        bounds: Bounds<'_>,
    ) -> Result<(Content, Reservation), PublishError> {
        let volume_error = |source| PublishError::of_volume(&request.pod, source);
        self.on_volume(&request.target, Volumes::mount_for_provider).await.map_err(volume_error)?;
        let mounted = async {
            let content = self.fetch(plan, request, &no_versions(), Lane::FirstMount, bounds).await?;
            if content.payload.is_some() {
                self.providers.learn(&plan.provider, Style::SendsFiles);
                return self.write_payload(request, content).await;
            }
            self.providers.learn(&plan.provider, Style::WritesFiles);
            let record = record(request, &content);
            self.on_volume(&request.target, move |volumes, target| {
                volumes.commit_provider_written(target, &record)
            })
            .await
            .map_err(volume_error)?;
            Ok((content, self.budget.account(0)))
        };
        match mounted.await {
            Ok(mounted) => Ok(mounted),
            Err(error) => Err(self.undo(request, error).await),
        }
    }

    async fn write_payload(
        self: &Arc<Self>,
        request: &Arc<PublishRequest>,
        mut content: Content,
    ) -> Result<(Content, Reservation), PublishError> {
        let Some(payload) = content.payload.take() else { return Ok((content, self.budget.account(0))) };
        let memory = self
            .budget
            .reserve(payload.allocated_bytes())
            .map_err(|source| PublishError::Budget { pod: request.pod.clone(), source })?;
        let (record, ownership) = (record(request, &content), Ownership { group: request.group });
        self.on_volume(&request.target, move |volumes, target| {
            volumes.publish(target, &payload, &record, ownership)
        })
        .await
        .map_err(|source| PublishError::of_volume(&request.pod, source))?;
        Ok((content, memory))
    }

    /// Takes away what was mounted for the provider. If that fails too, kubelet must go on calling.
    async fn undo(self: &Arc<Self>, request: &Arc<PublishRequest>, error: PublishError) -> PublishError {
        match self.on_volume(&request.target, |volumes, target| volumes.unpublish(target)).await {
            Ok(_) => error,
            Err(source) => {
                tracing::error!(target_path = %request.target.display(), err = source.report(), "failed to unmount target path");
                PublishError::Undo { cause: Box::new(error), source }
            }
        }
    }

    /// A volume that is mounted: keeps the newest request, and puts a volume into the ledger that an
    /// earlier driver process mounted.
    pub(crate) async fn adopt(self: &Arc<Self>, request: Arc<PublishRequest>, state: &TargetState) {
        let target = request.target.clone();
        if self.feed(&request) {
            return;
        }
        tracing::info!(target_path = %target.display(), pod = request.pod.to_string(), "target path is already mounted");
        let found = self
            .on_volume(&target, |volumes, target| Ok((volumes.record(target), volumes.memory_of(target)?)));
        let (recorded, memory) = found.await.unwrap_or_default();
        let incomplete = *state == TargetState::ProviderWritten { committed: false };
        let (versions, written) = match recorded {
            Some(found) => (found.record.versions, Some(found.written)),
            None => (BTreeMap::new(), state.written()),
        };
        let class = self.classes.hold(request.class_key());
        let schedule = Schedule::found(incomplete, self.beside(&class, &request));
        let volume = Volume {
            pod: request.pod.clone(),
            class,
            request: (self.rotation.is_some() || incomplete).then_some(request),
            pod_volume: None,
            versions,
            certificates: Certificates::Unread,
            changing: false,
            content_since: written,
            last_success: None,
            fresh_since: Instant::now(),
            schedule,
            last_failure: None,
            owners: None,
            memory: self.budget.account(memory),
        };
        self.ledger.record(&target, volume);
        self.reports.adopted(&target);
        self.scheduled.notify_one();
    }

    /// Hands kubelet's newest tokens and secrets to the ledger. Says whether it has the volume.
    pub(crate) fn feed(&self, request: &Arc<PublishRequest>) -> bool {
        let fed = self.ledger.with(&request.target, |volume| {
            if self.rotation.is_some() || volume.request.is_some() {
                volume.request = Some(Arc::clone(request));
            }
            volume.schedule.kubelet_called()
        });
        if fed == Some(true) {
            self.scheduled.notify_one();
        }
        fed.is_some()
    }

    /// Whether the target is a complete volume (invariant I1).
    pub(crate) async fn is_mounted(self: &Arc<Self>, request: Arc<PublishRequest>) -> bool {
        let state = self.state_of(&request.target).await;
        matches!(state, Ok(TargetState::Committed { .. } | TargetState::ProviderWritten { .. }))
    }

    pub(crate) async fn state_of(self: &Arc<Self>, target: &Path) -> Result<TargetState, PublishError> {
        let state = async {
            if self.ledger.with(target, |_| ()).is_some() {
                return self.in_memory(target, 0, Volumes::inspect).await;
            }
            // Whatever is mounted there, it is not known to be ours, and may have to wait for a server.
            match self.volumes.inspect_unmounted(target)? {
                Some(state) => Ok(state),
                None => self.on_volume(target, Volumes::inspect).await,
            }
        };
        state.await.map_err(|source| PublishError::Target { target: target.to_owned(), source })
    }

    /// Runs an operation that reads and writes nothing but a mounted volume, which is memory: here if it is about
    /// few bytes, because a hand-over to another thread and back would cost more than the whole of it.
    pub(crate) async fn in_memory<T: Send + 'static>(
        self: &Arc<Self>,
        target: &Path,
        bytes: u64,
        operation: impl FnOnce(&Volumes, &Path) -> Result<T, VolumeError> + Send + 'static,
    ) -> Result<T, VolumeError> {
        match bytes {
            0..=FEW => operation(&self.volumes, target),
            _ => self.on_volume(target, operation).await,
        }
    }

    /// Runs a blocking operation of the volume crate where it may block.
    pub(crate) async fn on_volume<T: Send + 'static>(
        self: &Arc<Self>,
        target: &Path,
        operation: impl FnOnce(&Volumes, &Path) -> Result<T, VolumeError> + Send + 'static,
    ) -> Result<T, VolumeError> {
        let (volumes, target) = (Arc::clone(&self.volumes), target.to_owned());
        match tokio::task::spawn_blocking(move || operation(&volumes, &target)).await {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

pub(crate) fn record(request: &PublishRequest, content: &Content) -> Record {
    let PodRef { namespace, name, uid } = request.pod.clone();
    Record {
        pod_namespace: namespace,
        pod_name: name,
        pod_uid: uid,
        class: request.class.clone(),
        versions: content.versions.clone(),
    }
}

const fn no_versions() -> BTreeMap<String, String> {
    BTreeMap::new()
}

fn refused(request: &PublishRequest, error: impl FnOnce(std::path::PathBuf) -> VolumeError) -> PublishError {
    PublishError::Target { target: request.target.clone(), source: error(request.target.clone()) }
}
