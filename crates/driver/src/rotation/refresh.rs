//! How often the authors of classes may have them fetched at once.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Rotation;

/// Refreshes of one namespace that may follow each other at once.
const BURST: u32 = 5;

/// Namespaces that are remembered; one that has not refreshed for a while is forgotten first.
const NAMESPACES: usize = 10_000;

/// A bucket per namespace: load on the store that a tenant asks for is bounded.
pub(crate) struct RefreshLimits {
    every: Duration,
    full: HashMap<String, Instant>,
}

impl RefreshLimits {
    /// One refresh of one class per minimum interval and namespace, and a few at once.
    #[must_use]
    pub(crate) fn new(rotation: Option<Rotation>) -> Self {
        Self {
            every: rotation.map_or(Duration::ZERO, |rotation| rotation.min_interval),
            full: HashMap::new(),
        }
    }

    /// When the next refresh of the namespace may be made: now, or when its turn comes.
    pub(crate) fn next(&mut self, namespace: &str) -> Instant {
        let now = Instant::now();
        if self.full.len() >= NAMESPACES {
            self.full.retain(|_, full| *full > now);
        }
        let full = self.full.entry(namespace.to_owned()).or_insert(now);
        let at = (*full).max(now);
        *full = at + self.every;
        at.checked_sub(self.every * (BURST - 1)).map_or(now, |at| at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_few_at_once_then_one_per_interval_and_never_another_tenants_turn() {
        let every = Duration::from_secs(10);
        tokio::time::advance(Duration::from_secs(3600)).await;
        let mut limits = RefreshLimits::new(Some(Rotation { interval: every, min_interval: every }));
        let now = Instant::now();
        let waits: Vec<_> = (0..7).map(|_| (limits.next("noisy") - now).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 10, 20]);
        assert_eq!(limits.next("quiet"), now);
    }
}
