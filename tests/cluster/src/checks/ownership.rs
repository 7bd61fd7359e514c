//! `managedFields`, entry by entry.

use serde_json::{Value, json};

use crate::{Form, Target};

/// Manager, operation, subresource and fields of every entry.
fn owners(object: &Value) -> Vec<Value> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let entry = |entry: &Value| {
        assert_eq!(entry["fieldsType"], "FieldsV1");
        assert!(entry["time"].is_string() && entry["apiVersion"].is_string());
        json!([entry["manager"], entry["operation"], entry["subresource"], entry["fieldsV1"]])
    };
    entries.iter().map(entry).collect()
}

/// A POST owns what it sent and what was defaulted.
pub async fn of_create(t: &Target) {
    let object = json!({"metadata": {"name": "a", "labels": {"l": "1"}, "annotations": {"x.test/y": "z"}}, "data": {"k": "dg=="}});
    let made = t.post(&t.core("secrets"), &object).await.body_of(201);
    let fields = json!({"f:data": {".": {}, "f:k": {}}, "f:metadata": {"f:annotations": {".": {}, "f:x.test/y": {}}, "f:labels": {".": {}, "f:l": {}}}, "f:type": {}});
    assert_eq!(owners(&made), [json!(["contract", "Update", null, fields])]);
    let named = t
        .post(&format!("{}?fieldManager=mine", t.core("secrets")), &json!({"metadata": {"name": "b"}}))
        .await
        .body_of(201);
    assert_eq!(owners(&named), [json!(["mine", "Update", null, {"f:type": {}}])]);
}

/// An update takes what it changes, and what is removed belongs to nobody.
pub async fn of_update(t: &Target) {
    let path = t.core("secrets/a");
    t.post(&t.core("secrets"), &json!({"metadata": {"name": "a"}, "data": {"k": "dg==", "l": "dg=="}}))
        .await
        .expect(201);
    let put = json!({"metadata": {"name": "a"}, "type": "Opaque", "data": {"k": "eA==", "m": "eA=="}});
    let put = t.put(&format!("{path}?fieldManager=put"), &put).await.body_of(200);
    assert_eq!(
        owners(&put),
        [
            json!(["contract", "Update", null, {"f:data": {}, "f:type": {}}]),
            json!(["put", "Update", null, {"f:data": {"f:k": {}, "f:m": {}}}]),
        ]
    );
    let patched =
        t.patch(Form::Merge, &format!("{path}?fieldManager=put"), &json!({"data": null})).await.body_of(200);
    assert_eq!(owners(&patched), [json!(["contract", "Update", null, {"f:type": {}}])]);
}

/// Applied configurations come first and own exactly what they name.
pub async fn of_apply(t: &Target) {
    let path = t.core("secrets/a");
    t.post(&t.core("secrets"), &json!({"metadata": {"name": "a"}, "data": {"k": "dg=="}})).await.expect(201);
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1"}], "finalizers": ["f.test/1"]}, "data": {"k": "dg=="}});
    let applied = t.patch(Form::Apply, &format!("{path}?fieldManager=one"), &object).await.body_of(200);
    // An owner reference is owned as a whole.
    let element = json!({"k:{\"uid\":\"1\"}": {}});
    let applied_fields = json!({"f:data": {"f:k": {}}, "f:metadata": {"f:finalizers": {"v:\"f.test/1\"": {}}, "f:ownerReferences": element}});
    assert_eq!(
        owners(&applied),
        [
            json!(["one", "Apply", null, applied_fields]),
            json!(["contract", "Update", null, {"f:data": {".": {}, "f:k": {}}, "f:type": {}}]),
        ]
    );
    let cleared = t.patch(Form::Merge, &path, &json!({"metadata": {"finalizers": null}})).await.body_of(200);
    assert_eq!(cleared["metadata"].get("finalizers"), None);
}

/// Custom resources: maps, empty maps, atomic lists.
pub async fn of_custom_resources(t: &Target) {
    let object = json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": "a"},
        "spec": {"provider": "azure", "parameters": {"p": "1"}, "secretObjects": [{"secretName": "s"}]}, "status": {}});
    let made = t.post(&t.classes(), &object).await.body_of(201);
    let fields = json!({"f:spec": {".": {}, "f:parameters": {".": {}, "f:p": {}}, "f:provider": {}, "f:secretObjects": {}}, "f:status": {}});
    assert_eq!(owners(&made), [json!(["contract", "Update", null, fields])]);
}

/// A writer of a subresource has entries of its own.
pub async fn of_subresources(t: &Target) {
    let path = t.custom(crate::definitions::GENEROUS, "v1", "samples");
    let object = json!({"apiVersion": "generous.keymount.test/v1", "kind": "Sample", "metadata": {"name": "a"}, "spec": {"mode": "Files"}});
    t.post(&path, &object).await.expect(201);
    let patched = t
        .patch(Form::Merge, &format!("{path}/a/status"), &json!({"status": {"phase": "Done"}}))
        .await
        .body_of(200);
    let mut all = owners(&patched);
    all.sort_by_key(|entry| entry[2].to_string());
    assert_eq!(
        all,
        [
            json!(["contract", "Update", "status", {"f:status": {".": {}, "f:phase": {}}}]),
            json!(["contract", "Update", null, {"f:spec": {".": {}, "f:interval": {}, "f:mode": {}}}]),
        ]
    );
}

/// An empty list in an update gives up everything recorded.
pub async fn can_be_given_up(t: &Target) {
    t.post(&t.core("secrets"), &json!({"metadata": {"name": "a"}, "data": {"k": "dg=="}})).await.expect(201);
    let cleared = t
        .patch(Form::Merge, &t.core("secrets/a"), &json!({"metadata": {"managedFields": [{}]}}))
        .await
        .body_of(200);
    assert_eq!(cleared["metadata"].get("managedFields"), None);
}
