//! Wall-clock time that can be replaced.
//!
//! Intervals, time-outs and back-offs use [`tokio::time::Instant`], which is monotonic and which
//! tests pause. Wall time is only for what is dated outside this process (expiry of a token, time of
//! a condition), and it comes from here, so that a simulated hour moves both clocks together and a
//! test can let the wall clock jump. So does [`jitter`], which a simulation can seed.

pub mod jitter;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Where the time of day comes from. Cheap to clone; clones share one clock.
#[derive(Clone, Debug)]
pub struct WallClock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Simulated { origin: Timestamp, started: Instant, jumped_seconds: Arc<AtomicI64> },
}

impl WallClock {
    /// The clock of this machine.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that reads `origin` now and advances with tokio's clock, also when that is paused.
    #[must_use]
    pub fn simulated(origin: Timestamp) -> Self {
        Self(Source::Simulated { origin, started: Instant::now(), jumped_seconds: Arc::default() })
    }

    /// The time of day.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the one place that may ask the machine for the time")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Simulated { origin, started, jumped_seconds } => {
                let elapsed = SignedDuration::try_from(started.elapsed()).unwrap_or(SignedDuration::MAX);
                let jumped = SignedDuration::from_secs(jumped_seconds.load(Ordering::Relaxed));
                origin.saturating_add(elapsed.saturating_add(jumped)).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Lets a simulated clock jump, as a machine's does after suspend or a step of NTP.
    /// The system clock is left alone.
    pub fn jump(&self, by: SignedDuration) {
        if let Source::Simulated { jumped_seconds, .. } = &self.0 {
            jumped_seconds.fetch_add(by.as_secs(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn simulated_time_follows_the_paused_clock_and_jumps() {
        let origin: Timestamp = "2026-11-24T00:00:00Z".parse().expect("a timestamp");
        let clock = WallClock::simulated(origin);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(clock.now().to_string(), "2026-11-24T01:00:00Z");
        clock.clone().jump(SignedDuration::from_hours(-24));
        assert_eq!(clock.now().to_string(), "2026-11-23T01:00:00Z");
    }
}
