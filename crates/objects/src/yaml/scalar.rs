//! What Go's yaml.v3 makes of a plain scalar: its implicit tag, and its number.

/// What a scalar resolves to, as far as the fields of this crate can tell values apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Resolved {
    Null,
    Bool,
    Int(i128),
    Float(f64),
    Timestamp,
    Text,
}

impl Resolved {
    const fn tag(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool => "!!bool",
            Self::Int(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Timestamp => "!!timestamp",
            Self::Text => "!!str",
        }
    }
}

/// The tag of a plain scalar without a tag of its own.
pub(super) fn implicit_tag(text: &str) -> &'static str {
    if text == "<<" { "!!merge" } else { plain(text, true).tag() }
}

/// The value of a scalar under its tag, or the tag it has by its looks when that contradicts.
pub(super) fn resolve(tag: &str, text: &str) -> Result<Resolved, &'static str> {
    match tag {
        "!!str" => Ok(Resolved::Text),
        "!!bool" | "!!int" | "!!float" | "!!null" | "!!timestamp" => {
            match (tag, plain(text, tag == "!!timestamp")) {
                ("!!float", Resolved::Int(value)) => Ok(Resolved::Float(value as f64)),
                (_, value) if value.tag() == tag => Ok(value),
                (_, value) => Err(if text == "<<" { "!!merge" } else { value.tag() }),
            }
        }
        _ => Ok(Resolved::Text),
    }
}

fn plain(text: &str, timestamps: bool) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return Resolved::Bool,
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes().first() {
        Some(b'.') => float(text),
        Some(b'+' | b'-' | b'0'..=b'9') => {
            if timestamps && is_timestamp(text) {
                return Resolved::Timestamp;
            }
            let digits = text.replace('_', "");
            int(&digits).map_or_else(|| float(&digits), Resolved::Int)
        }
        _ => Resolved::Text,
    }
}

/// Go's `ParseInt` with base 0 (`0x`, `0o`, `0b`, leading zero = octal) within 64 bits.
fn int(text: &str) -> Option<i128> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let prefix = magnitude.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match prefix.as_deref() {
        Some("0x") => (16, &magnitude[2..]),
        Some("0o") => (8, &magnitude[2..]),
        Some("0b") => (2, &magnitude[2..]),
        Some(_) if magnitude.starts_with('0') => (8, &magnitude[1..]),
        _ => (10, magnitude),
    };
    if !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if negative { -value } else { value };
    // An unsigned 64-bit number has no sign in Go, not even a plus.
    let signed = magnitude.len() != text.len();
    (value >= i128::from(i64::MIN) && (!signed || value <= i128::from(i64::MAX))).then_some(value)
}

/// YAML's decimal floats; Go's parser of them takes the same spellings.
fn float(text: &str) -> Resolved {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_is_valid = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    if !exponent_is_valid || !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty())
    {
        return Resolved::Text;
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Resolved::Float(value),
        _ => Resolved::Text,
    }
}

/// The date forms of yaml.v3: `2006-1-2`, and with a time after `T`, `t` or a space.
fn is_timestamp(text: &str) -> bool {
    let Some((date, time)) = split_date(text) else { return false };
    let Some(time) = time else { return date };
    let (clock, zone) = match time.as_bytes().first() {
        Some(b'T' | b't') => match time.find(['Z', '+', '-']) {
            Some(at) => (&time[1..at], Some(&time[at..])),
            None => return false,
        },
        Some(b' ') => (&time[1..], None),
        _ => return false,
    };
    date && is_clock(clock) && zone.is_none_or(is_zone)
}

/// Whether the date before the time is one, and the time with its separator.
fn split_date(text: &str) -> Option<(bool, Option<&str>)> {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let year = number(year, 4)?;
    let (month, day) = (number(month, 2)?, number(day, 2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    Some(((1..=days).contains(&day), time))
}

fn is_clock(text: &str) -> bool {
    let (clock, fraction) = match text.find(['.', ',']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let parts: Vec<_> = clock.split(':').map(|part| number(part, 2)).collect();
    let in_range = matches!(parts[..], [Some(0..=23), Some(0..=59), Some(0..=59)]);
    let is_fraction = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    in_range && fraction.is_none_or(is_fraction)
}

fn is_zone(text: &str) -> bool {
    if text == "Z" {
        return true;
    }
    let Some((hours, minutes)) = text[1..].split_once(':') else { return false };
    hours.len() == 2
        && minutes.len() == 2
        && number(hours, 2).is_some_and(|hours| hours <= 24)
        && number(minutes, 2).is_some_and(|minutes| minutes <= 60)
}

fn number(text: &str, longest: usize) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= longest && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
