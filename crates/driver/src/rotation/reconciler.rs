//! The task that starts rotations when they are due.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keymount_schedule::{Batch, Beside};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::class::ClassHold;
use crate::node::Node;
use crate::request::{ClassKey, PublishRequest};
use crate::volume::Volume;

/// Volumes that are answered by one fetch: same class, same service account.
type Group = (ClassKey, String);

/// Starts rotations until `stop` is cancelled.
pub(crate) async fn run(node: Arc<Node>, stop: CancellationToken) {
    loop {
        let next = node.start_due();
        tokio::select! {
            () = stop.cancelled() => return,
            // A volume is new, or another time has been set for one.
            () = node.scheduled.notified() => {}
            () = keymount_schedule::until(next) => {}
        }
    }
}

impl Node {
    /// Starts what is due, and gives the time of what is due next.
    fn start_due(self: &Arc<Self>) -> Option<Instant> {
        let mut batch: Batch<Group> = Batch::now();
        let next = self.next_due(|due, volume| batch.look(due, || group(volume)));
        if batch.is_empty() {
            return next;
        }
        let mut targets: Vec<PathBuf> = Vec::new();
        self.ledger.for_each(|path, volume| {
            if batch.takes(&volume.schedule, self.interval_of(&volume.class), &group(volume)) {
                volume.schedule.begin();
                targets.push(path.to_owned());
            }
        });
        for target in targets {
            self.start_rotation(&target);
        }
        self.next_due(|_, _| {})
    }

    /// The time of what is due next, of all volumes; `look` is shown each with its own.
    fn next_due(&self, mut look: impl FnMut(Option<Instant>, &Volume)) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        self.ledger.for_each(|_, volume| {
            let due = self.due(volume);
            next = [next, due].into_iter().flatten().min();
            look(due, volume);
        });
        next
    }

    /// When a volume is due for its next fetch, if ever.
    pub(crate) fn due(&self, volume: &Volume) -> Option<Instant> {
        volume.schedule.due(self.interval_of(&volume.class))
    }

    /// When the volumes are due that one of this request will be fetched with; none if there are none.
    pub(crate) fn beside(&self, class: &ClassHold, request: &PublishRequest) -> Option<Beside> {
        let interval = self.interval_of(class)?;
        let mut first: Option<Instant> = None;
        self.ledger.for_each(|path, volume| {
            let account = volume.request.as_ref().map(|request| request.service_account());
            if volume.class.key() == class.key()
                && account.unwrap_or_default() == request.service_account()
                && let Some(due) = volume.schedule.due(Some(interval))
                && first.is_none_or(|first| due < first)
                && path != request.target
            {
                first = Some(due);
            }
        });
        first.map(|due| Beside { due, interval })
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
