//! When a volume is due for its next fetch.
//!
//! A volume remembers what happened last and when, not a point in time to come: so a class that changes its
//! interval changes it at once, and a class that is read only after a restart is waited for with the
//! default.

use std::time::Duration;

use keymount_clock::jitter;
use tokio::time::Instant;

/// How far a volume may be early or late, as a part of its interval: it spreads the load of nodes that
/// started together.
const JITTER: f64 = 0.1;

/// Volumes whose content an earlier driver may have left incomplete are fetched again within this time.
const SOON: Duration = Duration::from_secs(30);

/// The next fetch is due no sooner than after so many times as long as the last one took. At rest that is
/// nothing; where a store throttles, who was served makes room for who was not, and the volumes of all
/// nodes together ask for what the store can give. But no later than after so many intervals: it may have
/// been slow only once.
const MANNERS: u32 = 10;
const LATEST: u32 = 5;

/// Longest pause between attempts that fail, unless the interval itself is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// Shortest time between two attempts on one volume, whatever the interval.
const SHORTEST: Duration = Duration::from_secs(1);

/// What the time of the next fetch is reckoned from.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    last: Last,
    at: Instant,
    /// Random in `0.0..1.0`, for the jitter.
    fraction: f64,
    /// How long the fetch took that ended then.
    took: Duration,
    /// When the author of the class wants it fetched, whatever the interval.
    asked: Option<Instant>,
}

/// When the volumes of a group that are there already are due, for one that joins them.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// When the first of them is.
    pub due: Instant,
    /// The interval of their class.
    pub interval: Duration,
}

/// What happened last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Fetched,
    /// Mounted, and not fetched again since.
    Mounted,
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
        Self { last, at: Instant::now(), fraction: jitter::fraction(), took: Duration::ZERO, asked: None }
    }

    /// Of a volume that was mounted just now: due for the first time anywhere within one interval but its
    /// first tenth, so that pods that started together do not come together ever after. Where other volumes of its group
    /// are there, `beside` is when the first of them is due, and this one is due with it.
    #[must_use]
    pub fn mounted(beside: Option<Beside>) -> Self {
        Self::joining(Last::Mounted, beside)
    }

    /// Of a volume that was found mounted: due anywhere within one interval, so that the volumes of a
    /// node, and of all nodes after an upgrade, do not come at once; with its group, where others of it
    /// are there. An incomplete one is due soon, also where nothing else rotates.
    #[must_use]
    pub fn found(incomplete: bool, beside: Option<Beside>) -> Self {
        if incomplete { Self::new(Last::FoundIncomplete) } else { Self::joining(Last::Found, beside) }
    }

    fn joining(last: Last, beside: Option<Beside>) -> Self {
        let mut schedule = Self::new(last);
        if let Some(Beside { due, interval }) = beside.filter(|beside| !beside.interval.is_zero()) {
            let pause = due.saturating_duration_since(schedule.at);
            schedule.fraction = pause.div_duration_f64(interval).min(1.0);
            if last == Last::Mounted {
                schedule.fraction = ((schedule.fraction - JITTER) / (1.0 - JITTER)).max(0.0);
            }
        }
        schedule
    }

    /// An attempt begins.
    pub fn begin(&mut self) {
        let now = Instant::now();
        let asked = self.asked.filter(|asked| *asked > now);
        *self = Self { asked, ..Self::new(Last::Begun(self.failures())) };
    }

    /// The attempt succeeded. What was asked for meanwhile stays asked for.
    pub fn succeed(&mut self) {
        let took = if matches!(self.last, Last::Begun(_)) { self.at.elapsed() } else { Duration::ZERO };
        *self = Self { asked: self.asked, took, ..Self::new(Last::Fetched) };
    }

    /// The attempt failed.
    pub fn fail(&mut self) {
        *self = Self { asked: self.asked, ..Self::new(Last::Failed(self.failures().saturating_add(1))) };
    }

    /// Nothing can be done before kubelet has called again.
    pub fn wait_for_kubelet(&mut self) {
        *self = Self { asked: self.asked, ..Self::new(Last::WaitsForKubelet) };
    }

    /// Kubelet has called. Says whether that is what was waited for; the volume is then due at once.
    pub fn kubelet_called(&mut self) -> bool {
        let waited = self.last == Last::WaitsForKubelet;
        if waited {
            self.asked = Some(Instant::now());
            self.last = Last::Fetched;
        }
        waited
    }

    /// The author of the class wants it fetched at this time.
    pub fn ask(&mut self, at: Instant) {
        self.asked = Some(self.asked.map_or(at, |asked| asked.min(at)));
    }

    /// Whether the author's wish has still to be met.
    #[must_use]
    pub const fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// When the volume is due, if ever. `interval` is that of its class; none while volumes do not rotate.
    #[must_use]
    pub fn due(&self, interval: Option<Duration>) -> Option<Instant> {
        let jittered = |pause: Duration| pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * self.fraction);
        let pause = match (self.last, interval) {
            (Last::WaitsForKubelet, _) => return None,
            (Last::FoundIncomplete, interval) => {
                interval.map_or(SOON, |interval| interval.min(SOON)).mul_f64(self.fraction)
            }
            (Last::Failed(failures), interval) => {
                jittered(after(failures, interval.unwrap_or(LONGEST_PAUSE)))
            }
            (Last::Fetched | Last::Mounted | Last::Found | Last::Begun(_), None) => return self.asked,
            (Last::Fetched, Some(interval)) => jittered(self.pause(interval)),
            (Last::Mounted, Some(interval)) => interval.mul_f64(JITTER + (1.0 - JITTER) * self.fraction),
            (Last::Found, Some(interval)) => interval.mul_f64(self.fraction),
            // Not later than after any success, so that nobody needs to be woken by one.
            (Last::Begun(_), Some(interval)) => interval.mul_f64(1.0 - JITTER),
        };
        let regular = self.at + pause.max(SHORTEST);
        Some(self.asked.map_or(regular, |asked| asked.min(regular)))
    }

    /// Whether a volume is fetched now because another one of its group is: it will be due within the whole
    /// width of the jitter, so that volumes that were fetched together are fetched together again; or its
    /// last attempt failed, and this one costs nothing more.
    #[must_use]
    pub fn goes_along(&self, now: Instant, interval: Option<Duration>) -> bool {
        let Some(due) = self.due(interval) else { return false };
        let pause = match self.last {
            Last::Failed(_) => return true,
            Last::Fetched => self.pause(interval.unwrap_or_default()),
            _ => interval.unwrap_or_default(),
        };
        due <= now + pause.mul_f64(2.0 * JITTER)
    }

    /// Until the next fetch after one that succeeded, without jitter.
    fn pause(&self, interval: Duration) -> Duration {
        interval.max((self.took * MANNERS).min(interval.saturating_mul(LATEST)))
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
            let fetched = pause(&Schedule::new(Last::Fetched), MINUTES).as_secs();
            assert!((108..=132).contains(&fetched), "{fetched}");
            let mounted = pause(&Schedule::mounted(None), MINUTES).as_secs();
            assert!((12..=120).contains(&mounted), "{mounted}");
            assert!(pause(&Schedule::found(false, None), MINUTES).as_secs() <= 120);
            assert!(pause(&Schedule::found(true, None), MINUTES).as_secs() <= 30);
        }
        let mut failing = Schedule { fraction: 0.5, ..Schedule::new(Last::Fetched) };
        let mut pauses = Vec::new();
        for _ in 0..7 {
            failing.begin();
            failing.fail();
            failing.fraction = 0.5;
            pauses.push(pause(&failing, MINUTES).as_secs());
        }
        assert_eq!(pauses, [30, 120, 120, 120, 120, 120, 120]);
        let quick: Vec<_> =
            (1..=7).map(|failures| after(failures, Duration::from_secs(12)).as_secs()).collect();
        assert_eq!(quick, [3, 12, 24, 48, 96, 120, 120]);
        assert_eq!(pause(&failing, Duration::from_secs(3600)).as_secs(), 3600);
    }

    /// A hundred pods that start at one moment: no tenth of an interval has more than a fifth of their next fetches.
    #[tokio::test(start_paused = true)]
    async fn who_started_together_does_not_come_together() {
        keymount_clock::jitter::seed(1);
        for schedule in [|| Schedule::mounted(None), || Schedule::found(false, None)] {
            let mut tenths = [0; 11];
            for _ in 0..100 {
                let tenth = usize::try_from(pause(&schedule(), MINUTES).as_secs() / 12).expect("a tenth");
                tenths[tenth] += 1;
            }
            assert!(tenths.iter().all(|pods| *pods <= 20), "{tenths:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_served_slowly_comes_later() {
        for (took, due) in [(0, 120), (11, 120), (30, 300), (115, 600)] {
            let mut schedule = Schedule::mounted(None);
            schedule.begin();
            tokio::time::advance(Duration::from_secs(took)).await;
            schedule.succeed();
            schedule.fraction = 0.5;
            assert_eq!(pause(&schedule, MINUTES).as_secs(), due);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_joins_a_group_is_due_with_it_within_an_interval() {
        for (group, due) in [(60, 60), (12, 12), (1, 12), (120, 120), (600, 120)] {
            let beside = Beside { due: Instant::now() + Duration::from_secs(group), interval: MINUTES };
            assert_eq!(pause(&Schedule::mounted(Some(beside)), MINUTES).as_secs_f64().round() as u64, due);
            let found = pause(&Schedule::found(false, Some(beside)), MINUTES);
            assert_eq!(found.as_secs_f64().round() as u64, group.min(120));
        }
        let never = Beside { due: Instant::now(), interval: Duration::ZERO };
        assert!(pause(&Schedule::mounted(Some(never)), MINUTES) >= MINUTES / 10);
    }

    #[tokio::test(start_paused = true)]
    async fn no_interval_makes_a_volume_be_fetched_without_pause() {
        for schedule in
            [Schedule::new(Last::Fetched), Schedule { last: Last::Failed(1), ..Schedule::new(Last::Fetched) }]
        {
            assert!(pause(&schedule, Duration::ZERO) >= SHORTEST);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_interval_of_the_moment_counts() {
        let schedule = Schedule::new(Last::Fetched);
        assert!(pause(&schedule, Duration::from_secs(3600)) > Duration::from_secs(3000));
        assert!(pause(&schedule, Duration::from_secs(30)) < Duration::from_secs(40));
        assert_eq!(schedule.due(None), None);
        assert!(
            Schedule::found(true, None).due(None).is_some(),
            "an incomplete volume is completed in any case"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_is_met_once_and_one_that_comes_during_an_attempt_after_it() {
        let hour = Some(Duration::from_secs(3600));
        let mut schedule = Schedule::new(Last::Fetched);
        schedule.ask(Instant::now());
        assert_eq!(schedule.due(hour), Some(Instant::now()));
        schedule.begin();
        assert!(schedule.due(hour).unwrap() > Instant::now());
        tokio::time::advance(Duration::from_secs(1)).await;
        schedule.ask(Instant::now());
        schedule.succeed();
        assert_eq!(schedule.due(hour), Some(Instant::now()));
        // A wish for later never delays what is due anyway.
        let mut schedule = Schedule::new(Last::Fetched);
        schedule.ask(Instant::now() + Duration::from_secs(100_000));
        assert!(pause(&schedule, MINUTES) < Duration::from_secs(140));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_kubelet_is_due_when_it_calls() {
        let mut schedule = Schedule::new(Last::Fetched);
        assert!(!schedule.kubelet_called());
        schedule.begin();
        schedule.wait_for_kubelet();
        assert_eq!(schedule.due(Some(MINUTES)), None);
        assert!(schedule.kubelet_called());
        assert_eq!(schedule.due(Some(MINUTES)), Some(Instant::now()));
    }
}
