//! JSON read field by field, with the words that the Azure SDK for Go has for what is wrong.
//!
//! Nothing of a value is ever quoted; of text that is no JSON, at most one character that cannot begin
//! any.

use std::collections::HashMap;

use keymount_sensitive::SecretString;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::error::VaultError;

/// The fields of an object, not yet decoded.
pub(crate) struct Fields<'a> {
    model: &'static str,
    fields: HashMap<String, &'a RawValue>,
}

impl<'a> Fields<'a> {
    /// Reads a whole answer. An empty body and `null` are empty objects, and a byte order mark is
    /// skipped.
    pub(crate) fn of_answer(body: &'a [u8], model: &'static str) -> Result<Self, VaultError> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        if body.is_empty() {
            return Ok(Self { model, fields: HashMap::new() });
        }
        let whole: &RawValue = serde_json::from_slice(body)
            .map_err(|error| VaultError::Malformed { model, detail: syntax(body, &error) })?;
        Self::of_value(whole, model)
    }

    /// Reads an object inside an answer.
    pub(crate) fn of_value(value: &'a RawValue, model: &'static str) -> Result<Self, VaultError> {
        let fields: Option<_> = serde_json::from_str(value.get()).map_err(|_| {
            malformed(model, format!("{} into Go value of type map[string]json.RawMessage", mismatch(value)))
        })?;
        Ok(Self { model, fields: fields.unwrap_or_default() })
    }

    /// The raw value of a field; none if it is missing or null.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.get(name).copied().filter(|value| value.get() != "null")
    }

    /// A field's value; none if it is missing or null. `field` and `go_type` are how Go calls them.
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        name: &str,
        field: &str,
        go_type: &str,
    ) -> Result<Option<T>, VaultError> {
        let Some(value) = self.raw(name) else { return Ok(None) };
        let read = serde_json::from_str(value.get());
        let read = read.or_else(|error| match without_lone_surrogates(value.get()) {
            Some(text) => serde_json::from_str(text.expose()),
            None => Err(error),
        });
        read.map(Some).map_err(|_| {
            malformed(
                self.model,
                format!("struct field {field}: {} into Go value of type {go_type}", mismatch(value)),
            )
        })
    }

    /// A text field.
    pub(crate) fn text<T: DeserializeOwned>(&self, name: &str, field: &str) -> Result<Option<T>, VaultError> {
        self.get(name, field, "string")
    }
}

/// The model's own decoder fails, and the answer's with it: the SDK says so twice.
fn malformed(model: &'static str, detail: String) -> VaultError {
    VaultError::Malformed { model, detail: format!("unmarshalling type {model}: {detail}") }
}

fn mismatch(value: &RawValue) -> String {
    let kind = match value.get().as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "bool",
        _ => "number",
    };
    format!("json: cannot unmarshal {kind}")
}

/// A text in which halves of surrogate pairs (`\\ud83d` alone) are U+FFFD, as Go reads them; none if there are none.
fn without_lone_surrogates(json: &str) -> Option<SecretString> {
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    // No longer than the original, so that nothing is left behind where it grew.
    let mut repaired = String::with_capacity(json.len());
    let (mut rest, mut changed) = (json, false);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        repaired.push_str(before);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                changed = true;
                repaired.push_str("\\ufffd");
                rest = escape.get(6..)?;
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        let (kept, after) = escape.split_at_checked(length)?;
        repaired.push_str(kept);
        rest = after;
    }
    repaired.push_str(rest);
    let repaired = SecretString::new(repaired);
    changed.then_some(repaired)
}

fn syntax(body: &[u8], error: &serde_json::Error) -> String {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace()).copied().map(char::from);
    match (error.classify(), first) {
        (Category::Eof, _) => "unexpected end of JSON input".to_owned(),
        (_, Some(first)) if !first.is_ascii_alphanumeric() && !matches!(first, '{' | '[' | '"' | '-') => {
            format!("invalid character '{first}' looking for beginning of value")
        }
        _ if error.to_string().starts_with("trailing characters") => {
            let line = body.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1));
            let behind = line.and_then(|line| line.get(error.column().saturating_sub(1)));
            let behind = behind.copied().map_or('?', char::from);
            format!("invalid character '{behind}' after top-level value")
        }
        _ => format!("invalid JSON at line {} column {}", error.line(), error.column()),
    }
}
