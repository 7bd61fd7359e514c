//! The objects, one revision counter, and the changes that watches still can ask for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::object;
use super::resource::{Registry, ResourceKey, ResourceType};

/// Namespace and name of an object; the order of keys is the order of lists.
pub(crate) type Key = (String, String);

/// One change of one object.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) resource: ResourceKey,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    /// `None` when the object is gone; `before` then carries the revision of the deletion.
    pub(crate) after: Option<Arc<Value>>,
}

/// What the API server keeps.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) registry: Registry,
    objects: BTreeMap<ResourceKey, BTreeMap<Key, Arc<Value>>>,
    changes: VecDeque<Change>,
    window: usize,
    revision: u64,
    /// Changes up to this revision are no longer known.
    compacted: u64,
}

impl Store {
    /// An empty store that remembers the last `window` changes.
    pub(crate) fn new(registry: Registry, window: usize) -> Self {
        Self {
            registry,
            objects: BTreeMap::new(),
            changes: VecDeque::new(),
            window: window.max(1),
            // Like etcd, whose first revisions are spent before the first object: 0 and 1 mean other things.
            revision: 100,
            compacted: 99,
        }
    }

    /// The revision of the last change.
    pub(crate) const fn revision(&self) -> u64 {
        self.revision
    }

    /// The revision up to which changes are no longer known.
    pub(crate) const fn compacted(&self) -> u64 {
        self.compacted
    }

    /// Forgets all changes so far: watches and lists from older revisions expire.
    pub(crate) fn compact(&mut self) {
        self.changes.clear();
        self.compacted = self.revision;
    }

    /// An object, in its stored version.
    pub(crate) fn get(&self, resource: &ResourceKey, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(resource)?.get(key)
    }

    /// All objects of a resource, by namespace and name.
    pub(crate) fn all(&self, resource: &ResourceKey) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.get(resource).into_iter().flatten()
    }

    /// Every object with its resource.
    pub(crate) fn everything(&self) -> impl Iterator<Item = (&ResourceKey, &Key, &Arc<Value>)> {
        self.objects
            .iter()
            .flat_map(|(resource, objects)| objects.iter().map(move |(key, object)| (resource, key, object)))
    }

    /// Writes an object, which gets the next revision.
    pub(crate) fn put(&mut self, resource: &ResourceType, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object::set_meta(&mut object, "resourceVersion", self.revision.to_string().into());
        let key = (object::namespace(&object).to_owned(), object::name(&object).to_owned());
        let object = Arc::new(object);
        let objects = self.objects.entry(resource.key()).or_default();
        let before = objects.insert(key.clone(), Arc::clone(&object));
        self.record(resource.key(), key, before, Some(Arc::clone(&object)));
        object
    }

    /// Removes an object; what it was last carries the revision of its removal.
    pub(crate) fn remove(&mut self, resource: &ResourceKey, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.get_mut(resource)?.remove(key)?;
        self.revision += 1;
        let mut last = (*before).clone();
        object::set_meta(&mut last, "resourceVersion", self.revision.to_string().into());
        let last = Arc::new(last);
        self.record(resource.clone(), key.clone(), Some(Arc::clone(&last)), None);
        Some(last)
    }

    fn record(
        &mut self,
        resource: ResourceKey,
        key: Key,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
    ) {
        self.changes.push_back(Change { revision: self.revision, resource, key, before, after });
        while self.changes.len() > self.window {
            self.compacted = self.changes.pop_front().map_or(self.compacted, |change| change.revision);
        }
    }

    /// The changes of a resource after a revision; `None` when they are no longer all known.
    pub(crate) fn changes_after(&self, revision: u64, resource: &ResourceKey) -> Option<Vec<Change>> {
        if revision < self.compacted {
            return None;
        }
        let from = self.changes.partition_point(|change| change.revision <= revision);
        Some(self.changes.iter().skip(from).filter(|change| change.resource == *resource).cloned().collect())
    }

    /// The objects of a resource as they were at a revision; `None` when that is no longer known.
    pub(crate) fn at(&self, revision: u64, resource: &ResourceKey) -> Option<BTreeMap<Key, Arc<Value>>> {
        let mut objects = self.objects.get(resource).cloned().unwrap_or_default();
        for change in self.changes_after(revision, resource)?.into_iter().rev() {
            match change.before {
                Some(before) => objects.insert(change.key, before),
                None => objects.remove(&change.key),
            };
        }
        Some(objects)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::builtin;

    fn secret(name: &str, value: &str) -> Value {
        json!({"metadata": {"namespace": "default", "name": name}, "data": {"k": value}})
    }

    #[test]
    fn remembers_a_window_of_changes() {
        let mut store = Store::new(builtin::registry(), 3);
        let resource = Arc::clone(store.registry.get("", "secrets").expect("secrets are built in"));
        let key = |name: &str| ("default".to_owned(), name.to_owned());
        let start = store.revision();
        store.put(&resource, secret("a", "1"));
        let first = store.revision();
        store.put(&resource, secret("a", "2"));
        store.remove(&resource.key(), &key("a")).expect("it is there");
        assert_eq!(store.changes_after(start, &resource.key()).expect("known").len(), 3);
        let then = store.at(first, &resource.key()).expect("known");
        assert_eq!(then[&key("a")]["data"]["k"], "1");
        assert!(store.at(store.revision(), &resource.key()).expect("known").is_empty());
        store.put(&resource, secret("b", "1"));
        assert!(store.changes_after(start, &resource.key()).is_none(), "the first change left the window");
        store.compact();
        assert!(store.changes_after(first, &resource.key()).is_none());
        assert!(store.changes_after(store.revision(), &resource.key()).expect("nothing since").is_empty());
    }
}
