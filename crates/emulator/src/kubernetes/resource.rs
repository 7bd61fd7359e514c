//! What can be served: resource types, their versions, and the registry of all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::schema::Schema;
use super::status::qualified;

/// One resource in all its versions.
#[derive(Clone, Debug)]
pub(crate) struct ResourceType {
    pub(crate) group: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) namespaced: bool,
    /// What is done to objects of this type beside storing them.
    pub(crate) nature: Nature,
    /// Newest first; never empty.
    pub(crate) versions: Vec<Version>,
}

/// Where a resource type comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nature {
    /// Compiled in. `typed` drops unknown fields and refuses wrong types.
    Builtin { typed: fn(Value) -> Result<Value, serde_json::Error>, generation: bool },
    /// Made by a CustomResourceDefinition.
    Custom,
}

/// One served version of a resource.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    /// Objects are stored in this version. True for exactly one.
    pub(crate) storage: bool,
    /// The structural schema of a custom resource.
    pub(crate) schema: Option<Arc<Schema>>,
    /// `status` is written by its own subresource only.
    pub(crate) status: bool,
    /// The warning each answer carries.
    pub(crate) deprecation: Option<String>,
}

impl ResourceType {
    /// `plural.group`, as failures name it.
    pub(crate) fn qualified(&self) -> String {
        qualified(&self.plural, &self.group)
    }

    /// The key under which objects are stored, which no other resource has.
    pub(crate) fn key(&self) -> ResourceKey {
        ResourceKey { group: self.group.clone(), plural: self.plural.clone() }
    }

    /// The version of that name, when it is served.
    pub(crate) fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name == name)
    }

    /// The version objects are stored in.
    pub(crate) fn storage(&self) -> &Version {
        self.versions.iter().find(|version| version.storage).unwrap_or(&self.versions[0])
    }

    /// `apiVersion` of an object in that version.
    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// Is this the built-in resource of that group and name?
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }

    /// True for a resource that a CustomResourceDefinition made.
    pub(crate) const fn is_custom(&self) -> bool {
        matches!(self.nature, Nature::Custom)
    }
}

/// Names a resource: group and plural name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ResourceKey {
    pub(crate) group: String,
    pub(crate) plural: String,
}

/// All resource types that are served now.
#[derive(Debug, Default)]
pub(crate) struct Registry(BTreeMap<ResourceKey, Arc<ResourceType>>);

impl Registry {
    /// Serves a resource, in place of an older one of the same key.
    pub(crate) fn add(&mut self, resource: ResourceType) {
        self.0.insert(resource.key(), Arc::new(resource));
    }

    /// Stops serving a resource.
    pub(crate) fn remove(&mut self, key: &ResourceKey) {
        self.0.remove(key);
    }

    /// The resource of that group and plural name.
    pub(crate) fn get(&self, group: &str, plural: &str) -> Option<&Arc<ResourceType>> {
        self.0.get(&ResourceKey { group: group.to_owned(), plural: plural.to_owned() })
    }

    /// The resource of that group and kind.
    pub(crate) fn by_kind(&self, group: &str, kind: &str) -> Option<&Arc<ResourceType>> {
        self.0.values().find(|resource| resource.group == group && resource.kind == kind)
    }

    /// All of them, by group and name.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<ResourceType>> {
        self.0.values()
    }

    /// Is anything served in that group and version?
    pub(crate) fn serves(&self, group: &str, version: &str) -> bool {
        self.all().any(|resource| resource.group == group && resource.version(version).is_some())
    }
}

/// Group and version of an `apiVersion`.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}
