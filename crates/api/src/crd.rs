//! The two CustomResourceDefinitions, built from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceValidation, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::{GROUP, PodVolumeStatus, SecretProviderClassSpec};

/// Both definitions, SecretProviderClass first. The schema is a superset of the Go driver's: nothing is
/// required, nothing defaulted, nothing refused that was stored before, and no status subresource.
#[must_use]
pub fn custom_resource_definitions() -> [CustomResourceDefinition; 2] {
    [class(), pod_status()]
}

fn class() -> CustomResourceDefinition {
    let by_pod = json!({"type": "object", "properties": {"byPod": {
        "description": "Not written any more.",
        "type": "array",
        "items": {"type": "object", "properties": {"id": {"type": "string"}, "namespace": {"type": "string"}}},
    }}});
    let description = "What a volume shall hold, and which Kubernetes Secrets to make of it.";
    let v1 = json!({"spec": schema::<SecretProviderClassSpec>(), "status": {"type": "object"}});
    let v1alpha1 = json!({"spec": schema::<SecretProviderClassSpec>(), "status": by_pod});
    let columns = vec![
        column("Provider", "string", ".spec.provider", "Provider the volumes are fetched from"),
        column("Age", "date", ".metadata.creationTimestamp", "Age of the class"),
    ];
    let mut old = version("v1alpha1", description, v1alpha1, &columns);
    old.deprecation_warning = Some(format!("{GROUP}/v1alpha1 is deprecated. Use {GROUP}/v1 instead."));
    definition(
        "SecretProviderClass",
        "secretproviderclasses",
        &["spc"],
        vec![version("v1", description, v1, &columns), old],
    )
}

fn pod_status() -> CustomResourceDefinition {
    let description = "State of one pod's volumes of one class, written by the driver of the pod's node.";
    let properties = || json!({"status": schema::<PodVolumeStatus>()});
    let columns = vec![
        column("Pod", "string", ".status.podName", "Pod that mounts the volume"),
        column("Class", "string", ".status.secretProviderClassName", "Class of the volume"),
        column("Mounted", "boolean", ".status.mounted", "Whether the volume is mounted"),
        column(
            "Reason",
            "string",
            ".status.conditions[?(@.status==\"False\")].reason",
            "Why something is not as it should be",
        ),
        column("Age", "date", ".metadata.creationTimestamp", "Age of the volume"),
    ];
    definition(
        "SecretProviderClassPodStatus",
        "secretproviderclasspodstatuses",
        &["spcps"],
        vec![
            version("v1", description, properties(), &columns),
            version("v1alpha1", description, properties(), &columns),
        ],
    )
}

fn definition(
    kind: &str,
    plural: &str,
    short_names: &[&str],
    versions: Vec<CustomResourceDefinitionVersion>,
) -> CustomResourceDefinition {
    CustomResourceDefinition {
        metadata: ObjectMeta { name: Some(format!("{plural}.{GROUP}")), ..ObjectMeta::default() },
        spec: CustomResourceDefinitionSpec {
            group: GROUP.to_owned(),
            names: CustomResourceDefinitionNames {
                kind: kind.to_owned(),
                list_kind: Some(format!("{kind}List")),
                plural: plural.to_owned(),
                singular: Some(kind.to_ascii_lowercase()),
                short_names: Some(short_names.iter().map(|name| (*name).to_owned()).collect()),
                ..CustomResourceDefinitionNames::default()
            },
            scope: "Namespaced".to_owned(),
            versions,
            ..CustomResourceDefinitionSpec::default()
        },
        status: None,
    }
}

fn version(
    name: &str,
    description: &str,
    mut properties: Value,
    columns: &[CustomResourceColumnDefinition],
) -> CustomResourceDefinitionVersion {
    let current = name == crate::VERSION;
    properties["apiVersion"] =
        json!({"type": "string", "description": "Version of the schema of this object."});
    properties["kind"] = json!({"type": "string", "description": "Kind of this object."});
    properties["metadata"] = json!({"type": "object"});
    CustomResourceDefinitionVersion {
        name: name.to_owned(),
        served: true,
        storage: current,
        deprecated: (!current).then_some(true),
        additional_printer_columns: Some(columns.to_vec()),
        schema: Some(CustomResourceValidation {
            open_api_v3_schema: Some(props(json!({
                "type": "object", "description": description, "properties": properties,
            }))),
        }),
        ..CustomResourceDefinitionVersion::default()
    }
}

fn column(name: &str, type_: &str, path: &str, description: &str) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path: path.to_owned(),
        description: Some(description.to_owned()),
        ..CustomResourceColumnDefinition::default()
    }
}

fn props(schema: Value) -> JSONSchemaProps {
    serde_json::from_value(schema).expect("a schema built here is valid")
}

/// The structural schema of a type: everything inline, no defaults, nothing required or nullable.
fn schema<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    strip(&mut schema);
    schema
}

fn strip(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            for key in ["$schema", "title", "default", "nullable", "required"] {
                // A property may have one of these names; its value is then an object.
                if object.get(key).is_some_and(|value| !value.is_object()) {
                    object.remove(key);
                }
            }
            object.remove("components");
            object.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every path of a schema with its type: what is compared with the published contract.
    fn paths(prefix: &str, schema: &Value, out: &mut Vec<String>) {
        let kind = schema["type"].as_str().unwrap_or("?");
        if !prefix.is_empty() {
            out.push(format!("{prefix}: {kind}"));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            paths(&format!("{prefix}.{name}"), property, out);
        }
        if schema["items"].is_object() {
            paths(&format!("{prefix}[]"), &schema["items"], out);
        }
        if schema["additionalProperties"].is_object() {
            paths(&format!("{prefix}{{}}"), &schema["additionalProperties"], out);
        }
    }

    #[test]
    fn schemas_have_the_fields_of_the_go_driver_and_ours() {
        let mut out = Vec::new();
        for definition in custom_resource_definitions() {
            for version in &definition.spec.versions {
                let schema =
                    serde_json::to_value(&version.schema.as_ref().unwrap().open_api_v3_schema).unwrap();
                out.push(format!("# {} {}", definition.spec.names.kind, version.name));
                paths("", &schema, &mut out);
            }
        }
        insta::assert_snapshot!(out.join("\n"));
    }

    #[test]
    fn nothing_stored_before_is_refused() {
        for definition in custom_resource_definitions() {
            let text = serde_json::to_string(&definition).unwrap();
            for word in [
                "\"required\"",
                "\"enum\"",
                "\"pattern\"",
                "\"default\"",
                "\"minLength\"",
                "\"subresources\"",
                "\"nullable\"",
            ] {
                assert!(!text.contains(word), "{word} in {text}");
            }
            let stored: Vec<_> =
                definition.spec.versions.iter().filter(|v| v.storage).map(|v| v.name.as_str()).collect();
            assert_eq!(stored, ["v1"]);
            assert!(definition.spec.versions.iter().all(|v| v.served));
        }
    }

    #[test]
    fn printer_columns_and_short_names() {
        let [class, status] = custom_resource_definitions();
        let columns = |definition: &CustomResourceDefinition| -> Vec<Vec<String>> {
            let versions = definition.spec.versions.iter();
            versions
                .map(|version| {
                    let columns = version.additional_printer_columns.iter().flatten();
                    columns.map(|column| column.name.clone()).collect()
                })
                .collect()
        };
        assert_eq!(class.spec.names.short_names, Some(vec!["spc".to_owned()]));
        assert_eq!(columns(&class), [["Provider", "Age"], ["Provider", "Age"]]);
        assert_eq!(status.spec.names.short_names, Some(vec!["spcps".to_owned()]));
        assert_eq!(columns(&status)[0], ["Pod", "Class", "Mounted", "Reason", "Age"]);
        let deprecated: Vec<_> = class.spec.versions.iter().map(|version| version.deprecated).collect();
        assert_eq!(deprecated, [None, Some(true)]);
    }
}
