//! When a volume is due.

use std::time::Duration;

use keymount_api::SecretProviderClass;
use tokio::time::Instant;

use crate::class::rotation_interval;
use crate::config::Rotation;

/// How far a volume may be early or late, as a part of its interval: it spreads the load of nodes that
/// started together.
const JITTER: f64 = 0.1;

/// Volumes whose content an earlier driver may have left incomplete are fetched again within this time.
const SOON: Duration = Duration::from_secs(30);

/// Longest pause between attempts that fail, unless the interval itself is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// The rules of when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intervals {
    default: Duration,
    shortest: Duration,
}

impl Intervals {
    /// Rules from the settings.
    #[must_use]
    pub(crate) const fn new(rotation: Rotation) -> Self {
        Self { default: rotation.interval, shortest: rotation.min_interval }
    }

    /// Interval of a class: what it asks for, but not less than the operator allows.
    #[must_use]
    pub(crate) fn of(&self, class: Option<&SecretProviderClass>) -> Duration {
        class.and_then(rotation_interval).map_or(self.default, |asked| asked.max(self.shortest))
    }

    /// Next time after a success. `fraction` is random in `0.0..1.0`.
    #[must_use]
    pub(crate) fn after_success(interval: Duration, fraction: f64) -> Instant {
        Instant::now() + interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * fraction)
    }

    /// Next time after so many failures in a row: a quarter of the interval, then the interval, then
    /// twice as long each time.
    #[must_use]
    pub(crate) fn after_failure(interval: Duration, failures: u32, fraction: f64) -> Instant {
        let pause = match failures {
            0 | 1 => interval / 4,
            more => interval.saturating_mul(1 << (more - 2).min(16)),
        };
        let pause = pause.min(interval.max(LONGEST_PAUSE));
        Instant::now() + pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * fraction)
    }

    /// First time of a volume that was found mounted: anywhere within one interval, so that the volumes
    /// of a node, and of all nodes after an upgrade, do not come at once.
    #[must_use]
    pub(crate) fn after_restart(interval: Duration, soon: bool, fraction: f64) -> Instant {
        let within = if soon { interval.min(SOON) } else { interval };
        Instant::now() + within.mul_f64(fraction)
    }

    /// How early a volume may be taken along with one that is due.
    #[must_use]
    pub(crate) fn batch_window(interval: Duration) -> Duration {
        interval.mul_f64(JITTER)
    }
}

#[cfg(test)]
mod tests {
    use keymount_api::annotations;

    use super::*;

    const MINUTES: Duration = Duration::from_secs(120);

    fn class(interval: &str) -> SecretProviderClass {
        let mut class = SecretProviderClass::default();
        let annotation = (annotations::ROTATION_POLL_INTERVAL.to_owned(), interval.to_owned());
        class.metadata.annotations = Some([annotation].into());
        class
    }

    #[test]
    fn a_class_may_choose_but_not_below_the_operators_minimum() {
        let rules = Intervals::new(Rotation { interval: MINUTES, min_interval: Duration::from_secs(10) });
        for (asked, seconds) in
            [("30s", 30), ("1h", 3600), ("1s", 10), ("0", 120), ("-5m", 120), ("often", 120), (" 45s ", 45)]
        {
            assert_eq!(rules.of(Some(&class(asked))).as_secs(), seconds, "{asked}");
        }
        assert_eq!(rules.of(None), MINUTES);
        assert_eq!(rules.of(Some(&SecretProviderClass::default())), MINUTES);
    }

    #[tokio::test(start_paused = true)]
    async fn times_stay_within_their_bounds() {
        let now = Instant::now();
        for fraction in [0.0, 0.5, 0.999] {
            let success = (Intervals::after_success(MINUTES, fraction) - now).as_secs();
            assert!((108..=132).contains(&success), "{success}");
            let restart = (Intervals::after_restart(MINUTES, false, fraction) - now).as_secs();
            assert!(restart <= 120, "{restart}");
            assert!((Intervals::after_restart(MINUTES, true, fraction) - now).as_secs() <= 30);
        }
        let pauses: Vec<_> = (1..8)
            .map(|failures| (Intervals::after_failure(MINUTES, failures, 0.5) - now).as_secs())
            .collect();
        assert_eq!(pauses, [30, 120, 240, 480, 600, 600, 600]);
        let hour = Duration::from_secs(3600);
        assert_eq!((Intervals::after_failure(hour, 9, 0.5) - now).as_secs(), 3600);
    }
}
