//! Label and field selectors.

mod field;
mod label;

use serde_json::Value;

use super::resource::ResourceType;
use super::status::Failure;

/// What a list or watch is restricted to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<label::Requirement>,
    fields: Vec<field::Requirement>,
}

impl Selector {
    /// Parses the query parameters `labelSelector` and `fieldSelector`; empty ones select everything.
    pub(crate) fn parse(resource: &ResourceType, labels: &str, fields: &str) -> Result<Self, Failure> {
        Ok(Self { labels: label::parse(labels)?, fields: field::parse(resource, fields)? })
    }

    /// Is the object selected?
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|requirement| requirement.matches(object))
            && self.fields.iter().all(|requirement| requirement.matches(object))
    }

    /// True when everything is selected.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}
