//! The node: everything an operation on a volume needs, in one place.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keymount_clock::WallClock;
use keymount_schedule::{Done, Queue, WritePace};
use keymount_volume::{Limits, TargetGuard, TmpfsOptions, VolumeOptions, Volumes};
use kube::Client;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::class::{ClassHold, Classes};
use crate::config::{Config, VolumeLimits};
use crate::events::Events;
use crate::kubernetes::CsiDriverWatch;
use crate::ledger::{Ledger, PublishOutcome, UnpublishOutcome};
use crate::metrics::Metrics;
use crate::minting::Minting;
use crate::provider::{Directories, Providers};
use crate::reports::Reports;
use crate::request::{ClassKey, PublishRequest};
use crate::rotation::{Intervals, RefreshLimits};
use crate::secret_sync::{Parts, SecretSync};
use crate::startup_taint::StartupTaint;
use crate::status::{self, StatusWriter};

/// With the largest reply of a provider (4 MiB by default) these volumes take 16 MiB beyond the budget.
const REPLACED_AT_ONCE: usize = 4;

/// What this node mounts, and with what.
pub(crate) struct Node {
    pub(crate) clock: WallClock,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) volumes: Arc<Volumes>,
    pub(crate) payload_limits: Limits,
    pub(crate) budget: Arc<Budget>,
    pub(crate) classes: Classes,
    pub(crate) csi_driver: CsiDriverWatch,
    pub(crate) providers: Arc<Providers>,
    /// The taint that is taken off when all is ready; none unless the operator asks for it.
    pub(crate) startup_taint: Option<Arc<StartupTaint>>,
    pub(crate) rotation: Option<Intervals>,
    /// Makes tokens where kubelet does not bring them; none unless the operator asks for it.
    pub(crate) minting: Option<Minting>,
    /// Name of this node.
    pub(crate) name: String,
    pub(crate) reports: Reports,
    pub(crate) metrics: Arc<Metrics>,
    /// Volumes whose content may be replaced at one time: each takes twice its memory meanwhile.
    pub(crate) replacing: Semaphore,
    /// A volume got a new time at which it is due.
    pub(crate) scheduled: Notify,
    class_changes: Arc<Queue<ClassKey>>,
    refreshes: Mutex<RefreshLimits>,
}

/// A node and the tasks that it needs to have running.
pub(crate) struct Assembled {
    /// The node.
    pub(crate) node: Arc<Node>,
    /// Sends events until the token given to [`Node::assemble`] is cancelled.
    pub(crate) events: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Node {
    /// Puts a node together. Nothing is asked of anybody but the CSIDriver object, in the background.
    /// Must be called within a runtime.
    #[must_use]
    pub(crate) fn assemble(
        config: &Config,
        client: Client,
        clock: WallClock,
        closing: &CancellationToken,
    ) -> Assembled {
        let ledger = Arc::new(Ledger::new(closing.clone()));
        let metrics = Arc::new(Metrics::new(&config.driver_name));
        let volumes = Arc::new(Volumes::new(volume_options(config), clock.clone()));
        let pace = Arc::new(WritePace::new(config.api_writes));
        let node_name = config.node_id.clone();
        let (events, send_events) =
            Events::new(client.clone(), node_name.clone(), clock.clone(), Arc::clone(&pace), closing.clone());
        let status = StatusWriter::new(status::Parts {
            client: client.clone(),
            node: node_name.clone(),
            rotates: config.rotation.is_some(),
            clock: clock.clone(),
            pace: Arc::clone(&pace),
            ledger: Arc::clone(&ledger),
            volumes: Arc::clone(&volumes),
            metrics: Arc::clone(&metrics),
        });
        let secrets = SecretSync::new(Parts {
            client: client.clone(),
            pace,
            ledger: Arc::clone(&ledger),
            volumes: Arc::clone(&volumes),
            status: Arc::clone(&status),
            events: Arc::clone(&events),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
            repair: config.secret_repair_interval,
        });
        let class_changes = Queue::new();
        let classes = Classes::new(client.clone(), Arc::clone(&class_changes));
        let directories = Directories::new(config.provider_directories.clone());
        let node = Self {
            clock: clock.clone(),
            reports: Reports { ledger: Arc::clone(&ledger), status, secrets, events },
            ledger,
            volumes,
            payload_limits: payload_limits(&config.volume, config.provider.max_reply_bytes),
            budget: Budget::new(config.volume.budget),
            classes,
            minting: (config.mints_tokens && config.rotation.is_some())
                .then(|| Minting::new(client.clone(), config.driver_name.clone(), clock.clone())),
            startup_taint: config
                .startup_taint
                .as_ref()
                .map(|settings| Arc::new(StartupTaint::new(settings, client.clone(), node_name.clone()))),
            name: node_name,
            csi_driver: CsiDriverWatch::start(client, &config.driver_name),
            providers: Arc::new(Providers::new(directories, config.provider)),
            rotation: config.rotation.map(Intervals::new),
            metrics,
            replacing: Semaphore::new(REPLACED_AT_ONCE),
            scheduled: Notify::new(),
            class_changes,
            refreshes: Mutex::new(RefreshLimits::new(config.rotation)),
        };
        Assembled { node: Arc::new(node), events: Box::pin(send_events) }
    }

    /// Publishes a volume, or finds that it is published. The operation goes on when the caller goes
    /// away.
    ///
    /// # Errors
    /// [`PublishError`](crate::error::PublishError).
    pub(crate) async fn node_publish(
        self: &Arc<Self>,
        request: PublishRequest,
        deadline: Instant,
    ) -> PublishOutcome {
        let request = Arc::new(request);
        let outcome = self
            .ledger
            .publish(
                Arc::clone(&request),
                |request, cancel| Arc::clone(self).publish(request, deadline, cancel),
                |request| self.is_mounted(request),
            )
            .await;
        // The newest tokens count, also of a request that had nothing else to do.
        self.feed(&request);
        match &outcome {
            Ok(_) => {
                let provider = self.ledger.with(&request.target, |volume| volume.provider());
                self.metrics.published(&provider.unwrap_or_default());
            }
            Err(error) => self.metrics.publish_failed(error.provider(), error.answer().1),
        }
        outcome
    }

    /// Unpublishes a volume. Works without API server and provider.
    ///
    /// # Errors
    /// [`UnpublishError`](crate::error::UnpublishError).
    pub(crate) async fn node_unpublish(self: &Arc<Self>, target: PathBuf) -> UnpublishOutcome {
        let outcome = self.ledger.unpublish(&target, || Arc::clone(self).unpublish(target.clone())).await;
        match &outcome {
            Ok(()) => self.metrics.unpublished(),
            Err(_) => self.metrics.unpublish_failed(),
        }
        outcome
    }

    /// Follows classes as they become known and change, until `stop` is cancelled: their Secrets follow at
    /// once, their volumes have another interval, or are fetched again if the author asks for it.
    pub(crate) async fn follow_classes(self: Arc<Self>, stop: CancellationToken) {
        let changed = Arc::clone(&self.class_changes);
        let look = move |class| {
            self.class_changed(&class);
            std::future::ready(Done::Finished)
        };
        changed.run(1, stop, look).await;
    }

    fn class_changed(&self, class: &ClassKey) {
        self.reports.class_changed(class);
        if self.rotation.is_some() && self.classes.held(class).is_some_and(|hold| hold.takes_refresh()) {
            self.refresh(class);
        }
        self.scheduled.notify_one();
    }

    /// Lets the volumes of a class be fetched, within the limits of its namespace.
    fn refresh(&self, class: &ClassKey) {
        let (mut all, mut waiting) = (0, 0);
        self.ledger.for_each(|_, volume| {
            if volume.class.key() == class {
                all += 1;
                waiting += usize::from(volume.schedule.is_asked());
            }
        });
        if all == waiting {
            // No volume, or each of them is about to be fetched for an earlier wish: that meets this one.
            return;
        }
        let at = self.refreshes.lock().unwrap_or_else(PoisonError::into_inner).next(&class.namespace);
        tracing::info!(
            class = class.name,
            namespace = class.namespace,
            volumes = all,
            "refresh was asked for"
        );
        self.ledger.for_each(|_, volume| {
            if volume.class.key() == class {
                volume.schedule.ask(at);
            }
        });
    }

    /// Interval of a class; none while volumes do not rotate.
    pub(crate) fn interval_of(&self, hold: &ClassHold) -> Option<Duration> {
        self.rotation.map(|rules| rules.of(hold.known().as_deref()))
    }
}

fn volume_options(config: &Config) -> VolumeOptions {
    let VolumeLimits { pods_directory, size, noexec, .. } = &config.volume;
    let files = u64::try_from(config.volume.max_files).unwrap_or(u64::MAX);
    VolumeOptions {
        guard: pods_directory.clone().map_or(TargetGuard::Any, TargetGuard::Under),
        tmpfs: TmpfsOptions {
            size_limit: *size,
            // Files, links and directories of two generations.
            inode_limit: files.saturating_mul(6).saturating_add(64),
            noexec: *noexec,
            ..TmpfsOptions::default()
        },
        read_limits: payload_limits(&config.volume, config.provider.max_reply_bytes),
        driver_name: config.driver_name.clone(),
    }
}

fn payload_limits(volume: &VolumeLimits, max_reply_bytes: usize) -> Limits {
    Limits {
        max_files: volume.max_files,
        max_bytes: u64::try_from(max_reply_bytes).unwrap_or(u64::MAX),
        ..Limits::default()
    }
}
