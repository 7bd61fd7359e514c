//! Rules for the paths of files inside a volume.
//!
//! The order of the checks and the beginning of each text are those of the Go driver v1.6.0, because
//! people search for them; a NUL byte and the path `.`, which it lets through, are refused here.

use std::borrow::Borrow;
use std::fmt;

use thiserror::Error;

/// Longest path in bytes.
const MAX_PATH: usize = 4096;
/// Longest element of a path in bytes.
const MAX_ELEMENT: usize = 255;

/// A path below the root of a volume that is safe to create there: relative, in its shortest form, without
/// `..`, and not among the names that the layout keeps for itself (a first element beginning with `..`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(String);

/// Why a path cannot be a file of a volume. The texts begin as the Go driver's do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// No path at all.
    #[error("invalid path: must not be empty: \"\"")]
    Empty,
    /// Begins with `/`.
    #[error("invalid path: must be relative path: {}", Shown(.0))]
    Absolute(String),
    /// More than 4096 bytes.
    #[error("invalid path: must be less than or equal to {MAX_PATH} characters")]
    TooLong,
    /// An element is `..`.
    #[error("invalid path: must not contain '..': {}", Shown(.0))]
    Parent(String),
    /// An element is longer than 255 bytes.
    #[error("invalid path: filenames must be less than or equal to {MAX_ELEMENT} characters")]
    ElementTooLong,
    /// The first element begins with `..`, which is reserved for the layout of the volume.
    #[error("invalid path: must not start with '..': {}", Shown(.0))]
    Reserved(String),
    /// Not the shortest form: `./a`, `a/`, `a//b`, `a/./b`.
    #[error("invalid filepath: \"{}\": write it without empty or '.' elements", Shown(.0))]
    NotClean(String),
    /// The path is `.`, the volume itself.
    #[error("invalid path: must name a file, not the volume itself: .")]
    Root,
    /// Contains a NUL byte, which no file name can.
    #[error("invalid path: must not contain a NUL byte: {}", Shown(.0))]
    Nul(String),
}

impl RelativePath {
    /// Checks a path that a provider names.
    ///
    /// # Errors
    /// The first rule that the path breaks.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        let quoted = || path.to_owned();
        if path.is_empty() {
            return Err(PathError::Empty);
        }
        if path.starts_with('/') {
            return Err(PathError::Absolute(quoted()));
        }
        if path.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        for element in path.split('/') {
            if element == ".." {
                return Err(PathError::Parent(quoted()));
            }
            if element.len() > MAX_ELEMENT {
                return Err(PathError::ElementTooLong);
            }
        }
        if path.starts_with("..") {
            return Err(PathError::Reserved(quoted()));
        }
        if path == "." {
            return Err(PathError::Root);
        }
        if path.split('/').any(|element| element.is_empty() || element == ".") {
            return Err(PathError::NotClean(quoted()));
        }
        if path.contains('\0') {
            return Err(PathError::Nul(quoted()));
        }
        Ok(Self(path.to_owned()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first element: the name that is visible at the top of the volume.
    #[must_use]
    pub fn top(&self) -> &str {
        self.0.split_once('/').map_or(self.as_str(), |(top, _)| top)
    }

    /// The directories the file lies in, outermost first; none for a file at the top.
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end])
    }

    /// The number of elements.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.directories().count() + 1
    }
}

impl Borrow<str> for RelativePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.0).fmt(f)
    }
}

/// Foreign text for an error or a log line: control characters are escaped, so that it stays one line.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
