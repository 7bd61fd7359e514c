//! One number of one row: what it is, what it was for the Go programs, what it must be.

use serde::Serialize;

/// What a number has to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Target {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// Only told.
    None,
}

/// A measured number.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: String,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The Go driver v1.6.0 or provider v1.8.2, as measured on two shared cores.
    pub(crate) upstream: Option<f64>,
    /// What ours has to be.
    pub(crate) target: Target,
    /// What was measured.
    pub(crate) value: f64,
}

impl Figure {
    /// A number without upstream's and without a target.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { name: name.into(), unit, upstream: None, target: Target::None, value }
    }

    /// With upstream's number.
    pub(crate) const fn upstream(mut self, value: f64) -> Self {
        self.upstream = Some(value);
        self
    }

    /// With an upper bound.
    pub(crate) const fn at_most(mut self, bound: f64) -> Self {
        self.target = Target::AtMost(bound);
        self
    }

    /// With a lower bound.
    pub(crate) const fn at_least(mut self, bound: f64) -> Self {
        self.target = Target::AtLeast(bound);
        self
    }

    /// Whether the target is reached; `None` if there is none.
    pub(crate) fn is_met(&self) -> Option<bool> {
        match self.target {
            Target::AtMost(bound) => Some(self.value <= bound),
            Target::AtLeast(bound) => Some(self.value >= bound),
            Target::None => None,
        }
    }
}
