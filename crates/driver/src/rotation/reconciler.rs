//! The task that starts rotations when they are due.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Intervals;
use crate::node::Node;
use crate::request::ClassKey;

/// Shortest time between two attempts on one volume, whatever the interval.
const SHORTEST: Duration = Duration::from_secs(1);

/// Volumes that are answered by one fetch: same class, same service account.
type Group = (ClassKey, String);

/// Starts rotations until `stop` is cancelled.
pub(crate) async fn run(node: Arc<Node>, stop: CancellationToken) {
    if node.rotation.is_none() {
        return;
    }
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
            if volume.due.is_some_and(|due| due <= now) {
                groups.insert(group(volume));
            }
        });
        if !groups.is_empty() {
            let mut batch: Vec<PathBuf> = Vec::new();
            self.ledger.for_each(|path, volume| {
                let Some(interval) = self.interval_of(&volume.class) else { return };
                let nearly_due = volume.due.is_some_and(|due| due <= now + Intervals::batch_window(interval));
                if nearly_due && groups.contains(&group(volume)) {
                    // The attempt sets a new time; this one is for an attempt that ends without a word.
                    volume.due = Some(now + interval.max(SHORTEST));
                    batch.push(path.to_owned());
                }
            });
            for target in batch {
                self.start_rotation(&target);
            }
        }
        let mut next: Option<Instant> = None;
        self.ledger.for_each(|_, volume| {
            if let Some(due) = volume.due {
                next = Some(next.map_or(due, |earliest| earliest.min(due)));
            }
        });
        next
    }

    fn start_rotation(self: &Arc<Self>, target: &Path) {
        let (node, path) = (Arc::clone(self), target.to_owned());
        if !self.ledger.rotate(target, move |cancel| node.rotate(path, cancel)) {
            tracing::debug!(target_path = %target.display(), "another operation runs on the volume, rotation waits");
        }
    }
}

fn group(volume: &crate::volume::Volume) -> Group {
    let account = volume.request.as_ref().map(|request| request.service_account().to_owned());
    (volume.class.key().clone(), account.unwrap_or_default())
}
