//! Kubernetes objects in a file.

use crate::diagnostic::{Diagnostic, Severity};
use crate::place::Place;
use crate::rule::Rule;
use crate::yaml::Node;

/// One Kubernetes object.
pub(crate) struct Manifest {
    /// Index of its file.
    pub(crate) file: usize,
    pub(crate) root: Node,
}

impl Manifest {
    /// The objects of a document: itself, or the items of a list.
    pub(crate) fn all(file: usize, root: Node) -> Vec<Self> {
        let kind = root.text_at(&["kind"]);
        if kind == "List" || kind.ends_with("List") && root.get("items").is_some() {
            return root.items_at(&["items"]).iter().flat_map(|item| Self::all(file, item.clone())).collect();
        }
        vec![Self { file, root }]
    }

    pub(crate) fn kind(&self) -> &str {
        self.root.text_at(&["kind"])
    }

    pub(crate) fn name(&self) -> &str {
        self.root.text_at(&["metadata", "name"])
    }

    /// Its namespace, or the default.
    pub(crate) fn namespace<'a>(&'a self, default: &'a str) -> &'a str {
        match self.root.text_at(&["metadata", "namespace"]) {
            "" => default,
            namespace => namespace,
        }
    }

    /// The place to show for something that is missing: the object's name, or its kind.
    pub(crate) fn title(&self) -> &Node {
        let name = self.root.at(&["metadata", "name"]);
        name.or_else(|| self.root.get("kind")).unwrap_or(&self.root)
    }

    /// A finding about a node of this file.
    pub(crate) fn found(&self, severity: Severity, rule: Rule, node: &Node) -> Diagnostic {
        self.found_at(severity, rule, node.start, node.end)
    }

    /// A finding about a part of this file.
    pub(crate) fn found_at(&self, severity: Severity, rule: Rule, start: Place, end: Place) -> Diagnostic {
        Diagnostic::new(severity, rule, self.file, start, end)
    }
}
