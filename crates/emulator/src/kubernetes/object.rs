//! Reading and writing the metadata of untyped objects.

use serde_json::{Map, Value};

/// The map of a JSON object; an empty one in place of anything else.
pub(crate) fn map_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// `metadata`, made when it is missing.
pub(crate) fn meta_mut(object: &mut Value) -> &mut Map<String, Value> {
    map_mut(map_mut(object).entry("metadata").or_insert(Value::Null))
}

/// A field of `metadata`.
pub(crate) fn meta<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object.get("metadata")?.get(field).filter(|value| !value.is_null())
}

/// A text field of `metadata`; empty when it is missing.
pub(crate) fn meta_text<'a>(object: &'a Value, field: &str) -> &'a str {
    meta(object, field).and_then(Value::as_str).unwrap_or_default()
}

/// `metadata.name`.
pub(crate) fn name(object: &Value) -> &str {
    meta_text(object, "name")
}

/// `metadata.namespace`.
pub(crate) fn namespace(object: &Value) -> &str {
    meta_text(object, "namespace")
}

/// `metadata.uid`.
pub(crate) fn uid(object: &Value) -> &str {
    meta_text(object, "uid")
}

/// Sets a field of `metadata`; `Null` removes it.
pub(crate) fn set_meta(object: &mut Value, field: &str, value: Value) {
    let meta = meta_mut(object);
    if value.is_null() {
        meta.remove(field);
    } else {
        meta.insert(field.to_owned(), value);
    }
}

/// Gives `object` the value that `from` has in a field of `metadata`, or removes it.
pub(crate) fn copy_meta(object: &mut Value, from: &Value, field: &str) {
    set_meta(object, field, meta(from, field).cloned().unwrap_or(Value::Null));
}

/// A list in `metadata`; empty when it is missing.
pub(crate) fn meta_list<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    meta(object, field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// True when a finalizer is left.
pub(crate) fn has_finalizers(object: &Value) -> bool {
    !meta_list(object, "finalizers").is_empty()
}

/// True when deletion has begun.
pub(crate) fn is_terminating(object: &Value) -> bool {
    meta(object, "deletionTimestamp").is_some()
}

/// The text at a path of field names; empty when it is missing.
pub(crate) fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    path.iter().try_fold(object, |value, field| value.get(*field)).and_then(Value::as_str).unwrap_or_default()
}

/// Removes `null` members everywhere and, at the top, empty `metadata` containers, as a typed server
/// does between decoding and storing.
pub(crate) fn normalize(object: &mut Value) {
    drop_nulls(object);
    let meta = meta_mut(object);
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let empty = match meta.get(field) {
            Some(Value::Object(map)) => map.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            _ => false,
        };
        if empty {
            meta.remove(field);
        }
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, member| !member.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn normalizes_what_a_typed_server_would_not_keep() {
        let mut object =
            json!({"metadata": {"labels": {}, "finalizers": [], "name": "a", "uid": null}, "x": {"y": null}});
        normalize(&mut object);
        assert_eq!(object, json!({"metadata": {"name": "a"}, "x": {}}));
        assert_eq!(text(&object, &["metadata", "name"]), "a");
        assert_eq!(text(&object, &["metadata", "none", "deeper"]), "");
    }
}
