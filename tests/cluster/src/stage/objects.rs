//! Objects of a test.

use serde_json::{Value, json};

/// The name the drivers of a cluster have.
pub const DRIVER_NAME: &str = "secrets-store.csi.k8s.io";

/// Merges fields into an object; `null` changes nothing.
#[must_use]
pub fn with(mut object: Value, more: &Value) -> Value {
    merge(&mut object, more);
    object
}

fn merge(object: &mut Value, more: &Value) {
    match (object, more) {
        (Value::Object(object), Value::Object(more)) => {
            for (key, value) in more {
                merge(object.entry(key).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (object, more) => *object = more.clone(),
    }
}

/// The CSIDriver object of driver v1.6.0's chart, with tokens for the audience `aud`.
#[must_use]
pub fn csi_driver(name: &str) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": name},
        "spec": {
            "podInfoOnMount": true,
            "attachRequired": false,
            "volumeLifecycleModes": ["Ephemeral"],
            "requiresRepublish": true,
            "tokenRequests": [{"audience": "aud"}],
        },
    })
}

/// The rights of the driver's service account: those that driver v1.6.0's manifests give it, synced Secrets included.
#[must_use]
pub fn rules(driver_name: &str) -> Value {
    let custom = "secrets-store.csi.x-k8s.io";
    let all = ["create", "delete", "get", "list", "patch", "update", "watch"];
    json!([
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [custom], "resources": ["secretproviderclasses"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [custom], "resources": ["secretproviderclasspodstatuses"], "verbs": all},
        {"apiGroups": [custom], "resources": ["secretproviderclasspodstatuses/status"],
         "verbs": ["get", "patch", "update"]},
        {"apiGroups": ["storage.k8s.io"], "resources": ["csidrivers"], "resourceNames": [driver_name],
         "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": all},
    ])
}

/// A ClusterRole, and its binding to a service account.
#[must_use]
pub fn cluster_role(name: &str, rules: &Value, namespace: &str, service_account: &str) -> [Value; 2] {
    let group = "rbac.authorization.k8s.io";
    [
        json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": service_account, "namespace": namespace}],
        }),
    ]
}

/// A class with parameters, and further fields of its `spec`.
#[must_use]
pub fn class(namespace: &str, name: &str, provider: &str, spec: &Value) -> Value {
    let spec = with(json!({"provider": provider, "parameters": {"objects": "foo"}}), spec);
    json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

/// The `spec` of a pod that looks at volumes: each a name, mounted at `/<name>`, and a class.
#[must_use]
pub fn pod_spec(driver: &str, image: &str, looks: &str, volumes: &[(&str, &str)]) -> Value {
    let mounts = volumes
        .iter()
        .map(|(volume, _)| json!({"name": volume, "mountPath": format!("/{volume}"), "readOnly": true}))
        .chain([json!({"name": "looks", "mountPath": "/looks"})]);
    let sources = volumes
        .iter()
        .map(|(volume, class)| {
            let attributes = json!({"secretProviderClass": class});
            json!({"name": volume, "csi": {"driver": driver, "readOnly": true, "volumeAttributes": attributes}})
        })
        .chain([json!({"name": "looks", "hostPath": {"path": looks}})]);
    let uid = json!({"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}});
    json!({
        "hostNetwork": true,
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "look",
            "image": image,
            "imagePullPolicy": "Never",
            "args": volumes.iter().map(|(volume, _)| format!("/{volume}")).collect::<Vec<_>>(),
            "env": [uid],
            "volumeMounts": mounts.collect::<Vec<_>>(),
        }],
        "volumes": sources.collect::<Vec<_>>(),
    })
}
