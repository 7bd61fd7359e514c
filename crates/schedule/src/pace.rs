//! The pace of writes to the Kubernetes API, for the whole node. Mounts never wait for it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A rate with a burst.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Per second.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

/// A token bucket, in the form that needs one number (generic cell rate).
pub struct WritePace {
    every: Duration,
    ahead: Duration,
    /// When the bucket will be full again.
    full: Mutex<Instant>,
}

impl WritePace {
    /// A bucket that is full.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        let every = Duration::from_secs(1) / pace.per_second.max(1);
        Self { every, ahead: every * pace.burst.saturating_sub(1), full: Mutex::new(Instant::now()) }
    }

    /// Returns when the next write may be made.
    pub async fn turn(&self) {
        let now = Instant::now();
        let at = {
            let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*full).max(now);
            *full = at + self.every;
            at
        };
        let wait = at.saturating_duration_since(now).saturating_sub(self.ahead);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_at_once_then_the_rate() {
        let pace = WritePace::new(Pace { per_second: 10, burst: 5 });
        tokio::time::advance(Duration::from_secs(60)).await;
        let began = Instant::now();
        for _ in 0..5 {
            pace.turn().await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        for _ in 0..20 {
            pace.turn().await;
        }
        assert_eq!(began.elapsed().as_millis() / 100, 20);
    }
}
