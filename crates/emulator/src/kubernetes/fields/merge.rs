//! Merging an applied configuration into an object, comparing two objects, and removing what
//! nobody owns any more.

use serde_json::{Map, Value};

use super::set::{FieldSet, elements};
use super::types::{ListKind, Types};

/// What differs between two objects, as paths.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comparison {
    /// In the new object with another value, or only there.
    pub(crate) changed: FieldSet,
    /// Only in the old object.
    pub(crate) removed: FieldSet,
}

/// Compares two objects of one type.
pub(crate) fn compare(types: Types<'_>, old: &Value, new: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    walk(types, Some(old), Some(new), &mut comparison.changed, &mut comparison.removed);
    comparison
}

fn walk(types: Types<'_>, old: Option<&Value>, new: Option<&Value>, changed: &mut FieldSet, removed: &mut FieldSet) {
    let mut steps: Vec<(String, Types<'_>, Option<&Value>, Option<&Value>)> = Vec::new();
    let side = old.or(new);
    let granular = match (old, new) {
        (Some(Value::Object(_)), Some(Value::Object(_))) | (Some(Value::Object(_)), None) | (None, Some(Value::Object(_))) => {
            !types.is_atomic_map()
        }
        (Some(Value::Array(items)), None) | (None, Some(Value::Array(items))) => types.list(items) != ListKind::Atomic,
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            types.list(a) != ListKind::Atomic && types.list(b) != ListKind::Atomic
        }
        _ => false,
    };
    if granular && let Some(Value::Object(_)) = side {
        let empty = Map::new();
        let (a, b) = (old.and_then(Value::as_object).unwrap_or(&empty), new.and_then(Value::as_object).unwrap_or(&empty));
        steps.extend(a.iter().map(|(name, value)| (format!("f:{name}"), types.field(name), Some(value), b.get(name))));
        let only_new = b.iter().filter(|(name, _)| !a.contains_key(*name));
        steps.extend(only_new.map(|(name, value)| (format!("f:{name}"), types.field(name), None, Some(value))));
    } else if granular {
        let list = |side: Option<&Value>| side.and_then(Value::as_array).cloned().unwrap_or_default();
        let (a, b) = (list(old), list(new));
        return walk_lists(types, old.is_none(), new.is_none(), (&a, &b), changed, removed);
    }
    if steps.is_empty() {
        match (old, new) {
            (Some(old), Some(new)) if old != new => changed.member = true,
            (Some(_), None) => removed.member = true,
            (None, Some(_)) => changed.member = true,
            _ => {}
        }
        return;
    }
    changed.member |= old.is_none();
    removed.member |= new.is_none();
    for (element, types, old, new) in steps {
        step(types, &element, old, new, changed, removed);
    }
}

fn walk_lists(
    types: Types<'_>,
    no_old: bool,
    no_new: bool,
    (a, b): (&[Value], &[Value]),
    changed: &mut FieldSet,
    removed: &mut FieldSet,
) {
    changed.member |= no_old;
    removed.member |= no_new;
    let (a, b) = (elements(types, a), elements(types, b));
    for (element, value) in &a {
        let new = b.iter().find(|(other, _)| other == element).map(|(_, value)| *value);
        step(types.item(), element, Some(value), new, changed, removed);
    }
    for (element, value) in b.iter().filter(|(element, _)| a.iter().all(|(other, _)| other != element)) {
        step(types.item(), element, None, Some(value), changed, removed);
    }
}

fn step(
    types: Types<'_>,
    element: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    changed: &mut FieldSet,
    removed: &mut FieldSet,
) {
    let (mut inner_changed, mut inner_removed) = (FieldSet::default(), FieldSet::default());
    walk(types, old, new, &mut inner_changed, &mut inner_removed);
    if !inner_changed.is_empty() {
        changed.children.insert(element.to_owned(), inner_changed);
    }
    if !inner_removed.is_empty() {
        removed.children.insert(element.to_owned(), inner_removed);
    }
}

/// Merges an applied configuration into an object.
pub(crate) fn merge(types: Types<'_>, live: &mut Value, applied: &Value) {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) if !types.is_atomic_map() => {
            for (name, value) in applied {
                match live.get_mut(name) {
                    Some(member) => merge(types.field(name), member, value),
                    None => {
                        live.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(live), Value::Array(applied)) if types.list(applied) != ListKind::Atomic => {
            let new = elements(types, applied);
            let known: Vec<String> = elements(types, live).into_iter().map(|(element, _)| element).collect();
            for (element, value) in new {
                match known.iter().position(|other| *other == element) {
                    Some(at) => merge(types.item(), &mut live[at], value),
                    None => live.push(value.clone()),
                }
            }
        }
        (live, applied) => *live = applied.clone(),
    }
}

/// Removes the paths of `orphans` from an object, except what `owned` still holds.
pub(crate) fn remove_orphans(types: Types<'_>, value: &mut Value, orphans: &FieldSet, owned: Option<&FieldSet>) {
    let still = |element: &str| owned.and_then(|owned| owned.children.get(element));
    match value {
        Value::Object(map) => {
            for (element, orphan) in &orphans.children {
                let Some(name) = element.strip_prefix("f:") else { continue };
                let Some(member) = map.get_mut(name) else { continue };
                if orphan.member && still(element).is_none() {
                    map.remove(name);
                    continue;
                }
                let had_members = !is_empty(member);
                remove_orphans(types.field(name), member, orphan, still(element));
                if had_members && is_empty(member) && !still(element).is_some_and(|owned| owned.member) {
                    map.remove(name);
                }
            }
        }
        Value::Array(items) => {
            let names: Vec<String> = elements(types, items).into_iter().map(|(element, _)| element).collect();
            let mut names = names.iter();
            items.retain_mut(|item| {
                let Some(element) = names.next() else { return true };
                let Some(orphan) = orphans.children.get(element) else { return true };
                if orphan.member && still(element).is_none() {
                    return false;
                }
                remove_orphans(types.item(), item, orphan, still(element));
                true
            });
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BUILTIN: Types<'_> = Types::Table("");

    #[test]
    fn owners_merge_by_uid() {
        let mut live = json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]}});
        merge(BUILTIN, &mut live, &json!({"metadata": {"ownerReferences": [{"uid": "2"}, {"uid": "1", "name": "b"}]}}));
        assert_eq!(live, json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "b"}, {"uid": "2"}]}}));
    }

    #[test]
    fn comparison_names_new_containers_too() {
        let comparison = compare(BUILTIN, &json!({"data": {"a": "1", "b": "2"}}), &json!({"data": {"a": "3"}, "x": {"y": 1}}));
        assert_eq!(comparison.changed.paths(), [".data.a", ".x", ".x.y"]);
        assert_eq!(comparison.removed.paths(), [".data.b"]);
    }

    #[test]
    fn removes_only_what_nobody_owns() {
        let applied = FieldSet::of(BUILTIN, &json!({"metadata": {"labels": {"a": "1"}}, "data": {"k": "v"}}));
        let others = FieldSet::of(BUILTIN, &json!({"data": {"k": "v"}}));
        let mut object = json!({"metadata": {"labels": {"a": "1"}}, "data": {"k": "v"}});
        remove_orphans(BUILTIN, &mut object, &applied.difference(&others), Some(&others));
        assert_eq!(object, json!({"metadata": {}, "data": {"k": "v"}}).as_object().map(|map| {
            let mut map = map.clone();
            map.remove("metadata");
            Value::Object(map)
        }).expect("an object"));
    }
}
