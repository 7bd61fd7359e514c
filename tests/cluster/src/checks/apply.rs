//! Server-side apply.

use serde_json::{Value, json};

use crate::definitions::GENEROUS;
use crate::{Form, Target};

fn class(spec: Value) -> Value {
    json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": "a"}, "spec": spec})
}

fn secret(rest: Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    for (field, value) in rest.as_object().cloned().unwrap_or_default() {
        match (field.as_str(), value) {
            ("owner", uid) => {
                object["metadata"]["ownerReferences"] =
                    json!([{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": uid}])
            }
            ("labels", labels) => object["metadata"]["labels"] = labels,
            (field, value) => object[field] = value,
        }
    }
    object
}

async fn apply(t: &Target, path: &str, manager: &str, object: &Value) -> crate::Reply {
    t.patch(Form::Apply, &format!("{path}?fieldManager={manager}"), object).await
}

/// Applying makes the object, changes it, and drops what is no longer applied.
pub async fn creates_changes_and_drops(t: &Target) {
    let path = format!("{}/a", t.classes());
    let made =
        apply(t, &path, "one", &class(json!({"provider": "azure", "parameters": {"a": "1", "b": "2"}})))
            .await
            .body_of(201);
    assert_eq!(made["spec"]["parameters"], json!({"a": "1", "b": "2"}));
    let changed = apply(t, &path, "one", &class(json!({"provider": "azure", "parameters": {"b": "3"}})))
        .await
        .body_of(200);
    assert_eq!(changed["spec"], json!({"provider": "azure", "parameters": {"b": "3"}}));
    let same = apply(t, &path, "one", &class(json!({"provider": "azure", "parameters": {"b": "3"}})))
        .await
        .body_of(200);
    assert_eq!(same["metadata"]["resourceVersion"], changed["metadata"]["resourceVersion"]);
    let dropped = apply(t, &path, "one", &class(json!({"provider": "azure"}))).await.body_of(200);
    assert_eq!(dropped["spec"], json!({"provider": "azure"}));
}

/// Other values of fields of others are a conflict.
pub async fn conflicts(t: &Target) {
    let path = format!("{}/a", t.classes());
    t.post(&t.classes(), &class(json!({"provider": "azure", "parameters": {"a": "1"}}))).await.expect(201);
    let reply = apply(t, &path, "one", &class(json!({"provider": "one"}))).await;
    let message = "Apply failed with 1 conflict: conflict with \"contract\" using secrets-store.csi.x-k8s.io/v1: .spec.provider";
    let reply = reply.fails(409, "Conflict", message);
    let cause = json!({"reason": "FieldManagerConflict", "message": "conflict with \"contract\" using secrets-store.csi.x-k8s.io/v1", "field": ".spec.provider"});
    assert_eq!(reply.body["details"], json!({"causes": [cause]}));
    apply(t, &path, "one", &class(json!({"provider": "azure"}))).await.expect(200);
    let reply = apply(t, &path, "two", &class(json!({"provider": "x", "parameters": {"a": "2"}}))).await;
    let message = "Apply failed with 3 conflicts: conflicts with \"contract\" using secrets-store.csi.x-k8s.io/v1:\n- .spec.provider\n- .spec.parameters.a\nconflicts with \"one\":\n- .spec.provider";
    reply.fails(409, "Conflict", message);
}

/// Force takes the field, and the loser no longer owns it.
pub async fn force(t: &Target) {
    let path = format!("{}/a", t.classes());
    apply(t, &path, "one", &class(json!({"provider": "one", "parameters": {"a": "1"}}))).await.expect(201);
    let forced = t
        .patch(
            Form::Apply,
            &format!("{path}?fieldManager=two&force=true"),
            &class(json!({"provider": "two"})),
        )
        .await
        .body_of(200);
    assert_eq!(forced["spec"], json!({"provider": "two", "parameters": {"a": "1"}}));
    let again = apply(t, &path, "one", &class(json!({"parameters": {"a": "1"}}))).await.body_of(200);
    assert_eq!(again["spec"], json!({"provider": "two", "parameters": {"a": "1"}}));
}

/// What two own stays until both have dropped it.
pub async fn shared_fields(t: &Target) {
    let path = t.core("secrets/a");
    apply(t, &path, "one", &secret(json!({"data": {"k": "dg==", "l": "dg=="}}))).await.expect(201);
    apply(t, &path, "two", &secret(json!({"data": {"k": "dg=="}}))).await.expect(200);
    let left = apply(t, &path, "one", &secret(json!({"labels": {"a": "b"}}))).await.body_of(200);
    assert_eq!(left["data"], json!({"k": "dg=="}));
    let left = apply(t, &path, "two", &secret(json!({}))).await.body_of(200);
    assert_eq!((left.get("data"), &left["metadata"]["labels"]), (None, &json!({"a": "b"})));
}

/// Owner references merge by uid: each pod applies its own.
pub async fn owners_merge_by_uid(t: &Target) {
    let path = t.core("secrets/a");
    t.post(&t.core("secrets"), &secret(json!({"data": {"k": "dg=="}}))).await.expect(201);
    apply(t, &path, "pod-1", &secret(json!({"owner": "1"}))).await.expect(200);
    let both = apply(t, &path, "pod-2", &secret(json!({"owner": "2"}))).await.body_of(200);
    let uids = |object: &Value| -> Vec<Value> {
        let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        owners.iter().map(|owner| owner["uid"].clone()).collect()
    };
    assert_eq!(uids(&both), [json!("1"), json!("2")]);
    let one = apply(t, &path, "pod-1", &secret(json!({}))).await.body_of(200);
    assert_eq!(uids(&one), [json!("2")]);
    let none = apply(t, &path, "pod-2", &secret(json!({}))).await.body_of(200);
    assert_eq!(none["metadata"].get("ownerReferences"), None);
}

/// `stringData` is applied as data.
pub async fn string_data(t: &Target) {
    let path = t.core("secrets/a");
    let made = apply(t, &path, "one", &secret(json!({"stringData": {"k": "v"}}))).await.body_of(201);
    assert_eq!((&made["data"], &made["type"]), (&json!({"k": "dg=="}), &json!("Opaque")));
}

/// Configurations that are refused.
pub async fn refused(t: &Target) {
    let path = format!("{}/a", t.classes());
    let unnamed = t.patch(Form::Apply, &path, &class(json!({}))).await;
    unnamed.fails(
        422,
        "Invalid",
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
    );
    let mut object = class(json!({}));
    object["metadata"]["managedFields"] = json!([{}]);
    apply(t, &path, "one", &object).await.fails(400, "BadRequest", "metadata.managedFields must be nil");
    object["metadata"] = json!({"name": "b"});
    apply(t, &path, "one", &object).await.fails(
        400,
        "BadRequest",
        "the name of the object (b) does not match the name on the URL (a)",
    );
    let unknown = apply(t, &path, "one", &class(json!({"odd": 1}))).await;
    assert_eq!(
        (unknown.code, &unknown.body["message"]),
        (
            500,
            &json!(
                "failed to create typed patch object (/a; secrets-store.csi.x-k8s.io/v1, Kind=SecretProviderClass): .spec.odd: field not declared in schema"
            )
        )
    );
    let unknown = apply(t, &t.core("secrets/a"), "one", &secret(json!({"odd": 1}))).await;
    assert_eq!(
        (unknown.code, &unknown.body["message"]),
        (
            500,
            &json!(
                "failed to create typed patch object (/a; /v1, Kind=Secret): .odd: field not declared in schema"
            )
        )
    );
    assert_eq!(t.get(&path).await.code, 404);
}

/// Lists of custom resources merge as their schema says.
pub async fn lists_by_schema(t: &Target) {
    let path = format!("{}/a", t.custom(GENEROUS, "v1", "samples"));
    let sample = |spec: Value| json!({"apiVersion": "generous.keymount.test/v1", "kind": "Sample", "metadata": {"name": "a"}, "spec": spec});
    let one = json!({"mode": "Files", "items": [{"name": "x", "value": "1"}], "tags": ["a"]});
    apply(t, &path, "one", &sample(one)).await.expect(201);
    let two = json!({"mode": "Files", "items": [{"name": "y", "value": "2"}], "tags": ["b"]});
    let both = apply(t, &path, "two", &sample(two)).await.body_of(200);
    assert_eq!(both["spec"]["items"], json!([{"name": "x", "value": "1"}, {"name": "y", "value": "2"}]));
    assert_eq!(both["spec"]["tags"], json!(["a", "b"]));
    let conflict =
        apply(t, &path, "two", &sample(json!({"mode": "Files", "items": [{"name": "x", "value": "2"}]})))
            .await;
    conflict.fails(
        409,
        "Conflict",
        "Apply failed with 1 conflict: conflict with \"one\": .spec.items[name=\"x\"].value",
    );
    let left = apply(t, &path, "one", &sample(json!({"mode": "Files"}))).await.body_of(200);
    assert_eq!(
        (&left["spec"]["items"], &left["spec"]["tags"]),
        (&json!([{"name": "y", "value": "2"}]), &json!(["b"]))
    );
}

/// Applying to status is a writer of its own.
pub async fn status(t: &Target) {
    let path = t.custom(GENEROUS, "v1", "samples");
    let object = |rest: Value| {
        let mut object =
            json!({"apiVersion": "generous.keymount.test/v1", "kind": "Sample", "metadata": {"name": "a"}});
        for (field, value) in rest.as_object().cloned().unwrap_or_default() {
            object[field] = value;
        }
        object
    };
    apply(t, &format!("{path}/a"), "one", &object(json!({"spec": {"mode": "Files"}}))).await.expect(201);
    let condition =
        |kind: &str| object(json!({"status": {"conditions": [{"type": kind, "status": "True"}]}}));
    let applied = t
        .patch(Form::Apply, &format!("{path}/a/status?fieldManager=one"), &condition("Ready"))
        .await
        .body_of(200);
    assert_eq!(applied["status"]["conditions"], json!([{"type": "Ready", "status": "True"}]));
    assert_eq!(applied["spec"]["mode"], "Files");
    let both = t
        .patch(Form::Apply, &format!("{path}/a/status?fieldManager=two"), &condition("Synced"))
        .await
        .body_of(200);
    assert_eq!(both["status"]["conditions"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        t.patch(Form::Apply, &format!("{path}/none/status?fieldManager=one"), &condition("Ready")).await.code,
        404
    );
}
