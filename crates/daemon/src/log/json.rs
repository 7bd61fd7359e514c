//! The two JSON forms.

use jiff::Timestamp;
use serde_json::{Map, Number, Value as Json};
use tracing::{Level, Metadata};

use super::event::{Fields, Value, caller};

/// Keys of the Go driver's JSON log; errors stand under `error`.
pub(super) fn driver_line(now: Timestamp, metadata: &Metadata<'_>, fields: &Fields) -> String {
    let level = match *metadata.level() {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    };
    let (file, number) = caller(metadata);
    let mut object = Map::new();
    object.insert("level".to_owned(), level.into());
    object.insert("timestamp".to_owned(), format!("{now:.6}").into());
    object.insert("caller".to_owned(), format!("{file}:{number}${}", metadata.target()).into());
    object.insert("message".to_owned(), fields.message.as_str().into());
    insert(&mut object, fields, "error");
    finish(object)
}

/// Keys of klog's JSON log: `ts` in milliseconds of Unix time.
pub(super) fn klog_line(now: Timestamp, metadata: &Metadata<'_>, fields: &Fields) -> String {
    let (file, number) = caller(metadata);
    let mut object = Map::new();
    #[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit into 53 bits")]
    let milliseconds = now.as_microsecond() as f64 / 1_000.0;
    object.insert("ts".to_owned(), Number::from_f64(milliseconds).map_or(Json::Null, Json::Number));
    object.insert("caller".to_owned(), format!("{file}:{number}").into());
    object.insert("msg".to_owned(), fields.message.as_str().into());
    match *metadata.level() {
        Level::ERROR => {}
        Level::WARN | Level::INFO => drop(object.insert("v".to_owned(), 0.into())),
        Level::DEBUG => drop(object.insert("v".to_owned(), 2.into())),
        Level::TRACE => drop(object.insert("v".to_owned(), 5.into())),
    }
    insert(&mut object, fields, "err");
    finish(object)
}

fn insert(object: &mut Map<String, Json>, fields: &Fields, error_key: &str) {
    for (name, value) in &fields.values {
        let key = if *name == "err" { error_key } else { name };
        let value = match value {
            Value::Text(text) => Json::from(text.as_str()),
            Value::Plain(text) => serde_json::from_str(text).unwrap_or_else(|_| Json::from(text.as_str())),
        };
        object.insert(key.to_owned(), value);
    }
}

fn finish(object: Map<String, Json>) -> String {
    let mut line = Json::Object(object).to_string();
    line.push('\n');
    line
}
