//! Which volumes are fetched together.

use std::collections::HashSet;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use crate::Schedule;

/// The volumes that are fetched now: those that are due, and with each those of its group that will be
/// soon, so that the provider answers all of them from one fetch. `G` says which volumes that are: same
/// class, same identity.
///
/// Volumes are looked at twice: [`look`](Self::look) at all, then [`takes`](Self::takes) for each.
pub struct Batch<G> {
    now: Instant,
    groups: HashSet<G>,
}

impl<G: Eq + Hash> Batch<G> {
    /// Of this moment.
    #[must_use]
    pub fn now() -> Self {
        Self { now: Instant::now(), groups: HashSet::new() }
    }

    /// Looks at a volume that is due at that time, if ever.
    pub fn look(&mut self, due: Option<Instant>, group: impl FnOnce() -> G) {
        if due.is_some_and(|due| due <= self.now) {
            self.groups.insert(group());
        }
    }

    /// Whether no volume is due.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether a volume is fetched now: it is due, or it goes along with another one of its group that is.
    /// `interval` is that of its class; none while volumes do not rotate.
    #[must_use]
    pub fn takes(&self, schedule: &Schedule, interval: Option<Duration>, group: &G) -> bool {
        schedule.goes_along(self.now, interval) && self.groups.contains(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Option<Duration> = Some(Duration::from_secs(100));

    fn fetched() -> Schedule {
        let mut schedule = Schedule::mounted(None);
        schedule.succeed();
        schedule
    }

    fn failed() -> Schedule {
        let mut schedule = Schedule::mounted(None);
        schedule.begin();
        schedule.fail();
        schedule
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_due_takes_along_who_nearly_is_or_has_failed_of_its_group() {
        let (old, mut asked) = (fetched(), fetched());
        tokio::time::advance(Duration::from_secs(60)).await;
        let (fresh, failed) = (fetched(), failed());
        tokio::time::advance(Duration::from_secs(1)).await;
        let mut batch = Batch::now();
        for schedule in [&old, &fresh, &failed] {
            batch.look(schedule.due(INTERVAL), || 'a');
        }
        assert!(batch.is_empty());
        asked.ask(Instant::now());
        batch.look(asked.due(INTERVAL), || 'a');
        let takes = |schedule: &Schedule, group| batch.takes(schedule, INTERVAL, &group);
        assert!(takes(&asked, 'a') && takes(&failed, 'a'));
        assert!(!takes(&old, 'a') && !takes(&fresh, 'a') && !takes(&failed, 'b'));
        tokio::time::advance(Duration::from_secs(30)).await;
        let mut batch = Batch::now();
        batch.look(Some(Instant::now()), || 'a');
        assert!(batch.takes(&old, INTERVAL, &'a') && !batch.takes(&fresh, INTERVAL, &'a'));
    }

    /// A group that shares its fetches goes on sharing them: jitter does not part it.
    #[tokio::test(start_paused = true)]
    async fn who_was_fetched_together_is_fetched_together_again() {
        for _ in 0..100 {
            let group = [(); 8].map(|()| fetched());
            let first = group.iter().filter_map(|schedule| schedule.due(INTERVAL)).min().expect("a time");
            assert!(group.iter().all(|schedule| schedule.goes_along(first, INTERVAL)));
        }
    }
}
