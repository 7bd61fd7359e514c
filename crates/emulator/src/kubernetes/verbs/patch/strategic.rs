//! Strategic merge patches, as kubectl sends them for compiled-in types.

use serde_json::{Map, Value};

use crate::kubernetes::fields::types::{ListKind, Types};
use crate::kubernetes::object;

/// Merges a patch into an object. `$patch`, `$retainKeys` and `$deleteFromPrimitiveList` are followed;
/// `$setElementOrder` is taken as a wish and ignored.
pub(super) fn merge(types: Types<'_>, target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if patch.get("$patch").and_then(Value::as_str) == Some("replace") {
        *target = Value::Object(without_directives(patch));
        return;
    }
    let map = object::map_mut(target);
    if let Some(kept) = patch.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|name, _| kept.iter().any(|key| key.as_str() == Some(name)));
    }
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(items)), Some(gone)) = (map.get_mut(list), value.as_array()) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if name.starts_with('$') {
            continue;
        }
        match (value, map.get_mut(name)) {
            (Value::Null, _) => {
                map.remove(name);
            }
            (Value::Object(inner), Some(_))
                if inner.get("$patch").and_then(Value::as_str) == Some("delete") =>
            {
                map.remove(name);
            }
            (Value::Object(_), Some(member)) => merge(types.field(name), member, value),
            (Value::Object(_), None) => {
                let mut member = Value::Object(Map::new());
                merge(types.field(name), &mut member, value);
                map.insert(name.clone(), member);
            }
            (Value::Array(items), member) => {
                let mut list = member.and_then(|member| member.as_array().cloned()).unwrap_or_default();
                merge_list(types.field(name), &mut list, items);
                map.insert(name.clone(), Value::Array(list));
            }
            (value, _) => {
                map.insert(name.clone(), value.clone());
            }
        }
    }
}

fn merge_list(types: Types<'_>, list: &mut Vec<Value>, patch: &[Value]) {
    let directive = |item: &Value| item.get("$patch").and_then(Value::as_str).map(str::to_owned);
    let real: Vec<Value> =
        patch.iter().filter(|item| directive(item).as_deref() != Some("replace")).cloned().collect();
    if real.len() != patch.len() {
        *list = real;
        return;
    }
    match types.list(patch) {
        ListKind::Atomic => *list = patch.to_vec(),
        ListKind::Set => {
            for item in patch {
                if !list.contains(item) {
                    list.push(item.clone());
                }
            }
        }
        ListKind::Keyed(keys) => {
            // Strategic merge knows one key per list.
            let key = keys[0];
            for item in patch {
                let at = list.iter().position(|known| known.get(key) == item.get(key));
                match (directive(item).as_deref(), at) {
                    (Some("delete"), Some(at)) => {
                        list.remove(at);
                    }
                    (Some("delete"), None) => {}
                    (_, Some(at)) => merge(types.item(), &mut list[at], item),
                    (_, None) => list.push(item.clone()),
                }
            }
        }
    }
}

fn without_directives(patch: &Map<String, Value>) -> Map<String, Value> {
    patch
        .iter()
        .filter(|(name, _)| !name.starts_with('$'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merges_lists_by_key_and_follows_directives() {
        let mut object = json!({"spec": {"volumes": [{"name": "a", "x": 1}, {"name": "b"}]}, "metadata": {"finalizers": ["f/1"]}});
        merge(
            Types::of(None),
            &mut object,
            &json!({
            "spec": {"volumes": [{"name": "a", "y": 2}, {"name": "b", "$patch": "delete"}, {"name": "c"}],
                     "$setElementOrder/volumes": [{"name": "a"}, {"name": "c"}]},
            "metadata": {"finalizers": ["f/2"], "$deleteFromPrimitiveList/finalizers": ["f/1"], "labels": {"l": null, "m": "1"}}}),
        );
        assert_eq!(object["spec"], json!({"volumes": [{"name": "a", "x": 1, "y": 2}, {"name": "c"}]}));
        assert_eq!(object["metadata"]["labels"], json!({"m": "1"}));
        merge(Types::of(None), &mut object, &json!({"spec": {"$patch": "replace", "z": 1}}));
        assert_eq!(object["spec"], json!({"z": 1}));
    }
}
