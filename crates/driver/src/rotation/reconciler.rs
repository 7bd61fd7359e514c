//! The task that starts rotations when they are due.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Schedule;
use crate::node::Node;
use crate::request::ClassKey;
use crate::volume::Volume;

/// Volumes that are answered by one fetch: same class, same service account.
type Group = (ClassKey, String);

/// Starts rotations until `stop` is cancelled.
pub(crate) async fn run(node: Arc<Node>, stop: CancellationToken) {
    loop {
        let next = node.start_due();
        let timer = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            // A volume is new, or another time has been set for one.
            () = node.scheduled.notified() => {}
            () = timer => {}
        }
    }
}

impl Node {
    /// Starts what is due, and gives the time of what is due next.
    fn start_due(self: &Arc<Self>) -> Option<Instant> {
        let now = Instant::now();
        let mut groups: HashSet<Group> = HashSet::new();
        self.ledger.for_each(|_, volume| {
            if self.due(volume).is_some_and(|due| due <= now) {
                groups.insert(group(volume));
            }
        });
        if !groups.is_empty() {
            let mut batch: Vec<PathBuf> = Vec::new();
            self.ledger.for_each(|path, volume| {
                let window = Schedule::batch_window(self.interval_of(&volume.class));
                let nearly_due = self.due(volume).is_some_and(|due| due <= now + window);
                if nearly_due && groups.contains(&group(volume)) {
                    volume.schedule.begin();
                    batch.push(path.to_owned());
                }
            });
            for target in batch {
                self.start_rotation(&target);
            }
        }
        let mut next: Option<Instant> = None;
        self.ledger.for_each(|_, volume| {
            if let Some(due) = self.due(volume) {
                next = Some(next.map_or(due, |earliest| earliest.min(due)));
            }
        });
        next
    }

    /// When a volume is due for its next fetch, if ever.
    pub(crate) fn due(&self, volume: &Volume) -> Option<Instant> {
        volume.schedule.due(self.interval_of(&volume.class))
    }

    fn start_rotation(self: &Arc<Self>, target: &Path) {
        let (node, path) = (Arc::clone(self), target.to_owned());
        if !self.ledger.rotate(target, move |cancel| node.rotate(path, cancel)) {
            tracing::debug!(target_path = %target.display(), "another operation runs on the volume, rotation waits");
        }
    }
}

fn group(volume: &Volume) -> Group {
    let account = volume.request.as_ref().map(|request| request.service_account().to_owned());
    (volume.class.key().clone(), account.unwrap_or_default())
}
