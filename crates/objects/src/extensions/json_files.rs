//! `jsonPath`: values out of a secret that is JSON or YAML, each in a file of its own (RFC 9535).

use std::borrow::Cow;
use std::collections::HashMap;

use keymount_sensitive::SecretBytes;
use serde_json::Value;
use serde_json::value::RawValue;
use serde_json_path::{JsonPath, NormalizedPath, PathElement};
use thiserror::Error;

use super::ExtensionProblem;
use super::pem_files::check_file;
use crate::limits::{Budget, Limits};
use crate::yaml::{Document, Pairs, to_value};

/// Entries of one object.
pub(crate) const MAX_FILES: usize = 100;

/// Characters of a path.
const MAX_PATH: usize = 256;

/// Bytes of a value; a secret has 25 KiB at most.
const MAX_VALUE: usize = 128 << 10;

/// A file for a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonFile {
    written: String,
    path: JsonPath,
    alias: String,
    mode: i32,
}

/// A value cannot be had. No text says anything of the secret's content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JsonFileError {
    /// Too much to be read.
    #[error("jsonPath: the value has more than {MAX_VALUE} bytes")]
    TooLarge,
    /// Neither JSON nor YAML.
    #[error("jsonPath: the value is neither JSON nor YAML")]
    Unreadable,
    /// The path leads nowhere.
    #[error("jsonPath: {0} selects nothing")]
    Nothing(String),
    /// The path leads to several values.
    #[error("jsonPath: {0} selects {1} values")]
    Several(String, usize),
    /// The value is null.
    #[error("jsonPath: {0} selects null")]
    Null(String),
}

impl JsonFileError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge | Self::Unreadable => {
                "jsonPath reads secrets whose value is JSON or YAML; leave it out to get the value as it is"
            }
            Self::Nothing(_) | Self::Several(..) | Self::Null(_) => {
                "compare the path with the secret's value: it has to pick exactly one value that is not null"
            }
        }
    }
}

impl JsonFile {
    /// Path below the volume.
    #[must_use]
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// Mode bits.
    #[must_use]
    pub const fn mode(&self) -> i32 {
        self.mode
    }

    /// The content of each of the files. A string is written as it reads, without quotes; of JSON, anything
    /// else as it stands there; of YAML, other scalars as they stand there, and collections as compact JSON.
    ///
    /// # Errors
    /// The first file's, in their order.
    pub fn extract(files: &[Self], content: &[u8]) -> Result<Vec<SecretBytes>, JsonFileError> {
        if content.len() > MAX_VALUE {
            return Err(JsonFileError::TooLarge);
        }
        let text = std::str::from_utf8(content).map_err(|_| JsonFileError::Unreadable)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let json = serde_json::from_str::<Value>(text).ok();
        let source = json.is_some().then_some(text);
        let mut value = match json {
            Some(value) => value,
            None => yaml(text).ok_or(JsonFileError::Unreadable)?,
        };
        let found = files.iter().map(|file| file.one(&value, source)).collect();
        erase(&mut value);
        found
    }

    fn one(&self, value: &Value, source: Option<&str>) -> Result<SecretBytes, JsonFileError> {
        let written = || self.written.clone();
        let mut found = self.path.query_located(value).all();
        let located = match (found.len(), found.pop()) {
            (1, Some(located)) => located,
            (0, _) => return Err(JsonFileError::Nothing(written())),
            (several, _) => return Err(JsonFileError::Several(written(), several)),
        };
        let text = match located.node() {
            Value::Null => return Err(JsonFileError::Null(written())),
            Value::String(text) => text.clone(),
            other => match source {
                // Numbers would not survive the way through a float.
                Some(source) => {
                    at(source, located.location()).ok_or(JsonFileError::Unreadable)?.get().to_owned()
                }
                None => other.to_string(),
            },
        };
        Ok(SecretBytes::new(text.into_bytes()))
    }
}

/// The very text of a value.
fn at<'a>(source: &'a str, path: &NormalizedPath<'_>) -> Option<&'a RawValue> {
    let mut value: &RawValue = serde_json::from_str(source).ok()?;
    for element in path.iter() {
        value = match element {
            PathElement::Name(name) => {
                let fields: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(value.get()).ok()?;
                fields.get(*name).copied()?
            }
            PathElement::Index(index) => {
                let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
                items.get(*index).copied()?
            }
        };
    }
    Some(value)
}

fn yaml(text: &str) -> Option<Value> {
    let mut budget = Budget::new(Limits { nodes: 50_000, ..Limits::default() });
    let document = Document::parse(text, &mut budget).ok()?;
    to_value(&document, &mut budget).ok()?
}

/// Overwrites the texts of a value.
fn erase(value: &mut Value) {
    match value {
        Value::String(text) => drop(SecretBytes::new(std::mem::take(text).into_bytes())),
        Value::Array(items) => items.iter_mut().for_each(erase),
        Value::Object(fields) => fields.values_mut().for_each(erase),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub(super) fn check(written: &[Pairs], mode: i32) -> Result<Vec<JsonFile>, ExtensionProblem> {
    if written.len() > MAX_FILES {
        return Err(ExtensionProblem::TooManyFiles);
    }
    written.iter().enumerate().map(|(index, fields)| check_entry(index, fields, mode)).collect()
}

fn check_entry(index: usize, fields: &Pairs, mode: i32) -> Result<JsonFile, ExtensionProblem> {
    let (mut path, mut alias, mut permission) = ("", "", "");
    for (name, value) in fields {
        let field = match name.as_str() {
            "path" => &mut path,
            "objectAlias" => &mut alias,
            "filePermission" => &mut permission,
            _ => return Err(ExtensionProblem::EntryField { index, field: name.clone() }),
        };
        *field = value.value.trim();
    }
    for (field, value) in [("path", path), ("objectAlias", alias)] {
        if value.is_empty() {
            return Err(ExtensionProblem::EntryIncomplete { index, field });
        }
    }
    let wrong = |detail: String| ExtensionProblem::Path { index, path: path.to_owned(), detail };
    bounded(path).map_err(|detail| wrong(detail.to_owned()))?;
    let parsed = JsonPath::parse(path).map_err(|error| wrong(error.to_string()))?;
    let mode = check_file(format!("jsonPath[{index}]"), alias, permission, mode)?;
    Ok(JsonFile { written: path.to_owned(), path: parsed, alias: alias.to_owned(), mode })
}

/// Leaves out what selects many values or makes a query cost more than the value is long: a tenant writes
/// the path as well as the value. What is left picks by name, index, slice, wildcard and one filter.
fn bounded(path: &str) -> Result<(), &'static str> {
    if path.chars().count() > MAX_PATH {
        return Err("it is longer than 256 characters");
    }
    let (mut filters, mut roots, mut before) = (0, 0, ' ');
    let mut quote = None;
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '.') if before == '.' => return Err("descendants (..) are not supported"),
            (None, ',') => return Err("several selectors in one bracket are not supported"),
            (None, '(') => return Err("functions and parentheses are not supported"),
            (None, '?') => filters += 1,
            (None, '$') => roots += 1,
            _ => {}
        }
        before = character;
    }
    match (filters, roots) {
        (0 | 1, 0 | 1) => Ok(()),
        (0 | 1, _) => Err("$ inside a filter is not supported"),
        _ => Err("more than one filter is not supported"),
    }
}

#[cfg(test)]
mod tests;
