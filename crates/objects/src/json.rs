//! JSON as Go's `encoding/json` reads it: an object of strings, and a file mode.
//!
//! The texts may hold tokens and client secrets. So values go straight into [`SecretString`]s, and an
//! error shows of the input what Go's own error shows: one character, or a number.

mod read;
mod syntax;

use std::collections::HashMap;

use keymount_sensitive::SecretString;
use thiserror::Error;

use read::Reader;

/// Why a JSON text was refused, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct JsonError(String);

/// An object of strings, or none for `null`. A value `null` is an empty string, the last of equal
/// keys wins; the whole text is checked before any type is.
pub(crate) fn string_map(text: &str) -> Result<Option<HashMap<String, SecretString>>, JsonError> {
    syntax::validate(text)?;
    let mut reader = Reader::new(text);
    if reader.kind() != Kind::Object {
        return match reader.kind() {
            Kind::Null => Ok(None),
            kind => Err(mismatch(kind.name(), "map[string]string")),
        };
    }
    let mut map = HashMap::new();
    let mut wrong = None;
    reader.open();
    while let Some(key) = reader.key() {
        match reader.kind() {
            Kind::String => drop(map.insert(key, SecretString::new(reader.string()))),
            Kind::Null => {
                reader.skip();
                map.insert(key, SecretString::default());
            }
            kind => {
                reader.skip();
                wrong.get_or_insert_with(|| mismatch(kind.name(), "string"));
            }
        }
    }
    wrong.map_or(Ok(Some(map)), Err)
}

/// A file mode: a decimal number of 32 bits; `null` is 0.
pub(crate) fn file_mode(text: &str) -> Result<u32, JsonError> {
    syntax::validate(text)?;
    match Reader::new(text).kind() {
        Kind::Null => Ok(0),
        Kind::Number => {
            let number = text.trim_matches(syntax::is_space);
            number.parse().map_err(|_| mismatch(&format!("number {number}"), "fs.FileMode"))
        }
        kind => Err(mismatch(kind.name(), "fs.FileMode")),
    }
}

fn mismatch(found: &str, wanted: &str) -> JsonError {
    JsonError(format!("json: cannot unmarshal {found} into Go value of type {wanted}"))
}

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Null => "null",
        }
    }
}

#[cfg(test)]
mod tests;
