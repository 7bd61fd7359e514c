//! Structural schemas of custom resources (`openAPIV3Schema`): pruning, defaulting, validation.

mod prune;
mod validate;

use serde_json::Value;

use super::status::Cause;

/// The schema of one version of a custom resource.
#[derive(Clone, Debug)]
pub(crate) struct Schema(Value);

impl Schema {
    /// Takes the schema as the CustomResourceDefinition has it.
    pub(crate) const fn new(open_api: Value) -> Self {
        Self(open_api)
    }

    /// The schema itself.
    pub(crate) const fn root(&self) -> Node<'_> {
        Node(&self.0)
    }

    /// Removes every field the schema does not know; returns their paths.
    pub(crate) fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut unknown = Vec::new();
        prune::prune(self.root(), object, "", true, &mut unknown);
        unknown
    }

    /// Fills in the defaults of missing fields.
    pub(crate) fn default(&self, object: &mut Value) {
        prune::default(self.root(), object);
    }

    /// What the schema has against the object.
    pub(crate) fn validate(&self, object: &Value) -> Vec<Cause> {
        let mut causes = Vec::new();
        validate::validate(self.root(), object, "", &mut causes);
        causes
    }
}

/// One node of a schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a>(&'a Value);

impl<'a> Node<'a> {
    fn field(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    fn flag(self, name: &str) -> bool {
        self.field(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A text of the node, for example `x-kubernetes-list-type`.
    pub(crate) fn text(self, name: &str) -> &'a str {
        self.field(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A list of texts of the node, for example `x-kubernetes-list-map-keys`.
    pub(crate) fn texts(self, name: &str) -> Vec<&'a str> {
        self.field(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The node of a property, or of any property by `additionalProperties`.
    pub(crate) fn property(self, name: &str) -> Option<Self> {
        let own = self.field("properties").and_then(|properties| properties.get(name));
        own.or_else(|| self.field("additionalProperties").filter(|schema| schema.is_object())).map(Node)
    }

    /// The node of the items of a list.
    pub(crate) fn items(self) -> Option<Self> {
        self.field("items").map(Node)
    }

    /// Are unknown fields kept here?
    fn preserves(self) -> bool {
        self.flag("x-kubernetes-preserve-unknown-fields")
            || self
                .field("additionalProperties")
                .is_some_and(|schema| schema != &Value::Bool(false) && !schema.is_object())
    }
}

/// `path.field`, or `field` at the top.
fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}
