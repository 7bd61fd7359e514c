//! What the controller manager does: garbage collection through owner references, and emptying
//! namespaces that are being deleted.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::object;
use super::resource::{ResourceType, split_api_version};
use super::store::{Key, Store};
use super::verbs::{commit, remove};

/// Does one round; true when it changed anything, so that another may be needed.
pub(crate) fn collect(store: &mut Store) -> bool {
    let mut changed = false;
    for (resource, key, stored) in all(store) {
        // An earlier step of this round may have changed it.
        if store.get(&resource.key(), &key).is_none_or(|now| !Arc::ptr_eq(now, &stored)) {
            continue;
        }
        changed |= finish_foreground(store, &resource, &key, &stored)
            || drop_owners(store, &resource, &key, &stored);
    }
    empty_namespaces(store) || changed
}

fn all(store: &Store) -> Vec<(Arc<ResourceType>, Key, Arc<Value>)> {
    let with_type = |(key, object_key, object): (&super::resource::ResourceKey, &Key, &Arc<Value>)| {
        let resource = store.registry.get(&key.group, &key.plural)?;
        Some((Arc::clone(resource), object_key.clone(), Arc::clone(object)))
    };
    store.everything().filter_map(with_type).collect()
}

/// Is the owner there, with this uid? An owner of a kind that is not served counts as there, as the
/// garbage collector cannot tell.
fn owner_exists(store: &Store, owner: &Value, namespace: &str) -> bool {
    let (group, _) = split_api_version(object::text(owner, &["apiVersion"]));
    let Some(resource) = store.registry.by_kind(group, object::text(owner, &["kind"])) else { return true };
    let namespace = if resource.namespaced { namespace } else { "" };
    let key = (namespace.to_owned(), object::text(owner, &["name"]).to_owned());
    store.get(&resource.key(), &key).is_some_and(|found| object::uid(found) == object::text(owner, &["uid"]))
}

/// Deletes an object whose owners are all gone; forgets the owners that are gone when some are left.
fn drop_owners(store: &mut Store, resource: &ResourceType, key: &Key, stored: &Arc<Value>) -> bool {
    let owners = object::meta_list(stored, "ownerReferences");
    let left: Vec<Value> =
        owners.iter().filter(|owner| owner_exists(store, owner, &key.0)).cloned().collect();
    if left.len() == owners.len() || object::is_terminating(stored) {
        return false;
    }
    if left.is_empty() {
        begin_deletion(store, resource, key, stored);
    } else {
        let mut object = (**stored).clone();
        object::set_meta(&mut object, "ownerReferences", left.into());
        commit(store, resource, &object);
    }
    true
}

fn begin_deletion(store: &mut Store, resource: &ResourceType, key: &Key, stored: &Arc<Value>) {
    if !object::has_finalizers(stored) {
        remove(store, resource, key);
        return;
    }
    let mut object = (**stored).clone();
    let time = object::meta_text(stored, "creationTimestamp").to_owned();
    object::set_meta(&mut object, "deletionTimestamp", time.into());
    object::set_meta(&mut object, "deletionGracePeriodSeconds", 0.into());
    commit(store, resource, &object);
}

/// Ends a foreground or orphaning deletion.
fn finish_foreground(store: &mut Store, resource: &ResourceType, key: &Key, stored: &Arc<Value>) -> bool {
    let finalizers = object::meta_list(stored, "finalizers");
    let has = |name: &str| finalizers.iter().any(|finalizer| finalizer == name);
    if !object::is_terminating(stored) || !(has("foregroundDeletion") || has("orphan")) {
        return false;
    }
    let uid = object::uid(stored);
    let dependents: Vec<_> = all(store)
        .into_iter()
        .filter(|(_, _, dependent)| {
            object::meta_list(dependent, "ownerReferences")
                .iter()
                .any(|owner| object::text(owner, &["uid"]) == uid)
        })
        .collect();
    if has("foregroundDeletion") && !dependents.is_empty() {
        let blocked: Vec<_> =
            dependents.iter().filter(|(_, _, dependent)| !object::is_terminating(dependent)).collect();
        for (resource, key, dependent) in &blocked {
            begin_deletion(store, resource, key, dependent);
        }
        return !blocked.is_empty();
    }
    for (resource, key, dependent) in dependents {
        let mut orphan = (*dependent).clone();
        let owners = object::meta_list(&dependent, "ownerReferences");
        let left: Vec<Value> =
            owners.iter().filter(|owner| object::text(owner, &["uid"]) != uid).cloned().collect();
        object::set_meta(
            &mut orphan,
            "ownerReferences",
            if left.is_empty() { Value::Null } else { left.into() },
        );
        let _ = key;
        commit(store, &resource, &orphan);
    }
    let left: Vec<Value> = finalizers
        .iter()
        .filter(|name| *name != "foregroundDeletion" && *name != "orphan")
        .cloned()
        .collect();
    if left.is_empty() {
        remove(store, resource, key);
    } else {
        let mut object = (**stored).clone();
        object::set_meta(&mut object, "finalizers", left.into());
        commit(store, resource, &object);
    }
    true
}

/// Deletes what is in a namespace that is being deleted, then the namespace.
fn empty_namespaces(store: &mut Store) -> bool {
    let Some(namespaces) = store.registry.get("", "namespaces").cloned() else { return false };
    let terminating: BTreeSet<String> = store
        .all(&namespaces.key())
        .filter(|(_, object)| object::is_terminating(object))
        .map(|((_, name), _)| name.clone())
        .collect();
    let mut changed = false;
    for name in terminating {
        let content: Vec<_> = all(store).into_iter().filter(|(_, key, _)| key.0 == name).collect();
        for (resource, key, stored) in &content {
            if !object::is_terminating(stored) || !object::has_finalizers(stored) {
                begin_deletion(store, resource, key, stored);
                changed = true;
            }
        }
        if content.is_empty() {
            remove(store, &namespaces, &(String::new(), name));
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::builtin;

    fn put(store: &mut Store, plural: &str, name: &str, owners: &[(&str, &str)]) {
        let resource = Arc::clone(store.registry.get("", plural).expect(plural));
        let owners: Vec<Value> = owners
            .iter()
            .map(|(name, uid)| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}))
            .collect();
        let mut object = json!({"metadata": {"namespace": "a", "name": name, "uid": format!("uid-{name}")}});
        if !owners.is_empty() {
            object["metadata"]["ownerReferences"] = owners.into();
        }
        store.put(&resource, object);
    }

    fn names(store: &Store, plural: &str) -> Vec<String> {
        let key = store.registry.get("", plural).expect(plural).key();
        store.all(&key).map(|((_, name), _)| name.clone()).collect()
    }

    #[test]
    fn an_object_goes_with_its_last_owner() {
        let mut store = Store::new(builtin::registry(), 100);
        put(&mut store, "pods", "p1", &[]);
        put(&mut store, "pods", "p2", &[]);
        put(&mut store, "secrets", "s", &[("p1", "uid-p1"), ("p2", "uid-p2")]);
        put(&mut store, "secrets", "free", &[]);
        assert!(!collect(&mut store), "nothing to do");
        let pods = store.registry.get("", "pods").expect("pods").key();
        store.remove(&pods, &("a".to_owned(), "p1".to_owned()));
        assert!(collect(&mut store));
        assert_eq!(names(&store, "secrets"), ["free", "s"]);
        // Another pod of the same name is not the owner.
        store.remove(&pods, &("a".to_owned(), "p2".to_owned()));
        let resource = Arc::clone(store.registry.get("", "pods").expect("pods"));
        store.put(&resource, json!({"metadata": {"namespace": "a", "name": "p2", "uid": "other"}}));
        while collect(&mut store) {}
        assert_eq!(names(&store, "secrets"), ["free"]);
    }
}
