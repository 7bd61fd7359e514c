//! How long things take. One generator feeds all of it: see [`keymount_clock::jitter`].

use std::time::Duration;

use keymount_clock::jitter;

/// A duration around `median`, sometimes much longer: log-normal, one in a hundred takes four times as long.
pub(crate) fn around(median: Duration) -> Duration {
    const SIGMA: f64 = 0.6;
    // Box and Muller; the fraction may be zero, its complement may not.
    let (radius, angle) = (1.0 - jitter::fraction(), std::f64::consts::TAU * jitter::fraction());
    let normal = (-2.0 * radius.ln()).sqrt() * angle.cos();
    median.mul_f64((SIGMA * normal).exp())
}

/// A duration between two, all equally likely.
pub(crate) fn between(shortest: Duration, longest: Duration) -> Duration {
    shortest + (longest - shortest).mul_f64(jitter::fraction())
}
