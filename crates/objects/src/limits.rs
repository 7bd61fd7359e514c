//! Bounds on what a tenant's text may cost.

use std::fmt;

/// Bounds on the `objects` parameter. The Go provider has none of its own; these lie far above what
/// a SecretProviderClass can hold and far below what would hurt the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole parameter.
    pub text_bytes: usize,
    /// Bytes of all texts that are taken from it, after aliases.
    pub expanded_bytes: usize,
    /// YAML nodes in all documents together, and steps of decoding them.
    pub nodes: usize,
    /// Levels of nesting.
    pub depth: usize,
    /// Objects of one class.
    pub objects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { text_bytes: 2 << 20, expanded_bytes: 8 << 20, nodes: 200_000, depth: 64, objects: 5_000 }
    }
}

/// A bound that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of the parameter.
    TextBytes(usize),
    /// Bytes of all items together.
    ExpandedBytes(usize),
    /// Nodes, or steps of decoding.
    Nodes(usize),
    /// Levels of nesting.
    Depth(usize),
    /// Number of objects.
    Objects(usize),
}

impl Limit {
    pub(crate) const fn fix(self) -> &'static str {
        match self {
            Self::Depth(_) => "an object needs no nesting: one field per line",
            _ => "objects is far larger than it needs to be: check for anchors and aliases that multiply",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TextBytes(limit) => write!(f, "document exceeds the limit of {limit} bytes"),
            Self::ExpandedBytes(limit) => {
                write!(f, "document exceeds the limit of {limit} bytes after aliases are expanded")
            }
            Self::Nodes(limit) => write!(f, "document exceeds the limit of {limit} nodes"),
            Self::Depth(limit) => write!(f, "exceeded max depth of {limit}"),
            Self::Objects(limit) => write!(f, "document exceeds the limit of {limit} objects"),
        }
    }
}

/// What is left of the limits while one parameter is read.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    nodes: usize,
    steps: usize,
    bytes: usize,
}

impl Budget {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self { limits, nodes: limits.nodes, steps: limits.nodes, bytes: limits.expanded_bytes }
    }

    pub(crate) const fn depth(&self) -> usize {
        self.limits.depth
    }

    /// Counts a node of a document.
    pub(crate) fn node(&mut self) -> Result<(), Limit> {
        take(&mut self.nodes, 1, Limit::Nodes(self.limits.nodes))
    }

    /// Counts a node that is decoded; aliases decode nodes many times.
    pub(crate) fn step(&mut self) -> Result<(), Limit> {
        take(&mut self.steps, 1, Limit::Nodes(self.limits.nodes))
    }

    /// Counts the bytes of a text that is copied from the document.
    pub(crate) fn bytes(&mut self, bytes: usize) -> Result<(), Limit> {
        take(&mut self.bytes, bytes, Limit::ExpandedBytes(self.limits.expanded_bytes))
    }
}

fn take(left: &mut usize, amount: usize, limit: Limit) -> Result<(), Limit> {
    *left = left.checked_sub(amount).ok_or(limit)?;
    Ok(())
}
