//! Jitter: fractions that spread load. Not for anything that must be unpredictable.
//!
//! It comes from one place, so that a simulation can make a whole run the same each time.

use std::cell::Cell;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

thread_local! {
    /// State of this thread's generator, once it has been seeded.
    static SEEDED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A fraction in `0.0..1.0`.
#[must_use]
pub fn fraction() -> f64 {
    // Each RandomState is keyed differently, which is randomness enough to spread load.
    let bits = SEEDED
        .with(|seeded| seeded.get().map(|state| step(seeded, state)))
        .unwrap_or_else(|| RandomState::new().build_hasher().finish())
        >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let numerator = bits as f64;
    numerator / 9_007_199_254_740_992.0
}

/// Lets [`fraction`] give the same sequence each time, on this thread. For simulations, as
/// [`WallClock::simulated`](crate::WallClock::simulated) is.
pub fn seed(seed: u64) {
    SEEDED.set(Some(seed));
}

/// One step of SplitMix64.
fn step(seeded: &Cell<Option<u64>>, state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    seeded.set(Some(state));
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread() {
        let all: Vec<f64> = (0..1000).map(|_| fraction()).collect();
        assert!(all.iter().all(|f| (0.0..1.0).contains(f)));
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            let hits = all.iter().filter(|f| (low..low + 0.1).contains(*f)).count();
            assert!((40..200).contains(&hits), "{hits} of 1000 in the tenth from {low}");
        }
    }

    #[test]
    fn fractions_spread_over_the_whole_range_seeded_or_not() {
        spread();
        seed(1);
        spread();
    }

    #[test]
    fn a_seed_gives_one_sequence() {
        let ten = |number: u64| {
            seed(number);
            (0..10).map(|_| fraction()).collect::<Vec<_>>()
        };
        assert_eq!(ten(7), ten(7));
        assert_ne!(ten(7), ten(8));
    }
}
