//! As much OpenAPI v3 as kubectl needs to leave the validation of objects to the server: the paths, and
//! that PATCH takes `fieldValidation`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::resource::Registry;

/// `/openapi/v3`.
pub(crate) fn index(registry: &Registry) -> Value {
    let places: BTreeSet<String> = registry
        .all()
        .flat_map(|resource| resource.versions.iter().map(|version| place(&resource.group, &version.name)))
        .collect();
    let paths: Map<String, Value> = places
        .into_iter()
        .map(|place| (place.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{place}")})))
        .collect();
    json!({"paths": paths})
}

fn place(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// `/openapi/v3/api/v1` and `/openapi/v3/apis/<group>/<version>`.
pub(crate) fn document(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    if !registry.serves(group, version) {
        return None;
    }
    let mut paths = Map::new();
    for resource in
        registry.all().filter(|resource| resource.group == group && resource.version(version).is_some())
    {
        let namespace = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
        let path = format!("/{}/{namespace}{}/{{name}}", place(group, version), resource.plural);
        let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
        let operation = json!({
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": resource.kind},
            "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
            "responses": {"200": {"description": "OK"}},
        });
        paths.insert(path, json!({"patch": operation}));
    }
    Some(
        json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.33"}, "paths": paths, "components": {"schemas": {}}}),
    )
}
