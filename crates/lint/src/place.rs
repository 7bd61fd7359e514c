//! Places in a text, and how places in a string map to the file that holds it.

use serde::Serialize;

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Place {
    pub(crate) const fn new(line: usize, column: usize) -> Self {
        Self { line, column }
    }

    /// Bytes of `text` before this place; the text's length if it has no such place.
    #[must_use]
    pub fn offset(self, text: &str) -> usize {
        let mut start = 0;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            if number + 1 == self.line {
                return start + line.chars().take(self.column - 1).map(char::len_utf8).sum::<usize>();
            }
            start += line.len();
        }
        text.len()
    }
}

/// Where the text of a scalar stands in the text around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A literal block: line for line, after an indentation.
    Block {
        /// Line of the text's first line.
        line: usize,
        /// Characters before each line.
        indent: usize,
    },
    /// Anything else: all places in it are where it begins.
    Whole(Place),
}

impl Origin {
    /// A place in the scalar's text as a place in the text around it.
    pub(crate) const fn outer(self, inner: Place) -> Place {
        match self {
            Self::Block { line, indent } => Place::new(line + inner.line - 1, indent + inner.column),
            Self::Whole(place) => place,
        }
    }
}

/// A text inside of a file, however deep.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nesting(Vec<Origin>);

impl Nesting {
    /// A text that stands inside of this one.
    pub(crate) fn inside(&self, origin: Origin) -> Self {
        let mut origins = self.0.clone();
        origins.push(origin);
        Self(origins)
    }

    /// A place in the innermost text as one in the file.
    pub(crate) fn outer(&self, inner: Place) -> Place {
        self.0.iter().rev().fold(inner, |place, origin| origin.outer(place))
    }

    /// Whether text of the innermost is in the file letter by letter.
    pub(crate) fn is_literal(&self) -> bool {
        self.0.iter().all(|origin| matches!(origin, Origin::Block { .. }))
    }
}
