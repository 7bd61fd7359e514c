//! YAML as Go's yaml.v3 reads it, for the two shapes that `objects` consists of.
//!
//! The Azure provider decodes twice: a mapping with an `array` of strings, and each string again as
//! the mapping of one object. People's classes depend on what yaml.v3 takes and refuses there, so
//! this module follows it: literal text of any scalar for a string, null leaves a field empty, only
//! the first document counts, duplicate keys are refused, anchors and merge keys work.

mod decode;
mod node;
mod scalar;
mod syntax;
mod value;

use std::fmt;

use crate::limits::Limit;
use crate::position::Position;

pub(crate) use decode::{Field, Pairs, Record, decode, decode_node};
pub(crate) use node::{Document, NodeId};
pub(crate) use value::to_value;

/// A text that was read, with the place it stood at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// The text, as in the document.
    pub(crate) value: String,
    /// Where its node starts.
    pub(crate) at: Position,
    /// Where its lines stand, if it is a literal block.
    pub(crate) literal: Option<Literal>,
}

/// A literal block scalar: its lines are the document's own after an indentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    /// The document's line of the first line of the text.
    pub(crate) line: usize,
    /// Characters of indentation before each line.
    pub(crate) indent: usize,
}

/// Why a text could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What kind of failure.
    pub(crate) cause: Cause,
    /// Go's text without the leading `yaml: `.
    pub(crate) text: String,
    /// Where.
    pub(crate) at: Position,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The text is not YAML.
    Syntax(syntax::Mistake),
    /// A value has the wrong type, or a key stands twice.
    Type,
    /// A bound was hit.
    Limit(Limit),
}

impl Failure {
    fn fatal(text: impl Into<String>, at: Position) -> Self {
        Self { cause: Cause::Type, text: text.into(), at }
    }

    fn limit(limit: Limit, at: Position) -> Self {
        Self { cause: Cause::Limit(limit), text: limit.to_string(), at }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "yaml: {}", self.text)
    }
}

#[cfg(test)]
mod tests;
