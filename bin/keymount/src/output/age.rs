//! Ages as kubectl writes them.

use jiff::Timestamp;

/// How long ago something was: `42s`, `3m5s`, `17m`, `4h20m`, `9h`, `3d4h`, `12d`.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> String {
    span(now.as_second().saturating_sub(since.as_second()))
}

/// How long until something is, in the same form; none if it has been.
pub(crate) fn until(end: Timestamp, now: Timestamp) -> Option<String> {
    Some(end.as_second().saturating_sub(now.as_second())).filter(|seconds| *seconds > 0).map(span)
}

/// The same of a number of seconds; what is negative has a minus.
pub(crate) fn span(seconds: i64) -> String {
    if seconds < 0 {
        return format!("-{}", span(seconds.saturating_neg()));
    }
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{small_unit}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_at_most_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (185, "3m5s"),
            (1020, "17m"),
            (15_600, "4h20m"),
            (32_400, "9h"),
            (172_800, "2d"),
            (273_600, "3d4h"),
            (1_036_800, "12d"),
            (-90, "-90s"),
        ] {
            assert_eq!(span(seconds), text);
        }
        let now = Timestamp::UNIX_EPOCH;
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert_eq!(
            [at(1_036_800), at(0), at(-5)].map(|end| until(end, now)),
            [Some("12d".to_owned()), None, None]
        );
    }
}
