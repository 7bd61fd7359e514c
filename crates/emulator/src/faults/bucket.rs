//! The token bucket behind [`Action::Throttle`].

use tokio::time::Instant;

use super::Action;

/// Holds up to `capacity` tokens and regains them evenly over the window.
#[derive(Debug)]
pub(super) struct Bucket {
    capacity: f64,
    per_second: f64,
    tokens: f64,
    refilled: Instant,
}

impl Bucket {
    /// The bucket an action needs; one without room for the actions that need none.
    pub(super) fn for_action(action: &Action, now: Instant) -> Self {
        let (capacity, per_second) = match action {
            Action::Throttle { requests, per_seconds, .. } => {
                (f64::from(*requests), f64::from(*requests) / f64::from((*per_seconds).max(1)))
            }
            _ => (0.0, 0.0),
        };
        Self { capacity, per_second, tokens: capacity, refilled: now }
    }

    /// Takes one token if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.refilled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + gained).min(self.capacity);
        self.refilled = now;
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}
