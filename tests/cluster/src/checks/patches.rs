//! JSON, merge and strategic merge patches.

use http::Method;
use serde_json::json;

use crate::{Form, Target};

async fn make(t: &Target) -> String {
    let object = json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": "a", "labels": {"x": "1"}},
        "spec": {"provider": "azure", "parameters": {"a": "1", "b": "2"}}});
    t.post(&t.classes(), &object).await.expect(201);
    format!("{}/a", t.classes())
}

/// RFC 7386.
pub async fn merge(t: &Target) {
    let path = make(t).await;
    let patch = json!({"spec": {"parameters": {"a": null, "c": "3"}}, "metadata": {"labels": null}});
    let patched = t.patch(Form::Merge, &path, &patch).await.body_of(200);
    assert_eq!(patched["spec"], json!({"provider": "azure", "parameters": {"b": "2", "c": "3"}}));
    assert_eq!(patched["metadata"].get("labels"), None);
    let again = t.patch(Form::Merge, &path, &patch).await.body_of(200);
    assert_eq!(again["metadata"]["resourceVersion"], patched["metadata"]["resourceVersion"]);
}

/// RFC 6902.
pub async fn json(t: &Target) {
    let path = make(t).await;
    let patch = json!([{"op": "test", "path": "/spec/provider", "value": "azure"}, {"op": "replace", "path": "/spec/provider", "value": "vault"}, {"op": "remove", "path": "/spec/parameters/a"}]);
    let patched = t.patch(Form::Json, &path, &patch).await.body_of(200);
    assert_eq!(patched["spec"], json!({"provider": "vault", "parameters": {"b": "2"}}));
    let rejected = "the server rejected our request due to an error in our request";
    for patch in [
        json!([{"op": "test", "path": "/spec/provider", "value": "azure"}]),
        json!([{"op": "remove", "path": "/spec/none"}]),
    ] {
        t.patch(Form::Json, &path, &patch).await.fails(422, "Invalid", rejected);
    }
    assert_eq!(t.get(&path).await.body_of(200)["spec"]["provider"], "vault");
}

/// A patch that carries a revision is held to it.
pub async fn locked(t: &Target) {
    let path = make(t).await;
    let stale = t
        .patch(Form::Merge, &path, &json!({"metadata": {"resourceVersion": "1"}, "spec": {"provider": "x"}}))
        .await;
    stale.fails(409, "Conflict", "Operation cannot be fulfilled on secretproviderclasses.secrets-store.csi.x-k8s.io \"a\": the object has been modified; please apply your changes to the latest version and try again");
    let now = t.get(&path).await.body_of(200)["metadata"]["resourceVersion"].clone();
    t.patch(Form::Merge, &path, &json!({"metadata": {"resourceVersion": now}, "spec": {"provider": "x"}}))
        .await
        .expect(200);
}

/// What is wrong with a patch.
pub async fn refused(t: &Target) {
    let path = make(t).await;
    t.patch(Form::Merge, &path, &json!({"metadata": {"name": "b"}})).await.fails(
        400,
        "BadRequest",
        "the name of the object (b) does not match the name on the URL (a)",
    );
    t.patch(Form::Merge, &path, &json!([])).await.fails_with_prefix(
        400,
        "BadRequest",
        "error decoding patch",
    );
    t.patch(Form::Json, &path, &json!({})).await.fails_with_prefix(400, "BadRequest", "error decoding patch");
    t.patch(Form::Merge, &format!("{}/none", t.classes()), &json!({})).await.fails(
        404,
        "NotFound",
        "secretproviderclasses.secrets-store.csi.x-k8s.io \"none\" not found",
    );
    let accepted = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    t.patch(Form::Strategic, &path, &json!({})).await.fails(415, "UnsupportedMediaType", accepted);
    assert_eq!(t.send(Method::PATCH, &path, "text/plain", b"{}".to_vec()).await.code, 415);
    let forced = t.patch(Form::Merge, &format!("{path}?force=true"), &json!({})).await;
    forced.fails(422, "Invalid", "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch");
    let typed = t.patch(Form::Merge, &path, &json!({"spec": {"provider": 1}})).await;
    assert_eq!((typed.code, &typed.body["reason"]), (422, &json!("Invalid")));
}

/// The identity of an object is not patched.
pub async fn system_fields_stay(t: &Target) {
    let path = make(t).await;
    let before = t.get(&path).await.body_of(200);
    let patch = json!({"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 77, "labels": {"y": "2"}}});
    let after = t.patch(Form::Merge, &path, &patch).await.body_of(200);
    for field in ["uid", "creationTimestamp", "generation", "deletionTimestamp"] {
        assert_eq!(before["metadata"].get(field), after["metadata"].get(field), "{field}");
    }
    let foreign = t.patch(Form::Merge, &path, &json!({"metadata": {"uid": "x"}})).await;
    foreign.fails(422, "Invalid", "SecretProviderClass.secrets-store.csi.x-k8s.io \"a\" is invalid: metadata.uid: Invalid value: \"x\": field is immutable");
}

/// Lists of compiled-in types merge by key.
pub async fn strategic(t: &Target) {
    let owner = |uid: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": format!("p{uid}"), "uid": uid});
    let path = t.core("secrets/a");
    t.post(&t.core("secrets"), &json!({"metadata": {"name": "a", "ownerReferences": [owner("1")], "finalizers": ["f.test/1"]}, "data": {"k": "", "l": ""}})).await.expect(201);
    let patch = json!({"metadata": {"ownerReferences": [owner("2")], "finalizers": ["f.test/2"]}, "data": {"k": null}});
    let patched = t.patch(Form::Strategic, &path, &patch).await.body_of(200);
    let mut uids: Vec<_> = patched["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    uids.sort_by_key(|owner| owner["uid"].to_string());
    assert_eq!(uids, [owner("1"), owner("2")]);
    assert_eq!(patched["data"], json!({"l": ""}));
    assert_eq!(patched["metadata"]["finalizers"].as_array().map(Vec::len), Some(2));
    let patch = json!({"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "1"}], "$deleteFromPrimitiveList/finalizers": ["f.test/1", "f.test/2"]}});
    let patched = t.patch(Form::Strategic, &path, &patch).await.body_of(200);
    assert_eq!(patched["metadata"]["ownerReferences"], json!([owner("2")]));
    assert_eq!(patched["metadata"].get("finalizers"), None);
}
