//! The fields of one event.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

/// One value; numbers and booleans are shown without quotes.
pub(super) enum Value {
    Text(String),
    Plain(String),
}

/// Message and fields in the order they were written.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) values: Vec<(&'static str, Value)>,
}

impl Fields {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut fields = Self::default();
        event.record(&mut fields);
        fields
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.values.push((field.name(), Value::Text(text)));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.values.push((field.name(), Value::Text(value.to_owned())));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.values.push((field.name(), Value::Plain(value.to_string())));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.values.push((field.name(), Value::Plain(value.to_string())));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinities; text does not need them either.
        let value = if value.is_finite() { value } else { 0.0 };
        self.values.push((field.name(), Value::Plain(value.to_string())));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.values.push((field.name(), Value::Plain(value.to_string())));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.values.push((field.name(), Value::Text(value.to_string())));
    }
}

/// `file.rs` and line of the call.
pub(super) fn caller(metadata: &Metadata<'_>) -> (String, u32) {
    let file = metadata.file().unwrap_or("unknown");
    let name = file.rsplit('/').next().unwrap_or(file);
    (name.to_owned(), metadata.line().unwrap_or_default())
}
