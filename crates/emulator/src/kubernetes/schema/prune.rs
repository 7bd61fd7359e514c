//! Dropping unknown fields and filling in defaults.

use serde_json::{Map, Value};

use super::{Node, join};

/// Removes what `node` does not know from `value`. `resource` is true where `apiVersion`, `kind` and
/// `metadata` belong to an object by definition.
pub(super) fn prune(
    node: Node<'_>,
    value: &mut Value,
    path: &str,
    resource: bool,
    unknown: &mut Vec<String>,
) {
    match value {
        Value::Object(map) => {
            let names: Vec<String> = map.keys().cloned().collect();
            for name in names {
                if resource && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    continue;
                }
                let path = join(path, &name);
                match (node.property(&name), map.get_mut(&name)) {
                    (Some(child), Some(value)) => {
                        prune(child, value, &path, child.flag("x-kubernetes-embedded-resource"), unknown);
                    }
                    (None, _) if !node.preserves() => {
                        map.remove(&name);
                        unknown.push(path);
                    }
                    _ => {}
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = node.items() {
                let embedded = child.flag("x-kubernetes-embedded-resource");
                for (index, item) in items.iter_mut().enumerate() {
                    prune(child, item, &format!("{path}[{index}]"), embedded, unknown);
                }
            }
        }
        _ => {}
    }
}

/// Fills in the defaults of missing fields of everything that is there.
pub(super) fn default(node: Node<'_>, value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(properties) = node.field("properties").and_then(Value::as_object) {
                insert_defaults(properties, map);
            }
            for (name, member) in map.iter_mut() {
                if let Some(child) = node.property(name) {
                    default(child, member);
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = node.items() {
                items.iter_mut().for_each(|item| default(child, item));
            }
        }
        _ => {}
    }
}

fn insert_defaults(properties: &Map<String, Value>, map: &mut Map<String, Value>) {
    for (name, schema) in properties {
        if let Some(value) = schema.get("default") {
            map.entry(name).or_insert_with(|| value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Schema;

    #[test]
    fn unknown_fields_go_unless_they_are_preserved() {
        let schema = Schema::new(json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "map": {"type": "object", "additionalProperties": {"type": "string"}},
                "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "mode": {"type": "string", "default": "Files"}}}}}));
        let mut object = json!({"apiVersion": "a/v1", "kind": "A", "metadata": {"name": "n"}, "top": 1,
            "spec": {"map": {"x": "1"}, "list": [{"a": "1", "b": 2}], "free": {"any": {"thing": 1}}, "odd": 1}});
        let unknown = schema.prune(&mut object);
        schema.default(&mut object);
        assert_eq!(unknown, ["spec.list[0].b", "spec.odd", "top"]);
        assert_eq!(
            object,
            json!({"apiVersion": "a/v1", "kind": "A", "metadata": {"name": "n"},
                "spec": {"map": {"x": "1"}, "list": [{"a": "1"}], "free": {"any": {"thing": 1}}, "mode": "Files"}})
        );
    }
}
