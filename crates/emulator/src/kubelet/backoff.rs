//! Pauses between attempts.

use std::time::Duration;

/// Pauses that double from the first to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

impl Default for Backoff {
    /// Half a second to two minutes and two seconds, as kubelet retries volume operations.
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(122) }
    }
}

impl Backoff {
    /// The pause after so many failures in a row, the first being 1.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1).min(30));
        self.first.saturating_mul(factor).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest() {
        let backoff = Backoff::default();
        let pauses: Vec<u64> =
            (1..=10).map(|n| u64::try_from(backoff.pause(n).as_millis()).expect("small")).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 122_000, 122_000]);
        assert_eq!(backoff.pause(u32::MAX), backoff.longest);
    }
}
