//! Custom resources: versions, pruning, validation, defaults, status.

use serde_json::json;

use crate::definitions::{GENEROUS, GROUP};
use crate::{Form, Target};

const V1: &str = "secrets-store.csi.x-k8s.io/v1";

fn class(name: &str, spec: serde_json::Value) -> serde_json::Value {
    json!({"apiVersion": V1, "kind": "SecretProviderClass", "metadata": {"name": name}, "spec": spec})
}

fn sample(name: &str, spec: serde_json::Value) -> serde_json::Value {
    json!({"apiVersion": "generous.keymount.test/v1", "kind": "Sample", "metadata": {"name": name}, "spec": spec})
}

/// Fields outside the schema are dropped, with a warning or without, or refused.
pub async fn pruning(t: &Target) {
    let spec = json!({"provider": "azure", "odd": 1, "parameters": {"any": "thing"}, "secretObjects": [{"secretName": "s", "x": 1}]});
    let made = t.post(&t.classes(), &class("a", spec.clone())).await;
    assert_eq!(
        made.warnings(),
        [
            "299 - \"unknown field \\\"spec.odd\\\"\"",
            "299 - \"unknown field \\\"spec.secretObjects[0].x\\\"\""
        ]
    );
    let expected =
        json!({"provider": "azure", "parameters": {"any": "thing"}, "secretObjects": [{"secretName": "s"}]});
    assert_eq!(made.body_of(201)["spec"], expected);
    let strict = t.post(&format!("{}?fieldValidation=Strict", t.classes()), &class("b", spec)).await;
    strict.fails(400, "BadRequest", "SecretProviderClass in version \"v1\" cannot be handled as a SecretProviderClass: strict decoding error: unknown field \"spec.odd\", unknown field \"spec.secretObjects[0].x\"");
}

/// Our own status fields do not survive upstream's definition, whichever way they come.
pub async fn pruning_of_status_objects(t: &Target) {
    let path = t.custom(GROUP, "v1", "secretproviderclasspodstatuses");
    let status = |extra: &str| json!({"podName": "p", "mounted": true, "objects": [{"id": "a", "version": "1"}], "conditions": [{"type": extra}], "lastSuccessTime": "2026-11-24T00:00:00Z"});
    let kept = json!({"podName": "p", "mounted": true, "objects": [{"id": "a", "version": "1"}]});
    let object = json!({"apiVersion": V1, "kind": "SecretProviderClassPodStatus", "metadata": {"name": "a"}, "status": status("A")});
    let mut made = t.post(&path, &object).await.body_of(201);
    assert_eq!(made["status"], kept);
    let revision = made["metadata"]["resourceVersion"].clone();
    made["status"] = status("B");
    // All that differs is pruned, so nothing is written.
    let put = t.put(&format!("{path}/a"), &made).await.body_of(200);
    assert_eq!((&put["status"], &put["metadata"]["resourceVersion"]), (&kept, &revision));
    let patched =
        t.patch(Form::Merge, &format!("{path}/a"), &json!({"status": status("C")})).await.body_of(200);
    assert_eq!((&patched["status"], &patched["metadata"]["resourceVersion"]), (&kept, &revision));
    let applied = json!({"apiVersion": V1, "kind": "SecretProviderClassPodStatus", "metadata": {"name": "a"}, "status": {"conditions": []}});
    let apply = t.patch(Form::Apply, &format!("{path}/a?fieldManager=x"), &applied).await;
    assert_eq!(apply.code, 500);
    let message = "failed to create typed patch object (/a; secrets-store.csi.x-k8s.io/v1, Kind=SecretProviderClassPodStatus): .status.conditions: field not declared in schema";
    assert_eq!(apply.body["message"], message);
    // There is no status subresource.
    let sub = t.patch(Form::Merge, &format!("{path}/a/status"), &json!({"status": {}})).await;
    sub.fails(404, "NotFound", "secretproviderclasspodstatuses.secrets-store.csi.x-k8s.io \"a\" not found");
}

/// Both versions show the same object; the old one warns.
pub async fn versions(t: &Target) {
    let old = t.custom(GROUP, "v1alpha1", "secretproviderclasses");
    let mut object = class("a", json!({"provider": "azure"}));
    object["apiVersion"] = "secrets-store.csi.x-k8s.io/v1alpha1".into();
    object["status"] = json!({"byPod": [{"id": "x"}]});
    let made = t.post(&old, &object).await;
    assert_eq!(
        made.warnings(),
        [
            "299 - \"secrets-store.csi.x-k8s.io/v1alpha1 is deprecated. Use secrets-store.csi.x-k8s.io/v1 instead.\""
        ]
    );
    let made = made.body_of(201);
    // What the storage version lacks is not stored.
    assert_eq!((&made["apiVersion"], &made["status"]), (&object["apiVersion"], &json!({})));
    let new = t.get(&format!("{}/a", t.classes())).await;
    assert_eq!(new.warnings(), [""; 0]);
    let new = new.body_of(200);
    assert_eq!(
        (&new["apiVersion"], &new["metadata"]["uid"], &new["spec"]),
        (&json!(V1), &made["metadata"]["uid"], &made["spec"])
    );
    let list = t.get(&old).await.body_of(200);
    assert_eq!(
        (&list["kind"], &list["items"][0]["apiVersion"]),
        (&json!("SecretProviderClassList"), &object["apiVersion"])
    );
    let other = t.custom(GROUP, "v1alpha1", "secretproviderclasspodstatuses");
    let warning = t.get(&other).await.warnings();
    assert_eq!(
        warning,
        [
            "299 - \"secrets-store.csi.x-k8s.io/v1alpha1 SecretProviderClassPodStatus is deprecated; use secrets-store.csi.x-k8s.io/v1 SecretProviderClassPodStatus\""
        ]
    );
}

/// Values of the wrong type, all in one answer.
pub async fn types(t: &Target) {
    let wrong = t.post(&t.classes(), &class("a", json!({"provider": 1, "secretObjects": {}}))).await;
    let message = "SecretProviderClass.secrets-store.csi.x-k8s.io \"a\" is invalid: ";
    let wrong = wrong.fails_with_prefix(422, "Invalid", message);
    let mut causes: Vec<_> = wrong.body["details"]["causes"].as_array().cloned().unwrap_or_default();
    causes.sort_by_key(|cause| cause["field"].to_string());
    assert_eq!(
        causes,
        [
            json!({"reason": "FieldValueTypeInvalid", "field": "spec.provider", "message": "Invalid value: \"integer\": spec.provider in body must be of type string: \"integer\""}),
            json!({"reason": "FieldValueTypeInvalid", "field": "spec.secretObjects", "message": "Invalid value: \"object\": spec.secretObjects in body must be of type array: \"object\""}),
        ]
    );
    // A null is no value.
    let made = t.post(&t.classes(), &class("b", json!({"provider": null}))).await.body_of(201);
    assert_eq!(made["spec"], json!({}));
}

/// Kind and version of the body are those of the path.
pub async fn kinds(t: &Target) {
    let none = t.post(&t.classes(), &json!({"metadata": {"name": "a"}})).await;
    none.fails_with_prefix(
        400,
        "BadRequest",
        "the object provided is unrecognized (must be of type SecretProviderClass): Object 'Kind' is missing",
    );
    let other =
        t.post(&t.classes(), &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})).await;
    other.fails(400, "BadRequest", "the API version in the data (v1) does not match the expected API version (secrets-store.csi.x-k8s.io/v1)");
    let other =
        t.post(&t.classes(), &json!({"apiVersion": V1, "kind": "Other", "metadata": {"name": "a"}})).await;
    other.fails(422, "Invalid", "Other.secrets-store.csi.x-k8s.io \"a\" is invalid: kind: Invalid value: \"Other\": must be SecretProviderClass");
}

/// A PUT must say what it is based on.
pub async fn updates_need_a_revision(t: &Target) {
    t.post(&t.classes(), &class("a", json!({}))).await.expect(201);
    let blind = t.put(&format!("{}/a", t.classes()), &class("a", json!({"provider": "x"}))).await;
    blind.fails(422, "Invalid", "secretproviderclasses.secrets-store.csi.x-k8s.io \"a\" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update");
}

/// The generation counts changes of anything but metadata.
pub async fn generation(t: &Target) {
    let path = format!("{}/a", t.classes());
    let made = t.post(&t.classes(), &class("a", json!({"provider": "azure"}))).await.body_of(201);
    assert_eq!(made["metadata"]["generation"], 1);
    let label = t.patch(Form::Merge, &path, &json!({"metadata": {"labels": {"a": "b"}}})).await.body_of(200);
    assert_eq!(label["metadata"]["generation"], 1);
    let spec = t.patch(Form::Merge, &path, &json!({"spec": {"provider": "vault"}})).await.body_of(200);
    assert_eq!(spec["metadata"]["generation"], 2);
    let status = t.patch(Form::Merge, &path, &json!({"status": {}})).await.body_of(200);
    assert_eq!(status["metadata"]["generation"], 3);
}

/// Defaults, required fields, enumerations, ranges.
pub async fn constraints(t: &Target) {
    let path = t.custom(GENEROUS, "v1", "samples");
    let made = t
        .post(
            &path,
            &sample("a", json!({"mode": "Files", "port": "http", "free": {"any": [1]}, "short": "abc"})),
        )
        .await
        .body_of(201);
    assert_eq!(
        made["spec"],
        json!({"mode": "Files", "interval": 2, "port": "http", "free": {"any": [1]}, "short": "abc"})
    );
    let name = "Sample.generous.keymount.test \"b\" is invalid: ";
    for (spec, message) in [
        (json!({}), "spec.mode: Required value"),
        (
            json!({"mode": "Other"}),
            "spec.mode: Unsupported value: \"Other\": supported values: \"Files\", \"Secret\"",
        ),
        (
            json!({"mode": "Files", "interval": 0}),
            "spec.interval: Invalid value: 0: spec.interval in body should be greater than or equal to 1",
        ),
        (
            json!({"mode": "Files", "interval": 11}),
            "spec.interval: Invalid value: 11: spec.interval in body should be less than or equal to 10",
        ),
        (
            json!({"mode": "Files", "short": "a"}),
            "spec.short: Invalid value: \"a\": spec.short in body should be at least 2 chars long",
        ),
        (json!({"mode": "Files", "short": "abcde"}), "spec.short: Too long: may not be more than 4 bytes"),
        (json!({"mode": "Files", "items": [{"value": "x"}]}), "spec.items[0].name: Required value"),
    ] {
        let reply = t.post(&path, &sample("b", spec)).await;
        reply.fails(422, "Invalid", &format!("{name}{message}"));
    }
}

/// Where status is a subresource, each side leaves the other alone.
pub async fn status_subresource(t: &Target) {
    let path = t.custom(GENEROUS, "v1", "samples");
    let mut object = sample("a", json!({"mode": "Files"}));
    object["status"] = json!({"phase": "New"});
    let made = t.post(&path, &object).await.body_of(201);
    assert_eq!(made.get("status"), None);
    let patch =
        json!({"spec": {"mode": "Secret"}, "status": {"phase": "Done"}, "metadata": {"labels": {"a": "b"}}});
    let status = t.patch(Form::Merge, &format!("{path}/a/status"), &patch).await.body_of(200);
    assert_eq!((&status["status"]["phase"], &status["spec"]["mode"]), (&json!("Done"), &json!("Files")));
    assert_eq!(status["metadata"]["generation"], 1);
    let main = t
        .patch(Form::Merge, &format!("{path}/a"), &json!({"spec": {"mode": "Secret"}, "status": null}))
        .await
        .body_of(200);
    assert_eq!((&main["status"]["phase"], &main["spec"]["mode"]), (&json!("Done"), &json!("Secret")));
    assert_eq!(main["metadata"]["generation"], 2);
    assert_eq!(t.get(&format!("{path}/a/status")).await.body_of(200)["status"]["phase"], "Done");
}

/// Custom resources without namespaces.
pub async fn cluster_scope(t: &Target) {
    let path = "/apis/generous.keymount.test/v1/wides";
    let object = json!({"apiVersion": "generous.keymount.test/v1", "kind": "Wide", "metadata": {"name": t.namespace}, "value": "x"});
    assert_eq!(t.post(path, &object).await.body_of(201)["metadata"].get("namespace"), None);
    t.get(&format!("{path}/{}", t.namespace)).await.expect(200);
    t.delete(&format!("{path}/{}", t.namespace), &json!(null)).await.expect(200);
}

/// What a definition looks like once its resource is served.
pub async fn definitions_are_established(t: &Target) {
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/samples.generous.keymount.test";
    let definition = t.get(path).await.body_of(200);
    let condition = |kind: &str| {
        let all = definition["status"]["conditions"].as_array().cloned().unwrap_or_default();
        all.into_iter()
            .find(|condition| condition["type"] == kind)
            .map(|condition| condition["status"].clone())
    };
    assert_eq!(condition("Established"), Some(json!("True")));
    assert_eq!(condition("NamesAccepted"), Some(json!("True")));
    assert_eq!(definition["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(
        definition["spec"]["names"],
        json!({"kind": "Sample", "listKind": "SampleList", "plural": "samples", "shortNames": ["smp"], "singular": "sample"})
    );
    assert_eq!(definition["spec"]["conversion"], json!({"strategy": "None"}));
}
