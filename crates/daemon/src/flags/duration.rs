//! Go's notation of durations.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time as Go writes it: `2m0s`, `1.5h`, `-300ms`. Whole nanoseconds; may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration {
    nanoseconds: i64,
}

/// The text is no duration in Go's notation, or it is longer than 292 years.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a duration: write a number with a unit such as 30s, 2m or 1h30m")]
pub struct NotADuration;

const UNITS: [(&str, i128); 8] = [
    // Longer names first: "ms" must not be read as "m".
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl GoDuration {
    /// A duration of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self { nanoseconds: seconds.saturating_mul(1_000_000_000) }
    }

    /// As a standard duration; a negative one is zero.
    #[must_use]
    pub const fn to_duration(self) -> Duration {
        if self.nanoseconds <= 0 {
            Duration::ZERO
        } else {
            Duration::from_nanos(self.nanoseconds.unsigned_abs())
        }
    }

    /// Whether it is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.nanoseconds < 0
    }
}

impl FromStr for GoDuration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self { nanoseconds: 0 });
        }
        if rest.is_empty() {
            return Err(NotADuration);
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
            let (number, after) = rest.split_at(digits);
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
                return Err(NotADuration);
            }
            let (unit, nanoseconds) = UNITS
                .iter()
                .filter(|(unit, _)| after.starts_with(unit))
                .max_by_key(|(unit, _)| unit.len())
                .ok_or(NotADuration)?;
            let whole: i128 =
                if whole.is_empty() { 0 } else { whole.parse::<u64>().map_err(|_| NotADuration)?.into() };
            total += whole * nanoseconds;
            // 18 digits are finer than a nanosecond of an hour; more would only overflow.
            let fraction = &fraction[..fraction.len().min(18)];
            if !fraction.is_empty() {
                let scale = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or(18));
                total += fraction.parse::<i128>().map_err(|_| NotADuration)? * nanoseconds / scale;
            }
            if total > i128::from(i64::MAX) {
                return Err(NotADuration);
            }
            rest = &after[unit.len()..];
        }
        let nanoseconds = i64::try_from(if negative { -total } else { total }).map_err(|_| NotADuration)?;
        Ok(Self { nanoseconds })
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.nanoseconds.unsigned_abs();
        if self.nanoseconds < 0 {
            f.write_str("-")?;
        }
        match all {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{all}ns"),
            1_000..1_000_000 => write!(f, "{}µs", decimal(all, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", decimal(all, 1_000_000)),
            _ => {
                let (minutes, rest) = (all / 60_000_000_000, all % 60_000_000_000);
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                write!(f, "{}s", decimal(rest, 1_000_000_000))
            }
        }
    }
}

/// `value / unit` without trailing zeros.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{whole}.{}", format!("{rest:0width$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_go_notation() {
        for (text, shown, nanoseconds) in [
            ("0", "0s", 0),
            ("120s", "2m0s", 120_000_000_000),
            ("2m0s", "2m0s", 120_000_000_000),
            ("1h", "1h0m0s", 3_600_000_000_000),
            ("1.5h", "1h30m0s", 5_400_000_000_000),
            ("1h15m30.918273645s", "1h15m30.918273645s", 4_530_918_273_645),
            ("300ms", "300ms", 300_000_000),
            ("1.5ms", "1.5ms", 1_500_000),
            ("10us", "10µs", 10_000),
            ("10µs", "10µs", 10_000),
            ("7ns", "7ns", 7),
            (".5s", "500ms", 500_000_000),
            ("5.s", "5s", 5_000_000_000),
            ("-2m", "-2m0s", -120_000_000_000),
            ("+5s", "5s", 5_000_000_000),
            ("1m1ms", "1m0.001s", 60_001_000_000),
        ] {
            let parsed: GoDuration = text.parse().expect(text);
            assert_eq!(parsed.nanoseconds, nanoseconds, "{text}");
            assert_eq!(parsed.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in ["", "-", "3", "5 s", "s", ".s", "1..5s", "1d", "2m 0s", "99999999999h", "1h-5m"] {
            assert_eq!(text.parse::<GoDuration>(), Err(NotADuration), "{text}");
        }
    }

    #[test]
    fn negative_is_no_wait() {
        assert_eq!(GoDuration::from_secs(-5).to_duration(), Duration::ZERO);
        assert!(GoDuration::from_secs(-5).is_negative());
        assert_eq!(GoDuration::from_secs(90).to_duration(), Duration::from_secs(90));
    }
}
