//! When to try again, on the schedule of the Azure SDKs.
//!
//! The n-th wait is `(2^n - 1) × base × [0.8, 1.3)`, capped; a server's own word (`retry-after-ms`,
//! `x-ms-retry-after-ms`, `Retry-After` in seconds or as a date) replaces it, and one that is longer
//! than the cap ends the tries.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use keymount_clock::{WallClock, jitter};
use tokio::time::Instant;

use super::{Answer, Http, Request, TransportError};

/// How often, how long, and after which answers.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Tries after the first.
    pub retries: u32,
    /// The unit of the back-off.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// Whether an answer with this status is worth another try.
    pub retryable: fn(StatusCode) -> bool,
}

impl Schedule {
    /// Key Vault and Entra: 3 retries, about 0.8, 2.4 and 5.6 seconds.
    pub const SERVICE: Self = Self {
        retries: 3,
        base: Duration::from_millis(800),
        cap: Duration::from_secs(60),
        retryable: |status| matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504),
    };

    /// The instance metadata service, which is away for up to 70 seconds while it is updated.
    pub const METADATA: Self = Self {
        retries: 6,
        base: Duration::from_secs(2),
        cap: Duration::from_secs(25),
        retryable: |status| matches!(status.as_u16(), 404 | 410 | 429 | 500..=508 | 510 | 511),
    };

    /// How long to wait after the `tried`-th try failed (the first is 1).
    #[must_use]
    pub fn delay(&self, tried: u32) -> Duration {
        let factor = 2_u32.saturating_pow(tried).saturating_sub(1);
        let spread = 0.8 + jitter::fraction() / 2.0;
        let ceiling = self.cap.saturating_mul(2);
        self.base.saturating_mul(factor).min(ceiling).mul_f64(spread).min(self.cap)
    }

    /// The wait before the next try, or `None` when there must not be one: tries used up, or the
    /// server asked for more patience than the schedule has.
    #[must_use]
    pub fn next_delay(&self, tried: u32, asked: Option<Duration>) -> Option<Duration> {
        if tried > self.retries {
            return None;
        }
        match asked {
            Some(asked) if asked > self.cap => None,
            Some(asked) => Some(asked),
            None => Some(self.delay(tried)),
        }
    }
}

/// How long a server asks to be left alone. Dates in the past and unreadable values count as absent.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    for (name, unit) in [("retry-after-ms", 1), ("x-ms-retry-after-ms", 1), ("retry-after", 1000)] {
        let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) else { continue };
        let value = value.trim();
        if let Ok(number) = value.parse::<u64>() {
            if number > 0 {
                return Some(Duration::from_millis(number.saturating_mul(unit)));
            }
        } else if name == "retry-after"
            && let Ok(date) = jiff::fmt::rfc2822::parse(value)
            && let Ok(wait) = Duration::try_from(date.timestamp().duration_since(now))
            && !wait.is_zero()
        {
            return Some(wait);
        }
    }
    None
}

/// Sends a request until it is answered for good, on `schedule` and within `deadline`.
///
/// The last answer or error is what the caller gets: when there is no time left for another try, the
/// reason of the last failure says more than "deadline exceeded" would.
///
/// # Errors
/// The last try's error.
pub async fn send_with_retries(
    http: &dyn Http,
    schedule: &Schedule,
    clock: &WallClock,
    deadline: Instant,
    mut request: impl FnMut() -> Request + Send,
) -> Result<Answer, TransportError> {
    let mut tried = 0;
    loop {
        tried += 1;
        let next = request();
        let (method, url) = (next.method(), next.url().clone());
        let outcome = match tokio::time::timeout_at(deadline, http.send(next)).await {
            Ok(outcome) => outcome,
            Err(_) => return Err(TransportError::deadline(method, &url)),
        };
        let asked = match &outcome {
            Ok(answer) if !(schedule.retryable)(answer.status) => return outcome,
            Ok(answer) => retry_after(&answer.headers, clock.now()),
            Err(error) if !error.worth_retrying() => return outcome,
            Err(_) => None,
        };
        match schedule.next_delay(tried, asked) {
            Some(delay) if Instant::now() + delay < deadline => tokio::time::sleep(delay).await,
            _ => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(entries: &[(&'static str, &str)]) -> HeaderMap {
        entries.iter().map(|(k, v)| (k.parse().expect("a name"), v.parse().expect("a value"))).collect()
    }

    #[test]
    fn waits_grow_within_their_jitter_and_the_cap() {
        for (tried, low, high) in [(1, 640, 1040), (2, 1920, 3120), (3, 4480, 7280), (20, 60_000, 60_000)] {
            for _ in 0..50 {
                let millis = Schedule::SERVICE.delay(tried).as_millis();
                assert!((low..=high).contains(&millis), "try {tried}: {millis} ms");
            }
        }
    }

    #[test]
    fn a_servers_word_replaces_the_schedule_or_ends_it() {
        let schedule = Schedule::SERVICE;
        assert_eq!(schedule.next_delay(1, Some(Duration::from_secs(60))), Some(Duration::from_secs(60)));
        assert_eq!(schedule.next_delay(1, Some(Duration::from_secs(61))), None);
        assert_eq!(schedule.next_delay(4, Some(Duration::from_secs(1))), None);
        assert!(schedule.next_delay(3, None).is_some());
    }

    #[test]
    fn retry_after_in_every_form() {
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().expect("a time");
        type Case = (&'static [(&'static str, &'static str)], Option<u64>);
        let table: [Case; 10] = [
            (&[("retry-after", "3")], Some(3000)),
            (&[("retry-after", "0")], None),
            (&[("retry-after", "-5")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "Tue, 24 Nov 2026 10:00:07 GMT")], Some(7000)),
            (&[("retry-after", "Tue, 24 Nov 2026 09:00:00 GMT")], None),
            (&[("retry-after-ms", "250"), ("retry-after", "9")], Some(250)),
            (&[("x-ms-retry-after-ms", "125"), ("retry-after", "9")], Some(125)),
            (&[("retry-after-ms", "junk"), ("retry-after", "9")], Some(9000)),
            (&[], None),
        ];
        for (entries, millis) in table {
            assert_eq!(retry_after(&headers(entries), now), millis.map(Duration::from_millis), "{entries:?}");
        }
    }
}
