//! JSON read field by field, with the words that the Azure SDK for Go has for what is wrong.
//!
//! Nothing of a value is ever quoted; of text that is no JSON, at most one character that cannot begin
//! any.

use std::collections::HashMap;

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
        serde_json::from_str(value.get()).map(Some).map_err(|_| {
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

fn syntax(body: &[u8], error: &serde_json::Error) -> String {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace()).copied().map(char::from);
    match (error.classify(), first) {
        (Category::Eof, _) => "unexpected end of JSON input".to_owned(),
        (_, Some(first)) if !first.is_ascii_alphanumeric() && !matches!(first, '{' | '[' | '"' | '-') => {
            format!("invalid character '{first}' looking for beginning of value")
        }
        _ => format!("invalid JSON at line {} column {}", error.line(), error.column()),
    }
}
