//! Deletion: preconditions, finalizers, propagation, collections, namespaces.

use serde_json::{Value, json};

use crate::{Form, Target};

async fn make(t: &Target, name: &str, meta: Value) -> Value {
    let mut object = json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": meta, "spec": {}});
    object["metadata"]["name"] = name.into();
    t.post(&t.classes(), &object).await.body_of(201)
}

/// What a deletion answers.
pub async fn answers_a_status(t: &Target) {
    let made = make(t, "a", json!({})).await;
    let path = format!("{}/a", t.classes());
    let reply = t.delete(&path, &json!(null)).await.body_of(200);
    let details = json!({"name": "a", "group": "secrets-store.csi.x-k8s.io", "kind": "secretproviderclasses", "uid": made["metadata"]["uid"]});
    assert_eq!(
        reply,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
    );
    assert_eq!(t.get(&path).await.code, 404);
    t.post(&t.core("serviceaccounts"), &json!({"metadata": {"name": "s"}})).await.expect(201);
    assert_eq!(
        t.delete(&t.core("serviceaccounts/s"), &json!(null)).await.body_of(200)["kind"],
        "ServiceAccount"
    );
}

/// Only the object that was meant is deleted.
pub async fn preconditions(t: &Target) {
    let path = t.core("secrets/a");
    let made = t.post(&t.core("secrets"), &json!({"metadata": {"name": "a"}})).await.body_of(201);
    let (uid, revision) = (
        made["metadata"]["uid"].as_str().expect("a uid"),
        made["metadata"]["resourceVersion"].as_str().expect("a revision"),
    );
    let reply = t.delete(&path, &json!({"preconditions": {"uid": "x"}})).await;
    let message = format!(
        "Operation cannot be fulfilled on Secret \"a\": the UID in the precondition (x) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
    );
    let reply = reply.fails(409, "Conflict", &message);
    assert_eq!(reply.details(), json!({"name": "a", "kind": "Secret"}));
    let reply = t.delete(&path, &json!({"preconditions": {"resourceVersion": "1"}})).await;
    let message = format!(
        "Operation cannot be fulfilled on Secret \"a\": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({revision}). The object might have been modified"
    );
    reply.fails(409, "Conflict", &message);
    t.delete(&path, &json!({"preconditions": {"uid": uid, "resourceVersion": revision}})).await.expect(200);
}

/// A finalizer holds the object until it is taken away.
pub async fn finalizers(t: &Target) {
    make(t, "a", json!({"finalizers": ["f.test/1"]})).await;
    let path = format!("{}/a", t.classes());
    let held = t.delete(&path, &json!(null)).await.body_of(200);
    assert_eq!(
        (&held["kind"], &held["metadata"]["deletionGracePeriodSeconds"], &held["metadata"]["generation"]),
        (&json!("SecretProviderClass"), &json!(0), &json!(2))
    );
    let since = held["metadata"]["deletionTimestamp"].clone();
    assert!(since.is_string());
    let again = t.delete(&path, &json!(null)).await.body_of(200);
    assert_eq!(
        (&again["metadata"]["deletionTimestamp"], &again["metadata"]["resourceVersion"]),
        (&since, &held["metadata"]["resourceVersion"])
    );
    let more =
        t.patch(Form::Merge, &path, &json!({"metadata": {"finalizers": ["f.test/1", "f.test/2"]}})).await;
    more.fails(422, "Invalid", "SecretProviderClass.secrets-store.csi.x-k8s.io \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"f.test/2\"}");
    t.patch(Form::Merge, &path, &json!({"metadata": {"labels": {"still": "there"}}})).await.expect(200);
    let last = t.patch(Form::Merge, &path, &json!({"metadata": {"finalizers": null}})).await.body_of(200);
    assert_eq!(last["metadata"].get("finalizers"), None);
    assert_eq!(t.get(&path).await.code, 404);
}

/// Foreground and orphaning deletions wait for the garbage collector by finalizers; without one, here
/// as there, a finalizer of someone else keeps the object in sight.
pub async fn propagation(t: &Target) {
    for (name, policy, finalizer) in [
        ("fg", "Foreground", Some("foregroundDeletion")),
        ("or", "Orphan", Some("orphan")),
        ("bg", "Background", None),
    ] {
        make(t, name, json!({"finalizers": ["f.test/1"]})).await;
        let path = format!("{}/{name}", t.classes());
        let held = t.delete(&path, &json!({"propagationPolicy": policy})).await.body_of(200);
        let mut finalizers: Vec<_> = held["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        finalizers.sort_by_key(ToString::to_string);
        let mut expected = vec![json!("f.test/1")];
        expected.extend(finalizer.map(Value::from));
        assert_eq!(finalizers, expected, "{policy}");
        t.patch(Form::Merge, &path, &json!({"metadata": {"finalizers": null}})).await.expect(200);
    }
    make(t, "x", json!({})).await;
    let wrong = t.delete(&format!("{}/x", t.classes()), &json!({"propagationPolicy": "Sideways"})).await;
    wrong.fails(422, "Invalid", "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Sideways\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"");
}

/// A collection by selector; the answer has what was deleted.
pub async fn collections(t: &Target) {
    make(t, "a", json!({"labels": {"x": "1"}})).await;
    make(t, "b", json!({"labels": {"x": "1"}})).await;
    make(t, "c", json!({})).await;
    let reply = t.delete(&format!("{}?labelSelector=x", t.classes()), &json!(null)).await.body_of(200);
    assert_eq!(
        (&reply["kind"], reply["items"].as_array().map(Vec::len)),
        (&json!("SecretProviderClassList"), Some(2))
    );
    let left = t.get(&t.classes()).await.body_of(200);
    assert_eq!(
        left["items"]
            .as_array()
            .map(|items| items.iter().map(|item| item["metadata"]["name"].clone()).collect::<Vec<_>>()),
        Some(vec![json!("c")])
    );
}

/// The same name again is another object.
pub async fn recreation(t: &Target) {
    let one = make(t, "a", json!({})).await;
    t.delete(&format!("{}/a", t.classes()), &json!(null)).await.expect(200);
    let two = make(t, "a", json!({})).await;
    assert_ne!(one["metadata"]["uid"], two["metadata"]["uid"]);
    let stale = t.put(&format!("{}/a", t.classes()), &one).await;
    assert_eq!((stale.code, &stale.body["reason"]), (409, &json!("Conflict")));
}

/// In a namespace that is being deleted nothing new begins.
pub async fn namespaces(t: &Target) {
    let name = format!("{}-gone", t.namespace);
    let made = t.post("/api/v1/namespaces", &json!({"metadata": {"name": name}})).await.body_of(201);
    assert_eq!(
        (&made["status"]["phase"], &made["metadata"]["labels"]),
        (&json!("Active"), &json!({"kubernetes.io/metadata.name": name}))
    );
    assert_eq!(made["spec"]["finalizers"], json!(["kubernetes"]));
    // Something that keeps the namespace from going at once where controllers run.
    let held = json!({"metadata": {"name": "held", "finalizers": ["f.test/1"]}});
    t.post(&format!("/api/v1/namespaces/{name}/secrets"), &held).await.expect(201);
    let deleted = t.delete(&format!("/api/v1/namespaces/{name}"), &json!(null)).await.body_of(200);
    assert_eq!(deleted["status"]["phase"], "Terminating");
    assert!(deleted["metadata"]["deletionTimestamp"].is_string());
    let refused =
        t.post(&format!("/api/v1/namespaces/{name}/secrets"), &json!({"metadata": {"name": "x"}})).await;
    let message = format!(
        "secrets \"x\" is forbidden: unable to create new content in namespace {name} because it is being terminated"
    );
    let refused = refused.fails(403, "Forbidden", &message);
    let cause = json!({"reason": "NamespaceTerminating", "message": format!("namespace {name} is being terminated"), "field": "metadata.namespace"});
    assert_eq!(refused.body["details"]["causes"], json!([cause]));
    t.patch(
        Form::Merge,
        &format!("/api/v1/namespaces/{name}/secrets/held"),
        &json!({"metadata": {"finalizers": null}}),
    )
    .await
    .expect(200);
}
