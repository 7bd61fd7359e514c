//! Volumes that an earlier driver process mounted.
//!
//! Their memory counts from the start. Whose they are kubelet says with its next call; where it does not
//! call again, and the operator lets the driver make tokens itself, the pod is read by name. Status objects
//! are never asked: tenants can edit them (CVE-2020-8568).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keymount_schedule::{Done, Queue};
use keymount_volume::{TargetState, parse_target};
use tokio_util::sync::CancellationToken;

use crate::ledger::Published;
use crate::minting::MintError;
use crate::node::Node;
use crate::request::{PodRef, PublishRequest};

/// Volumes that are looked up at one time.
const WORKERS: usize = 4;

impl Node {
    /// Finds the volumes that are mounted, before anything else happens to them. Asks nobody but the kernel.
    pub(crate) async fn find_mounted(self: &Arc<Self>) -> Vec<PathBuf> {
        let volumes = Arc::clone(&self.volumes);
        let found = tokio::task::spawn_blocking(move || {
            let with_memory = |target: PathBuf| {
                let memory = volumes.memory_of(&target).unwrap_or_default();
                (target, memory)
            };
            volumes
                .mounted()
                .map(|all| all.into_iter().map(|found| with_memory(found.target)).collect::<Vec<_>>())
        });
        let found = match found.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::error!(
                    err = error.report(),
                    "cannot find mounted volumes, each is found when kubelet calls"
                );
                return Vec::new();
            }
            Err(_) => return Vec::new(),
        };
        if !found.is_empty() {
            tracing::info!(volumes = found.len(), "found mounted volumes");
        }
        for (target, memory) in &found {
            self.ledger.found(target, self.budget.account(*memory));
        }
        found.into_iter().map(|(target, _)| target).collect()
    }

    /// Learns whose the volumes are without kubelet, until `stop` is cancelled.
    pub(crate) async fn discover(self: Arc<Self>, targets: Vec<PathBuf>, stop: CancellationToken) {
        let queue = Queue::new();
        targets.into_iter().for_each(|target| queue.add(target));
        let work = move |target: PathBuf| {
            let node = Arc::clone(&self);
            async move { node.discover_one(&target).await }
        };
        queue.run(WORKERS, stop, work).await;
    }

    async fn discover_one(self: &Arc<Self>, target: &Path) -> Done {
        if !self.ledger.is_unknown(target) {
            return Done::Finished;
        }
        match self.request_from_pod(target).await {
            Ok(request) => {
                let adopt = |request: Arc<PublishRequest>, _| Arc::clone(self).adopt_if_mounted(request);
                let _ = self.ledger.publish(request, adopt, |request| self.is_mounted(request)).await;
                Done::Finished
            }
            Err(MintError::PodGone) => Done::Finished,
            Err(error) => {
                tracing::warn!(target_path = %target.display(), err = %error, "cannot find out whose volume this is");
                Done::Failed
            }
        }
    }

    async fn request_from_pod(self: &Arc<Self>, target: &Path) -> Result<Arc<PublishRequest>, MintError> {
        let Some(minting) = &self.minting else { return Err(MintError::PodGone) };
        let recorded = self.on_volume(target, |volumes, target| Ok(volumes.record(target))).await;
        let pod = match recorded.ok().flatten() {
            Some(found) => PodRef {
                namespace: found.record.pod_namespace,
                name: found.record.pod_name,
                uid: found.record.pod_uid,
            },
            None => {
                let identity = parse_target(target).ok_or(MintError::PodGone)?;
                minting.pod_of(&identity.pod_uid, &self.name).await?
            }
        };
        Ok(minting.request(&pod, target).await?.0)
    }

    /// Puts the volume into the ledger if it is complete; mounts nothing.
    async fn adopt_if_mounted(
        self: Arc<Self>,
        request: Arc<PublishRequest>,
    ) -> Result<Published, crate::error::PublishError> {
        let state = self.state_of(&request.target).await?;
        if matches!(state, TargetState::Committed { .. } | TargetState::ProviderWritten { .. }) {
            self.adopt(request, &state).await;
        }
        Ok(Published::Unchanged)
    }
}
