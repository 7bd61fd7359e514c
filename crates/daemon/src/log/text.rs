//! klog's text form.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::{Level, Metadata};

use super::event::{Fields, Value, caller};

pub(super) fn line(skip_header: bool, now: Timestamp, metadata: &Metadata<'_>, fields: &Fields) -> String {
    let mut line = String::with_capacity(160);
    if !skip_header {
        let letter = match *metadata.level() {
            Level::ERROR => 'E',
            Level::WARN => 'W',
            _ => 'I',
        };
        let at = now.to_zoned(TimeZone::UTC);
        let (file, number) = caller(metadata);
        let _ = write!(
            line,
            "{letter}{:02}{:02} {:02}:{:02}:{:02}.{:06} {:>7} {file}:{number}] ",
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.subsec_nanosecond() / 1_000,
            std::process::id(),
        );
    }
    let _ = write!(line, "{:?}", fields.message);
    for (name, value) in &fields.values {
        let _ = match value {
            Value::Text(text) => write!(line, " {name}={text:?}"),
            Value::Plain(text) => write!(line, " {name}={text}"),
        };
    }
    line.push('\n');
    line
}
