//! Merging an applied configuration into an object, comparing two objects, and removing what
//! nobody owns any more.

use serde_json::Value;

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

/// A place below another one: path element, where it is, and both sides of it.
type Step<'a> = (String, Types<'a>, Option<&'a Value>, Option<&'a Value>);

/// The places below two values that are compared one by one; `None` when they are compared as a whole.
fn steps<'a>(types: Types<'a>, old: Option<&'a Value>, new: Option<&'a Value>) -> Option<Vec<Step<'a>>> {
    let sides: Vec<&Value> = old.into_iter().chain(new).collect();
    if sides.iter().all(|side| side.is_object()) && !types.is_atomic_map() {
        let members = |side: Option<&'a Value>| side.and_then(Value::as_object).into_iter().flatten();
        let both = members(old).map(|(name, value)| (name, Some(value), new.and_then(|new| new.get(name))));
        let added = members(new).filter(|(name, _)| old.is_none_or(|old| old.get(name.as_str()).is_none()));
        let all = both.chain(added.map(|(name, value)| (name, None, Some(value))));
        return Some(all.map(|(name, a, b)| (format!("f:{name}"), types.field(name), a, b)).collect());
    }
    let list = |side: &&Value| side.as_array().is_some_and(|items| types.list(items) != ListKind::Atomic);
    if !sides.iter().all(list) {
        return None;
    }
    let items = |side: Option<&'a Value>| {
        side.and_then(Value::as_array).map(|items| elements(types, items)).unwrap_or_default()
    };
    let (a, b) = (items(old), items(new));
    let find = |items: &[(String, &'a Value)], element: &str| {
        items.iter().find(|(other, _)| other == element).map(|(_, value)| *value)
    };
    let mut steps: Vec<Step<'a>> = a
        .iter()
        .map(|(element, value)| (element.clone(), types.item(), Some(*value), find(&b, element)))
        .collect();
    let added = b.iter().filter(|(element, _)| find(&a, element).is_none());
    steps.extend(added.map(|(element, value)| (element.clone(), types.item(), None, Some(*value))));
    Some(steps)
}

fn walk(
    types: Types<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
    changed: &mut FieldSet,
    removed: &mut FieldSet,
) {
    let steps = steps(types, old, new).unwrap_or_default();
    if steps.is_empty() {
        changed.member |= new.is_some() && old != new;
        removed.member |= new.is_none();
        return;
    }
    changed.member |= old.is_none();
    removed.member |= new.is_none();
    for (element, types, old, new) in steps {
        let (mut inner_changed, mut inner_removed) = (FieldSet::default(), FieldSet::default());
        walk(types, old, new, &mut inner_changed, &mut inner_removed);
        changed.put(&element, inner_changed);
        removed.put(&element, inner_removed);
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
pub(crate) fn remove_orphans(
    types: Types<'_>,
    value: &mut Value,
    orphans: &FieldSet,
    owned: Option<&FieldSet>,
) {
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
        merge(
            BUILTIN,
            &mut live,
            &json!({"metadata": {"ownerReferences": [{"uid": "2"}, {"uid": "1", "name": "b"}]}}),
        );
        assert_eq!(live, json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "b"}, {"uid": "2"}]}}));
    }

    #[test]
    fn comparison_names_new_containers_too() {
        let comparison = compare(
            BUILTIN,
            &json!({"data": {"a": "1", "b": "2"}}),
            &json!({"data": {"a": "3"}, "x": {"y": 1}}),
        );
        assert_eq!(comparison.changed.paths(), [".x", ".data.a", ".x.y"]);
        assert_eq!(comparison.removed.paths(), [".data.b"]);
    }

    #[test]
    fn removes_only_what_nobody_owns() {
        let applied = FieldSet::of(BUILTIN, &json!({"metadata": {"labels": {"a": "1"}}, "data": {"k": "v"}}));
        let others = FieldSet::of(BUILTIN, &json!({"data": {"k": "v"}}));
        let mut object = json!({"metadata": {"name": "n", "labels": {"a": "1"}}, "data": {"k": "v"}});
        remove_orphans(BUILTIN, &mut object, &applied.difference(&others), Some(&others));
        assert_eq!(object, json!({"metadata": {"name": "n"}, "data": {"k": "v"}}));
    }
}
