//! How lists merge: atomic, as sets, or by keys.
//!
//! Custom resources say it in their schema. For the compiled-in types and for metadata the one
//! table here is enough, because in the Kubernetes API the same field name has the same keys.

use serde_json::Value;

use crate::kubernetes::schema::{Node, Schema};

/// How a list is merged and owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListKind<'a> {
    /// Replaced as a whole.
    Atomic,
    /// Of scalars, without duplicates.
    Set,
    /// Of objects that the named fields identify.
    Keyed(Vec<&'a str>),
}

/// Keys of the lists of compiled-in types; lists not named here are atomic.
const KEYED: [(&str, &[&str]); 18] = [
    ("ownerReferences", &["uid"]),
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("volumes", &["name"]),
    ("env", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("ports", &["containerPort", "protocol"]),
    ("imagePullSecrets", &["name"]),
    ("secrets", &["name"]),
    ("conditions", &["type"]),
    ("hostAliases", &["ip"]),
    ("podIPs", &["ip"]),
    ("hostIPs", &["ip"]),
    ("addresses", &["type"]),
    ("drivers", &["name"]),
    ("schedulingGates", &["name"]),
];

/// Where in an object a walk is, as far as merging needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Types<'a> {
    /// In a compiled-in type, or in metadata; the field that led here.
    Table(&'a str),
    /// In a custom resource, at a node of its schema.
    Schema { node: Option<Node<'a>>, top: bool },
}

impl<'a> Types<'a> {
    /// The top of an object of the given schema, or of a compiled-in type.
    pub(crate) fn of(schema: Option<&'a Schema>) -> Self {
        schema.map_or(Types::Table(""), |schema| Types::Schema { node: Some(schema.root()), top: true })
    }

    /// Where the walk is in a field.
    pub(crate) fn field(self, name: &'a str) -> Self {
        match self {
            Types::Schema { top: true, .. } if name == "metadata" => Types::Table("metadata"),
            Types::Schema { node, .. } => {
                Types::Schema { node: node.and_then(|node| node.property(name)), top: false }
            }
            Types::Table(_) => Types::Table(name),
        }
    }

    /// Where the walk is in an item of a list.
    pub(crate) fn item(self) -> Self {
        match self {
            Types::Schema { node, .. } => Types::Schema { node: node.and_then(Node::items), top: false },
            // Items of one kind are told apart from those of others by a name of their own.
            Types::Table("ownerReferences") => Types::Table("ownerReference"),
            Types::Table(_) => Types::Table(""),
        }
    }

    /// How the list at this place merges. `items` decides what the table leaves open: a keyed list
    /// whose items lack the keys is treated as atomic.
    pub(crate) fn list(self, items: &[Value]) -> ListKind<'a> {
        let kind = match self {
            Types::Schema { node: None, .. } => ListKind::Atomic,
            Types::Schema { node: Some(node), .. } => match node.text("x-kubernetes-list-type") {
                "set" => ListKind::Set,
                "map" => ListKind::Keyed(node.texts("x-kubernetes-list-map-keys")),
                _ => ListKind::Atomic,
            },
            Types::Table("finalizers" | "volumeLifecycleModes") => ListKind::Set,
            Types::Table(field) => KEYED
                .iter()
                .find(|(name, _)| *name == field)
                .map_or(ListKind::Atomic, |(_, keys)| ListKind::Keyed(keys.to_vec())),
        };
        match kind {
            ListKind::Keyed(keys) if !items.iter().all(|item| item.get(keys[0]).is_some()) => {
                ListKind::Atomic
            }
            kind => kind,
        }
    }

    /// Is the map at this place owned and replaced as a whole?
    pub(crate) fn is_atomic_map(self) -> bool {
        match self {
            Types::Schema { node, .. } => {
                node.is_some_and(|node| node.text("x-kubernetes-map-type") == "atomic")
            }
            Types::Table(field) => {
                matches!(
                    field,
                    "ownerReference"
                        | "selector"
                        | "nodeSelector"
                        | "secretKeyRef"
                        | "configMapKeyRef"
                        | "fieldRef"
                        | "involvedObject"
                ) || field.ends_with("SecretRef")
            }
        }
    }
}
