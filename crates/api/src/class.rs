//! `SecretProviderClass`: what a volume shall hold, and which Kubernetes Secrets to make of it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A class of volumes: provider, its parameters, and the Secrets to keep in sync with the files.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct SecretProviderClass {
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// What the author of the class asked for.
    #[serde(default)]
    pub spec: SecretProviderClassSpec,
}

/// Specification of a class. Nothing is required by the API; the driver says what is missing when a
/// volume is mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretProviderClassSpec {
    /// Name of the provider; its socket is `<provider directory>/<name>.sock`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// Parameters for the provider, text to text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Kubernetes Secrets to keep in sync with the mounted files while a pod mounts this class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secret_objects: Vec<SecretObject>,
}

/// One Kubernetes Secret to make of mounted files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretObject {
    /// Name of the Secret, in the namespace of the class.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_name: String,
    /// Type of the Secret, such as Opaque or kubernetes.io/tls.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub type_: String,
    /// Labels of the Secret.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the Secret.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Keys of the Secret and the files they are made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<SecretObjectData>,
}

/// One key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretObjectData {
    /// Name of the mounted file: the object's alias, or its name where it has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object_name: String,
    /// Key in the Secret's data.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
}

/// Status of a class: nothing. What happens is told per pod, in SecretProviderClassPodStatus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretProviderClassStatus {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys an author writes, and nothing more when written back.
    #[test]
    fn reads_and_writes_what_authors_write() {
        let json = serde_json::json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1",
            "kind": "SecretProviderClass",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "provider": "azure",
                "parameters": {"keyvaultName": "kv"},
                "secretObjects": [{
                    "secretName": "web-tls", "type": "kubernetes.io/tls",
                    "labels": {"a": "b"}, "annotations": {"c": "d"},
                    "data": [{"objectName": "cert", "key": "tls.crt"}],
                }],
            },
        });
        let class: SecretProviderClass = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(class.spec.secret_objects[0].type_, "kubernetes.io/tls");
        assert_eq!(serde_json::to_value(&class).unwrap(), json);
    }

    #[test]
    fn an_empty_class_is_read() {
        for text in [
            r#"{"metadata":{}}"#,
            r#"{"metadata":{},"spec":{}}"#,
            r#"{"metadata":{},"spec":{"unknown":1},"status":{}}"#,
        ] {
            let class: SecretProviderClass = serde_json::from_str(text).unwrap();
            assert_eq!(class.spec, SecretProviderClassSpec::default(), "{text}");
        }
    }
}
