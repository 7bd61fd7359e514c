//! When a volume is due for its next fetch.
//!
//! A volume remembers what happened last and when, not a point in time to come: so a class that changes its
//! interval changes it at once, and a class that is read only after a restart is waited for with the
//! default.

use std::time::Duration;

use tokio::time::Instant;

/// How far a volume may be early or late, as a part of its interval: it spreads the load of nodes that
/// started together.
const JITTER: f64 = 0.1;

/// Volumes whose content an earlier driver may have left incomplete are fetched again within this time.
const SOON: Duration = Duration::from_secs(30);

/// Longest pause between attempts that fail, unless the interval itself is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Shortest time between two attempts on one volume, whatever the interval.
const SHORTEST: Duration = Duration::from_secs(1);

/// What the time of the next fetch is reckoned from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    last: Last,
    at: Instant,
    /// Random in `0.0..1.0`, for the jitter.
    fraction: f64,
    /// When the author of the class wants it fetched, whatever the interval.
    asked: Option<Instant>,
}

/// What happened last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Fetched,
    /// So many attempts failed in a row.
    Failed(u32),
    /// Found mounted after a restart.
    Found,
    /// Found mounted, perhaps without all of its files.
    FoundIncomplete,
    /// An attempt runs. It sets this anew when it ends; one that ends without a word is repeated later.
    Begun(u32),
    /// Nothing can be done before kubelet has called again.
    WaitsForKubelet,
}

impl Schedule {
    fn new(last: Last) -> Self {
        Self { last, at: Instant::now(), fraction: crate::random::fraction(), asked: None }
    }

    /// Of a volume that was mounted just now.
    #[must_use]
    pub(crate) fn fetched() -> Self {
        Self::new(Last::Fetched)
    }

    /// Of a volume that was found mounted: due anywhere within one interval, so that the volumes of a
    /// node, and of all nodes after an upgrade, do not come at once. An incomplete one is due soon, also
    /// where nothing else rotates.
    #[must_use]
    pub(crate) fn found(incomplete: bool) -> Self {
        Self::new(if incomplete { Last::FoundIncomplete } else { Last::Found })
    }

    /// An attempt begins.
    pub(crate) fn begin(&mut self) {
        let now = Instant::now();
        let asked = self.asked.filter(|asked| *asked > now);
        *self = Self { asked, ..Self::new(Last::Begun(self.failures())) };
    }

    /// The attempt succeeded. What was asked for meanwhile stays asked for.
    pub(crate) fn succeed(&mut self) {
        *self = Self { asked: self.asked, ..Self::new(Last::Fetched) };
    }

    /// The attempt failed.
    pub(crate) fn fail(&mut self) {
        *self = Self { asked: self.asked, ..Self::new(Last::Failed(self.failures().saturating_add(1))) };
    }

    /// Nothing can be done before kubelet has called again.
    pub(crate) fn wait_for_kubelet(&mut self) {
        *self = Self { asked: self.asked, ..Self::new(Last::WaitsForKubelet) };
    }

    /// Kubelet has called. Says whether that is what was waited for; the volume is then due at once.
    pub(crate) fn kubelet_called(&mut self) -> bool {
        let waited = self.last == Last::WaitsForKubelet;
        if waited {
            self.asked = Some(Instant::now());
            self.last = Last::Fetched;
        }
        waited
    }

    /// The author of the class wants it fetched at this time.
    pub(crate) fn ask(&mut self, at: Instant) {
        self.asked = Some(self.asked.map_or(at, |asked| asked.min(at)));
    }

    /// Whether the author's wish has still to be met.
    #[must_use]
    pub(crate) const fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// When the volume is due, if ever. `interval` is that of its class; none while volumes do not rotate.
    #[must_use]
    pub(crate) fn due(&self, interval: Option<Duration>) -> Option<Instant> {
        let jittered = |pause: Duration| pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * self.fraction);
        let pause = match (self.last, interval) {
            (Last::WaitsForKubelet, _) => return None,
            (Last::FoundIncomplete, interval) => {
                interval.map_or(SOON, |interval| interval.min(SOON)).mul_f64(self.fraction)
            }
            (Last::Failed(failures), interval) => {
                jittered(after(failures, interval.unwrap_or(LONGEST_PAUSE)))
            }
            (Last::Fetched | Last::Found | Last::Begun(_), None) => return self.asked,
            (Last::Fetched, Some(interval)) => jittered(interval),
            (Last::Found, Some(interval)) => interval.mul_f64(self.fraction),
            // Not later than after any success, so that nobody needs to be woken by one.
            (Last::Begun(_), Some(interval)) => interval.mul_f64(1.0 - JITTER),
        };
        let regular = self.at + pause.max(SHORTEST);
        Some(self.asked.map_or(regular, |asked| asked.min(regular)))
    }

    /// How early a volume may be taken along with one that is due.
    #[must_use]
    pub(crate) fn batch_window(interval: Option<Duration>) -> Duration {
        interval.unwrap_or_default().mul_f64(JITTER)
    }

    fn failures(&self) -> u32 {
        match self.last {
            Last::Failed(failures) | Last::Begun(failures) => failures,
            _ => 0,
        }
    }
}

/// Pause after so many failures in a row: a quarter of the interval, then the interval, then twice as long
/// each time.
fn after(failures: u32, interval: Duration) -> Duration {
    let pause = match failures {
        0 | 1 => interval / 4,
        more => interval.saturating_mul(1 << (more - 2).min(16)),
    };
    pause.min(interval.max(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: Duration = Duration::from_secs(120);

    fn pause(schedule: &Schedule, interval: Duration) -> Duration {
        schedule.due(Some(interval)).unwrap() - Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn times_stay_within_their_bounds() {
        for _ in 0..100 {
            let fetched = pause(&Schedule::fetched(), MINUTES).as_secs();
            assert!((108..=132).contains(&fetched), "{fetched}");
            assert!(pause(&Schedule::found(false), MINUTES).as_secs() <= 120);
            assert!(pause(&Schedule::found(true), MINUTES).as_secs() <= 30);
        }
        let mut failing = Schedule { fraction: 0.5, ..Schedule::fetched() };
        let mut pauses = Vec::new();
        for _ in 0..7 {
            failing.begin();
            failing.fail();
            failing.fraction = 0.5;
            pauses.push(pause(&failing, MINUTES).as_secs());
        }
        assert_eq!(pauses, [30, 120, 240, 480, 600, 600, 600]);
        assert_eq!(pause(&failing, Duration::from_secs(3600)).as_secs(), 3600);
    }

    #[tokio::test(start_paused = true)]
    async fn no_interval_makes_a_volume_be_fetched_without_pause() {
        for schedule in [Schedule::fetched(), Schedule { last: Last::Failed(1), ..Schedule::fetched() }] {
            assert!(pause(&schedule, Duration::ZERO) >= SHORTEST);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_interval_of_the_moment_counts() {
        let schedule = Schedule::fetched();
        assert!(pause(&schedule, Duration::from_secs(3600)) > Duration::from_secs(3000));
        assert!(pause(&schedule, Duration::from_secs(30)) < Duration::from_secs(40));
        assert_eq!(schedule.due(None), None);
        assert!(Schedule::found(true).due(None).is_some(), "an incomplete volume is completed in any case");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_is_met_once_and_one_that_comes_during_an_attempt_after_it() {
        let hour = Some(Duration::from_secs(3600));
        let mut schedule = Schedule::fetched();
        schedule.ask(Instant::now());
        assert_eq!(schedule.due(hour), Some(Instant::now()));
        schedule.begin();
        assert!(schedule.due(hour).unwrap() > Instant::now());
        tokio::time::advance(Duration::from_secs(1)).await;
        schedule.ask(Instant::now());
        schedule.succeed();
        assert_eq!(schedule.due(hour), Some(Instant::now()));
        // A wish for later never delays what is due anyway.
        let mut schedule = Schedule::fetched();
        schedule.ask(Instant::now() + Duration::from_secs(100_000));
        assert!(pause(&schedule, MINUTES) < Duration::from_secs(140));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_kubelet_is_due_when_it_calls() {
        let mut schedule = Schedule::fetched();
        assert!(!schedule.kubelet_called());
        schedule.begin();
        schedule.wait_for_kubelet();
        assert_eq!(schedule.due(Some(MINUTES)), None);
        assert!(schedule.kubelet_called());
        assert_eq!(schedule.due(Some(MINUTES)), Some(Instant::now()));
    }
}
