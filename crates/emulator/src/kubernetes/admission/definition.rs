//! CustomResourceDefinitions, and the resource types they make.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::kubernetes::object;
use crate::kubernetes::resource::{Nature, ResourceType, Version};
use crate::kubernetes::schema::Schema;
use crate::kubernetes::status::Cause;

/// Names that follow from the kind, and the conversion.
pub(super) fn default(definition: &mut Value) {
    let kind = object::text(definition, &["spec", "names", "kind"]).to_owned();
    let spec = object::map_mut(object::map_mut(definition).entry("spec").or_insert(Value::Null));
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    let names = object::map_mut(spec.entry("names").or_insert(Value::Null));
    names.entry("singular").or_insert_with(|| kind.to_lowercase().into());
    names.entry("listKind").or_insert_with(|| format!("{kind}List").into());
}

/// What is wrong with the definition. Of the rules for schemas only the first is checked: there must be one.
pub(super) fn validate(definition: &Value, causes: &mut Vec<Cause>) {
    let text = |path: &[&str]| object::text(definition, path);
    let expected = format!("{}.{}", text(&["spec", "names", "plural"]), text(&["spec", "group"]));
    if object::name(definition) != expected {
        causes.push(Cause::invalid(
            "metadata.name",
            &object::name(definition).into(),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    let versions = definition["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let storage = versions.iter().filter(|version| version["storage"] == true).count();
    if storage != 1 {
        causes.push(Cause::invalid(
            "spec.versions",
            &json!(storage),
            "must have exactly one version marked as storage version",
        ));
    }
    for (index, version) in versions.iter().enumerate() {
        if version["schema"]["openAPIV3Schema"].get("type").and_then(Value::as_str).is_none() {
            let field = format!("spec.versions[{index}].schema.openAPIV3Schema");
            causes.push(Cause::required(field, "schemas are required"));
        }
    }
}

/// The definition as the API server's own controllers leave it: accepted, established.
pub(crate) fn with_status(mut definition: Value, time: &str) -> Value {
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": time});
    let storage = definition["spec"]["versions"].as_array().into_iter().flatten();
    let stored: Vec<Value> =
        storage.filter(|version| version["storage"] == true).map(|version| version["name"].clone()).collect();
    definition["status"] = json!({
        "acceptedNames": definition["spec"]["names"],
        "storedVersions": stored,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    });
    definition
}

/// The resource type a definition makes; `None` when no version is served.
pub(crate) fn resource_of(definition: &Value) -> Option<ResourceType> {
    let text = |path: &[&str]| object::text(definition, path).to_owned();
    let group = text(&["spec", "group"]);
    let kind = text(&["spec", "names", "kind"]);
    let mut served: Vec<&Value> = definition["spec"]["versions"]
        .as_array()?
        .iter()
        .filter(|version| version["served"] == true)
        .collect();
    served.sort_by_key(|version| {
        let name = object::text(version, &["name"]);
        (name.contains("alpha"), name.contains("beta"))
    });
    let newest = served.first()?;
    let newest = (newest["deprecated"] != true).then(|| object::text(newest, &["name"]));
    let versions = served.iter().map(|version| self::served(&group, &kind, newest, version)).collect();
    let short = definition["spec"]["names"]["shortNames"].as_array().into_iter().flatten();
    Some(ResourceType {
        plural: text(&["spec", "names", "plural"]),
        singular: text(&["spec", "names", "singular"]),
        list_kind: text(&["spec", "names", "listKind"]),
        short_names: short.filter_map(Value::as_str).map(str::to_owned).collect(),
        namespaced: text(&["spec", "scope"]) == "Namespaced",
        nature: Nature::Custom,
        versions,
        group,
        kind,
    })
}

/// One served version. `newest` is the newest version, unless that is deprecated too.
fn served(group: &str, kind: &str, newest: Option<&str>, version: &Value) -> Version {
    let name = object::text(version, &["name"]).to_owned();
    let deprecation = (version["deprecated"] == true).then(|| {
        let own = object::text(version, &["deprecationWarning"]);
        let instead = newest.map(|newest| format!("; use {group}/{newest} {kind}")).unwrap_or_default();
        if own.is_empty() { format!("{group}/{name} {kind} is deprecated{instead}") } else { own.to_owned() }
    });
    Version {
        storage: version["storage"] == true,
        schema: Some(Arc::new(Schema::new(version["schema"]["openAPIV3Schema"].clone()))),
        status: version["subresources"].get("status").is_some(),
        deprecation,
        name,
    }
}
