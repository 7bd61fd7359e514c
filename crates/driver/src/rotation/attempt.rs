//! One rotation of one volume.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keymount_volume::{Ownership, Payload, Record, Replaced, VolumeError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::RotationError;
use crate::budget::Reservation;
use crate::fetch::Content;
use crate::minting::MintError;
use crate::node::Node;
use crate::provider::{Bounds, Lane, Style};
use crate::publish::record;
use crate::request::PublishRequest;
use crate::volume::Failure;

/// How long one rotation may take; what a mount has from kubelet.
const TIMEOUT: Duration = Duration::from_secs(115);

/// How long the files of the previous generation stay, for path walks that began before the switch. The
/// operation lasts as long, so that nothing else happens to the volume meanwhile.
const LINGER: Duration = Duration::from_secs(1);

/// What a rotation did.
struct Rotated {
    /// Files or versions are new.
    changed: bool,
    /// Files are new, and the previous ones are still there.
    previous: Option<Previous>,
}

/// The generation before the one that is shown.
struct Previous {
    ownership: Ownership,
    /// What its files take of the tmpfs.
    bytes: u64,
    /// Its memory; none if the budget has none for it.
    memory: Option<Reservation>,
}

impl Node {
    /// Fetches the content again and replaces it if it is new. The ledger and the reports learn how it
    /// went; a cancelled one leaves no trace.
    pub(crate) async fn rotate(self: Arc<Self>, target: PathBuf, cancel: CancellationToken) {
        let began = Instant::now();
        let outcome = match self.newest_request(&target, &cancel).await {
            Ok(Some(request)) => self.rotate_once(&target, &request, &cancel).await,
            Ok(None) => {
                self.ledger.with(&target, |volume| volume.schedule.wait_for_kubelet());
                return;
            }
            // Kubelet takes the volume away; until then there is nobody to fetch anything for.
            Err(MintError::PodGone) => return,
            Err(error) => Err(RotationError::Mint(error)),
        };
        if cancel.is_cancelled() {
            // The volume is going away, or the process is. Should it stay after all, it is due as before.
            return;
        }
        match outcome {
            Ok(Rotated { changed, previous }) => {
                self.metrics.rotation_succeeded(&self.provider_of(&target), changed, began.elapsed());
                if changed {
                    tracing::info!(target_path = %target.display(), "rotated mounted contents");
                }
                self.reports.rotated(&target, changed);
                if let Some(previous) = previous {
                    self.sweep(&target, previous, &cancel).await;
                }
            }
            Err(error) => {
                self.metrics.rotation_failed(&self.provider_of(&target), error.reason());
                let failure = Failure::from(&error);
                tracing::error!(target_path = %target.display(), err = %error, reason = failure.numbered(), "failed to rotate mounted contents");
                self.fail(&target, failure);
                self.scheduled.notify_one();
            }
        }
    }

    /// What to call the provider with: kubelet's newest request, or where kubelet does not call again one
    /// that this driver makes up to date itself. None if there is none.
    async fn newest_request(
        self: &Arc<Self>,
        target: &Path,
        cancel: &CancellationToken,
    ) -> Result<Option<Arc<PublishRequest>>, MintError> {
        let known = self.ledger.with(target, |volume| (volume.request.clone(), volume.pod_volume.clone()));
        let Some((request, pod_volume)) = known else { return Ok(None) };
        let (Some(minting), Some(request)) = (&self.minting, &request) else { return Ok(request) };
        let deadline = Instant::now() + TIMEOUT;
        let policy = self.csi_driver.token_requests(deadline);
        let renewed = minting.renew(request, pod_volume, policy);
        let Some(renewed) = cancel.run_until_cancelled(renewed).await else { return Ok(None) };
        let (request, pod_volume) = renewed?;
        self.ledger.with(target, |volume| {
            volume.request = Some(Arc::clone(&request));
            volume.pod_volume = pod_volume;
        });
        Ok(Some(request))
    }

    async fn rotate_once(
        self: &Arc<Self>,
        target: &Path,
        request: &Arc<PublishRequest>,
        cancel: &CancellationToken,
    ) -> Result<Rotated, RotationError> {
        let gone = || RotationError::Volume(VolumeError::NotMounted(target.to_owned()));
        let (hold, current) = self
            .ledger
            .with(target, |volume| (Arc::clone(&volume.class), volume.versions.clone()))
            .ok_or_else(gone)?;
        let bounds = Bounds { deadline: Instant::now() + TIMEOUT, cancel };
        let plan = self.plan(request, &hold, bounds).await?;
        if self.providers.style(&plan.provider) != Style::SendsFiles {
            // It may write the files itself, and does so before it answers.
            self.ledger.with(target, |volume| volume.changing = true);
        }
        let mut content = self.fetch(&plan, request, &current, Lane::Rotation, bounds).await?;
        let record = record(request, &content);
        self.ledger.with(target, |volume| volume.changing = true);
        let previous = match content.payload.take() {
            Some(payload) => {
                self.replace(target, payload, record, Ownership { group: request.group }).await?
            }
            None => {
                self.on_volume(target, move |volumes, target| {
                    volumes.commit_provider_written(target, &record)
                })
                .await
                .map_err(RotationError::Volume)?;
                None
            }
        };
        // Versions that become known for the first time, of a volume that the Go driver mounted, are no change.
        let changed = previous.is_some() || (content.versions != current && !current.is_empty());
        self.succeed(target, content, changed);
        Ok(Rotated { changed, previous })
    }

    /// Writes the new generation and shows it, if anything in it is new.
    async fn replace(
        self: &Arc<Self>,
        target: &Path,
        payload: Payload,
        record: Record,
        ownership: Ownership,
    ) -> Result<Option<Previous>, RotationError> {
        // Old and new generation exist together for a moment, of a few volumes at a time: for that the
        // budget leaves room below the memory limit. What has to fit is the growth.
        let _turn = self.replacing.acquire().await.expect("never closed");
        let (new, old) =
            (payload.allocated_bytes(), self.ledger.with(target, |volume| volume.memory.bytes()));
        let old = old.unwrap_or_default();
        let growth = self.budget.reserve(new.saturating_sub(old))?;
        let replaced = self
            .in_memory(target, new.max(old), move |volumes, target| {
                volumes.replace(target, &payload, &record, ownership)
            })
            .await
            .map_err(RotationError::Volume)?;
        drop(growth);
        if replaced == Replaced::Unchanged {
            return Ok(None);
        }
        let memory = self.budget.account(new);
        self.ledger.with(target, |volume| volume.memory = memory);
        Ok(Some(Previous { ownership, bytes: old, memory: self.budget.reserve(old).ok() }))
    }

    /// Removes the previous generation, after a moment if there is memory for it.
    async fn sweep(self: &Arc<Self>, target: &Path, previous: Previous, cancel: &CancellationToken) {
        let Previous { ownership, bytes, memory } = previous;
        if memory.is_some() && cancel.run_until_cancelled(tokio::time::sleep(LINGER)).await.is_none() {
            return;
        }
        let swept =
            self.in_memory(target, bytes, move |volumes, target| volumes.sweep(target, ownership)).await;
        if let Err(error) = swept {
            tracing::warn!(target_path = %target.display(), err = error.report(), "the previous generation remains in the volume until its next rotation");
        }
    }

    fn succeed(&self, target: &Path, content: Content, changed: bool) {
        let (now, keeps_request) = (self.clock.now(), self.rotation.is_some());
        self.ledger.with(target, |volume| {
            volume.versions = content.versions;
            volume.changing = false;
            if changed || volume.content_since.is_none() {
                volume.content_since = Some(now);
            }
            if changed {
                volume.certificates = content.certificates;
            }
            volume.last_success = Some(now);
            volume.fresh_since = Instant::now();
            volume.schedule.succeed();
            volume.last_failure = None;
            if !keeps_request {
                volume.request = None;
            }
        });
    }

    fn fail(&self, target: &Path, failure: Failure) {
        self.ledger.with(target, |volume| {
            volume.changing = false;
            volume.last_failure = Some(failure.clone());
            if failure.waits_for_tokens() && self.minting.is_none() {
                // Kubelet's next call brings new ones; these are of no use to anybody.
                volume.request = None;
                volume.schedule.wait_for_kubelet();
            } else {
                volume.schedule.fail();
            }
        });
        self.reports.rotation_failed(target, &failure);
    }

    fn provider_of(&self, target: &Path) -> String {
        self.ledger.with(target, |volume| volume.provider()).unwrap_or_default()
    }
}
