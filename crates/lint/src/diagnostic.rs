//! What is told of a mistake.

use serde::Serialize;

use crate::place::Place;
use crate::rule::Rule;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The API server, the driver or the provider refuses it.
    Error,
    /// It works, but hardly as it was meant.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable code in CamelCase. Where a mount would fail, it is the reason that the mount's error has.
    pub code: &'static str,
    /// Index of the file.
    pub file: usize,
    /// First character it is about.
    pub start: Place,
    /// The place behind the last one; the same as `start` if it is about a place only.
    pub end: Place,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// A change that puts it right and can do no harm.
    pub fix: Option<Fix>,
}

/// A change of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What the change does.
    pub description: String,
    /// Its parts; they do not overlap.
    pub edits: Vec<Edit>,
}

/// A part of the text that is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// First character that goes.
    pub start: Place,
    /// The place behind the last one that goes; the same as `start` where nothing goes.
    pub end: Place,
    /// What comes.
    pub text: String,
}

impl Diagnostic {
    /// A finding with the rule's own words.
    pub(crate) fn new(severity: Severity, rule: Rule, file: usize, start: Place, end: Place) -> Self {
        Self {
            severity,
            code: rule.code(),
            file,
            start,
            end,
            message: rule.meaning().to_owned(),
            hint: rule.remedy().to_owned(),
            fix: None,
        }
    }

    /// The same with a message of its own.
    pub(crate) fn saying(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// The same with a hint of its own.
    pub(crate) fn hinting(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// The same with a change that puts it right.
    pub(crate) fn fixed(self, description: impl Into<String>, edits: Vec<Edit>) -> Self {
        Self { fix: Some(Fix { description: description.into(), edits }), ..self }
    }
}
