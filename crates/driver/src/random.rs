//! Jitter. Not for anything that must be unpredictable.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A fraction in `0.0..1.0`.
#[must_use]
pub(crate) fn fraction() -> f64 {
    // Each RandomState is keyed differently, which is randomness enough to spread load.
    let bits = RandomState::new().build_hasher().finish() >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let numerator = bits as f64;
    numerator / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    #[test]
    fn fractions_spread_over_the_whole_range() {
        let all: Vec<f64> = (0..1000).map(|_| super::fraction()).collect();
        assert!(all.iter().all(|f| (0.0..1.0).contains(f)));
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            let hits = all.iter().filter(|f| (low..low + 0.1).contains(*f)).count();
            assert!((40..200).contains(&hits), "{hits} of 1000 in the tenth from {low}");
        }
    }
}
