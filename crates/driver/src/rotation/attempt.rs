//! One rotation of one volume.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keymount_volume::{Ownership, Replaced, VolumeError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::OverBudget;
use crate::error::FetchError;
use crate::node::Node;
use crate::provider::{Bounds, Lane, ProviderError};
use crate::publish::record;
use crate::request::PublishRequest;
use crate::volume::Failure;

/// How long one rotation may take; what a mount has from kubelet.
const TIMEOUT: Duration = Duration::from_secs(115);

/// How long the files of the previous generation stay, for path walks that began before the switch. The
/// operation lasts as long, so that nothing else happens to the volume meanwhile.
const LINGER: Duration = Duration::from_secs(1);

/// Why a rotation changed nothing. The volume shows what it showed before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Budget(#[from] OverBudget),
    #[error("{}", .0.report())]
    Volume(VolumeError),
}

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotated {
    /// Files or versions are new.
    Changed,
    /// Everything is as it was, and nothing was written.
    Unchanged,
}

impl Node {
    /// Fetches the content again and replaces it if it is new. The ledger and the reports learn how it
    /// went; a cancelled one leaves no trace.
    pub(crate) async fn rotate(self: Arc<Self>, target: PathBuf, cancel: CancellationToken) {
        let Some(request) = self.ledger.with(&target, |volume| volume.request.clone()).flatten() else {
            self.ledger.with(&target, |volume| volume.schedule.wait_for_kubelet());
            return;
        };
        let began = Instant::now();
        let outcome = self.rotate_once(&target, &request, &cancel).await;
        if cancel.is_cancelled() {
            // The volume is going away, or the process is. Should it stay after all, it is due as before.
            return;
        }
        let changed = matches!(outcome, Ok(Rotated::Changed));
        match outcome {
            Ok(rotated) => {
                self.metrics.rotation_succeeded(
                    &self.provider_of(&target),
                    rotated == Rotated::Changed,
                    began.elapsed(),
                );
                if rotated == Rotated::Changed {
                    tracing::info!(target_path = %target.display(), pod = request.pod.to_string(), "rotated mounted contents");
                }
                self.reports.rotated(&target, rotated == Rotated::Changed);
            }
            Err(error) => {
                self.metrics.rotation_failed(&self.provider_of(&target), error.reason());
                tracing::error!(target_path = %target.display(), pod = request.pod.to_string(), err = %error, "failed to rotate mounted contents");
                self.fail(&target, Failure::from(&error));
            }
        }
        self.scheduled.notify_one();
        if changed && cancel.run_until_cancelled(tokio::time::sleep(LINGER)).await.is_some() {
            let ownership = Ownership { group: request.group };
            let swept =
                self.on_volume(&target, move |volumes, target| volumes.sweep(target, ownership)).await;
            if let Err(error) = swept {
                tracing::warn!(target_path = %target.display(), err = error.report(), "the previous generation remains in the volume until its next rotation");
            }
        }
    }

    async fn rotate_once(
        self: &Arc<Self>,
        target: &Path,
        request: &Arc<PublishRequest>,
        cancel: &CancellationToken,
    ) -> Result<Rotated, RotationError> {
        let gone = || RotationError::Volume(VolumeError::NotMounted(target.to_owned()));
        let (hold, current, held) = self
            .ledger
            .with(target, |volume| {
                (Arc::clone(&volume.class), volume.versions.clone(), volume.memory.bytes())
            })
            .ok_or_else(gone)?;
        let bounds = Bounds { deadline: Instant::now() + TIMEOUT, cancel };
        let plan = self.plan(request, &hold, bounds).await?;
        let mut content = self.fetch(&plan, request, &current, Lane::Rotation, bounds).await?;
        let record = record(request, &content);
        let (replaced, memory) = match content.payload.take() {
            Some(payload) => {
                // Old and new generation exist together for a moment, of a few volumes at a time: for that
                // the budget leaves room below the memory limit. What has to fit is the growth.
                let _turn = self.replacing.acquire().await.expect("never closed");
                let new = payload.allocated_bytes();
                let growth = self.budget.reserve(new.saturating_sub(held))?;
                let ownership = Ownership { group: request.group };
                let replaced = self
                    .on_volume(target, move |volumes, target| {
                        volumes.replace(target, &payload, &record, ownership)
                    })
                    .await
                    .map_err(RotationError::Volume)?;
                let memory = (replaced == Replaced::Written).then(|| self.budget.account(new));
                drop(growth);
                (replaced, memory)
            }
            None => {
                self.on_volume(target, move |volumes, target| {
                    volumes.commit_provider_written(target, &record)
                })
                .await
                .map_err(RotationError::Volume)?;
                (Replaced::Unchanged, None)
            }
        };
        // Versions that become known for the first time, of a volume that the Go driver mounted, are no change.
        let changed = replaced == Replaced::Written || (content.versions != current && !current.is_empty());
        let (now, keeps_request) = (self.clock.now(), self.rotation.is_some());
        self.ledger.with(target, |volume| {
            volume.versions = content.versions;
            if changed || volume.content_since.is_none() {
                volume.content_since = Some(now);
            }
            volume.last_success = Some(now);
            volume.fresh_since = Instant::now();
            volume.schedule.succeed();
            volume.last_failure = None;
            if !keeps_request {
                volume.request = None;
            }
            if let Some(memory) = memory {
                volume.memory = memory;
            }
        });
        Ok(if changed { Rotated::Changed } else { Rotated::Unchanged })
    }

    fn fail(&self, target: &Path, failure: Failure) {
        self.ledger.with(target, |volume| {
            volume.last_failure = Some(failure.clone());
            if failure.waits_for_tokens() {
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

impl RotationError {
    /// Metric reason.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Fetch(error) => error.answer().1,
            Self::Budget(_) | Self::Volume(_) => crate::error::reason::FILE_WRITE_ERROR,
        }
    }
}

impl From<&RotationError> for Failure {
    fn from(error: &RotationError) -> Self {
        match error {
            RotationError::Fetch(error) => Self::from(error),
            RotationError::Budget(error) => {
                Self { reason: "MountedBytesBudgetExceeded".to_owned(), message: error.to_string() }
            }
            RotationError::Volume(_) => Self {
                reason: "VolumeNotWritten".to_owned(),
                message: "the new content could not be written on the node; the driver's log says why"
                    .to_owned(),
            },
        }
    }
}

impl From<&FetchError> for Failure {
    /// What users of the namespace may read: the stage and a code, no address of a vault, no identity.
    /// The whole text stands in the driver's log.
    fn from(error: &FetchError) -> Self {
        let (reason, message) = match error {
            FetchError::ClassNotSet
            | FetchError::ProviderNotSet(_)
            | FetchError::ParametersNotSet(_)
            | FetchError::NotReadonly => ("ClassInvalid", error.to_string()),
            FetchError::NoPodInfo => ("PodInfoMissing", error.to_string()),
            FetchError::CsiDriver { .. } => (
                "CsiDriverNotReadable",
                "the driver could not read its CSIDriver object; its log says why".to_owned(),
            ),
            FetchError::TokensExpired => (Self::TOKENS_EXPIRED, error.to_string()),
            FetchError::Class { class, .. } => (
                "ClassNotReadable",
                format!("SecretProviderClass {}/{} could not be read", class.namespace, class.name),
            ),
            FetchError::Payload { source, .. } => ("FilesRefused", source.to_string()),
            FetchError::Provider { provider, source, .. } => {
                let (reason, what) = match source {
                    ProviderError::InvalidName(_) | ProviderError::NotFound { .. } => {
                        ("ProviderNotFound", "is not installed on this node".to_owned())
                    }
                    ProviderError::Refused { .. } => {
                        ("ProviderUnavailable", "is not running on this node".to_owned())
                    }
                    ProviderError::Deadline(_) => ("ProviderTimeout", "did not answer in time".to_owned()),
                    ProviderError::Cancelled => ("Cancelled", "was not asked to the end".to_owned()),
                    ProviderError::Rpc { code, message } => (
                        "ProviderError",
                        format!("answered {}{}", crate::provider::go_code(*code), crate::digest::of(message)),
                    ),
                    ProviderError::Code(_) => ("ProviderError", "answered with an error code".to_owned()),
                    ProviderError::MissingVersions => ("ProviderError", "named no object version".to_owned()),
                };
                (reason, format!("provider {provider:?} {what}; its log and the driver's say more"))
            }
        };
        Self { reason: reason.to_owned(), message }
    }
}
