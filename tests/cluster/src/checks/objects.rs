//! Creating, reading and replacing objects of compiled-in types.

use http::Method;
use serde_json::json;

use crate::Target;

/// A new object gets what only the server sets.
pub async fn create_sets_system_fields(t: &Target) {
    let object = t.post(&t.core("configmaps"), &json!({"metadata": {"name": "a", "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z"}, "data": {"k": "v"}})).await.body_of(201);
    let meta = &object["metadata"];
    assert_eq!((&object["kind"], &object["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    assert_eq!(meta["namespace"], t.namespace);
    assert_eq!(meta["uid"].as_str().map(str::len), Some(36));
    assert_ne!(meta["creationTimestamp"], "2001-01-01T00:00:00Z");
    assert!(meta["resourceVersion"].as_str().is_some_and(|revision| revision.parse::<u64>().is_ok()));
    assert_eq!(t.get(&t.core("configmaps/a")).await.body_of(200), object);
}

/// Objects that are not there, in words.
pub async fn missing_objects(t: &Target) {
    let reply = t.get(&t.core("secrets/x")).await.fails(404, "NotFound", "secrets \"x\" not found");
    assert_eq!(reply.details(), json!({"name": "x", "kind": "secrets"}));
    assert_eq!(reply.headers["content-type"], "application/json");
    let reply = t.get(&format!("{}/x", t.classes())).await;
    let reply =
        reply.fails(404, "NotFound", "secretproviderclasses.secrets-store.csi.x-k8s.io \"x\" not found");
    assert_eq!(
        reply.details(),
        json!({"name": "x", "group": "secrets-store.csi.x-k8s.io", "kind": "secretproviderclasses"})
    );
    t.put(&t.core("secrets/x"), &json!({"metadata": {"name": "x"}})).await.fails(
        404,
        "NotFound",
        "secrets \"x\" not found",
    );
    t.delete(&t.core("secrets/x"), &json!(null)).await.fails(404, "NotFound", "secrets \"x\" not found");
    let made = t.post("/api/v1/namespaces/none/secrets", &json!({"metadata": {"name": "a"}})).await;
    let reply = made.fails(404, "NotFound", "namespaces \"none\" not found");
    assert_eq!(reply.details(), json!({"name": "none", "kind": "namespaces"}));
    // Reading from a namespace that is not there is no error.
    assert_eq!(t.get("/api/v1/namespaces/none/secrets").await.body_of(200)["items"], json!([]));
}

/// Paths that are not there.
pub async fn missing_resources(t: &Target) {
    let message = "the server could not find the requested resource";
    for path in ["/api/v1/bars", &t.core("bars/x")] {
        let reply = t.get(path).await.fails(404, "NotFound", message);
        assert_eq!(reply.body["details"], json!({}));
    }
    for path in [
        "/foo",
        "/apis/none.test/v1/bars",
        "/apis/secrets-store.csi.x-k8s.io/v1/bars",
        "/apis/secrets-store.csi.x-k8s.io/v9/secretproviderclasses",
    ] {
        let reply = t.get(path).await;
        assert_eq!((reply.code, reply.text.trim()), (404, "404 page not found"), "{path}");
    }
}

/// Methods that a path does not have.
pub async fn methods(t: &Target) {
    let message = "the server does not allow this method on the requested resource";
    t.put(&t.core("secrets"), &json!({})).await.fails(405, "MethodNotAllowed", message);
    t.post(&t.core("secrets/a"), &json!({})).await.fails(405, "MethodNotAllowed", message);
}

/// Bodies that are no objects of the type, and what is said about them.
pub async fn wrong_bodies(t: &Target) {
    let path = t.core("secrets");
    let reply = t.send(Method::POST, &path, "application/json", b"x".to_vec()).await;
    reply.fails_with_prefix(
        400,
        "BadRequest",
        "the object provided is unrecognized (must be of type Secret): couldn't get version/kind",
    );
    let wrong =
        t.post(&path, &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})).await;
    wrong.fails_with_prefix(400, "BadRequest", "ConfigMap in version \"v1\" cannot be handled as a Secret");
    let wrong =
        t.post(&path, &json!({"apiVersion": "v2", "kind": "Secret", "metadata": {"name": "a"}})).await;
    wrong.fails_with_prefix(400, "BadRequest", "Secret in version \"v2\" cannot be handled as a Secret");
    for data in [json!(1), json!("***")] {
        let wrong = t.post(&path, &json!({"metadata": {"name": "a"}, "data": {"k": data}})).await;
        wrong.fails_with_prefix(
            400,
            "BadRequest",
            "Secret in version \"v1\" cannot be handled as a Secret: ",
        );
    }
    let reply = t.send(Method::POST, &path, "text/plain", b"{}".to_vec()).await;
    let prefix = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml";
    reply.fails_with_prefix(415, "UnsupportedMediaType", prefix);
}

/// YAML is a body like JSON.
pub async fn yaml_bodies(t: &Target) {
    let yaml = b"metadata:\n  name: a\nstringData:\n  k: v\n".to_vec();
    let made = t.send(Method::POST, &t.core("secrets"), "application/yaml", yaml).await.body_of(201);
    assert_eq!(made["data"], json!({"k": "dg=="}));
}

/// Protobuf bodies, as clients written in Go send them for compiled-in types.
pub async fn protobuf_bodies(t: &Target) {
    let field = |number: u8, content: &[u8]| {
        [&[number << 3 | 2, u8::try_from(content.len()).expect("short")], content].concat()
    };
    let media_type = "application/vnd.kubernetes.protobuf";
    let body = |kind: &str, raw: &[u8]| {
        let types = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [b"k8s\0".to_vec(), field(1, &types), field(2, raw), field(3, b""), field(4, b"")].concat()
    };
    let label = [field(1, b"a"), field(2, b"b")].concat();
    let data = [field(1, b"k"), field(2, b"v")].concat();
    // Go writes empty texts and zeros out.
    let meta =
        [field(1, b"proto"), field(2, b""), field(3, b""), vec![7 << 3, 0], field(8, b""), field(11, &label)]
            .concat();
    let secret = [field(1, &meta), field(2, &data), field(3, b"")].concat();
    let made =
        t.send(Method::POST, &t.core("secrets"), media_type, body("Secret", &secret)).await.body_of(201);
    assert_eq!(
        (&made["data"], &made["type"], &made["metadata"]["labels"]),
        (&json!({"k": "dg=="}), &json!("Opaque"), &json!({"a": "b"}))
    );
    let options = [field(2, &field(1, b"other")), vec![1 << 3, 0]].concat();
    let refused =
        t.send(Method::DELETE, &t.core("secrets/proto"), media_type, body("DeleteOptions", &options)).await;
    assert_eq!(refused.code, 409, "{}", refused.text);
}

/// The body and the path must name the same object.
pub async fn body_and_path_agree(t: &Target) {
    let path = t.core("configmaps");
    t.post(&path, &json!({"metadata": {"name": "a"}})).await.expect(201);
    let other = t.post(&path, &json!({"metadata": {"name": "b", "namespace": "other"}})).await;
    other.fails(
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    );
    let other = t.put(&format!("{path}/a"), &json!({"metadata": {"name": "b"}})).await;
    other.fails(400, "BadRequest", "the name of the object (b) does not match the name on the URL (a)");
    let none = t.put(&format!("{path}/a"), &json!({"metadata": {}})).await;
    none.fails(
        400,
        "BadRequest",
        "the name of the object (a based on URL) was undeterminable: name must be provided",
    );
    let revision = t.post(&path, &json!({"metadata": {"name": "b", "resourceVersion": "5"}})).await;
    assert_eq!(
        (revision.code, &revision.body["message"]),
        (500, &json!("resourceVersion should not be set on objects to be created"))
    );
}

/// Writes from a revision that is no longer the newest are refused.
pub async fn optimistic_locking(t: &Target) {
    let path = t.core("configmaps");
    let first = t.post(&path, &json!({"metadata": {"name": "a"}})).await.body_of(201);
    let mut new = first.clone();
    new["data"] = json!({"k": "1"});
    let second = t.put(&format!("{path}/a"), &new).await.body_of(200);
    assert_ne!(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
    new["data"] = json!({"k": "2"});
    let message = "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again";
    let reply = t.put(&format!("{path}/a"), &new).await.fails(409, "Conflict", message);
    assert_eq!(reply.details(), json!({"name": "a", "kind": "configmaps"}));
    // Without a revision compiled-in types take the last writer.
    let blind = json!({"metadata": {"name": "a"}, "data": {"k": "3"}});
    assert_eq!(t.put(&format!("{path}/a"), &blind).await.body_of(200)["data"]["k"], "3");
    let foreign = json!({"metadata": {"name": "a", "uid": "x"}});
    let reply = t.put(&format!("{path}/a"), &foreign).await;
    assert_eq!((reply.code, &reply.body["reason"]), (409, &json!("Conflict")));
    assert!(
        reply.text.contains("Precondition failed: UID in precondition: x, UID in object meta: "),
        "{}",
        reply.text
    );
}

/// An update that changes nothing writes nothing.
pub async fn equal_updates_are_no_writes(t: &Target) {
    let path = t.core("configmaps/a");
    let made = t
        .post(&t.core("configmaps"), &json!({"metadata": {"name": "a"}, "data": {"k": "v"}}))
        .await
        .body_of(201);
    assert_eq!(t.put(&path, &made).await.body_of(200), made);
    let mut blind = made.clone();
    if let Some(meta) = blind["metadata"].as_object_mut() {
        meta.remove("resourceVersion");
    }
    assert_eq!(
        t.put(&path, &blind).await.body_of(200)["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
}

/// A dry run answers as if, and stores nothing.
pub async fn dry_runs(t: &Target) {
    let path = t.core("configmaps");
    let made = t.post(&format!("{path}?dryRun=All"), &json!({"metadata": {"name": "a"}})).await.body_of(201);
    assert_eq!(made["metadata"].get("resourceVersion"), None);
    assert_eq!(t.get(&format!("{path}/a")).await.code, 404);
    t.post(&path, &json!({"metadata": {"name": "a"}})).await.expect(201);
    let put =
        t.put(&format!("{path}/a?dryRun=All"), &json!({"metadata": {"name": "a"}, "data": {"k": "v"}})).await;
    assert_eq!(put.body_of(200)["data"]["k"], "v");
    t.delete(&format!("{path}/a?dryRun=All"), &json!(null)).await.expect(200);
    assert_eq!(t.get(&format!("{path}/a")).await.body_of(200).get("data"), None);
}

/// Fields that the type does not know are dropped, with a warning, or refused.
pub async fn unknown_fields(t: &Target) {
    let object = |name: &str| json!({"metadata": {"name": name}, "odd": 1, "data": {"k": "v"}});
    let path = t.core("configmaps");
    let made = t.post(&path, &object("a")).await;
    assert_eq!(made.warnings(), ["299 - \"unknown field \\\"odd\\\"\""]);
    assert_eq!(made.body_of(201).get("odd"), None);
    assert_eq!(t.post(&format!("{path}?fieldValidation=Ignore"), &object("b")).await.warnings(), [""; 0]);
    let strict = t.post(&format!("{path}?fieldValidation=Strict"), &object("c")).await;
    strict.fails(400, "BadRequest", "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"odd\"");
}

/// Bodies have a limit.
pub async fn large_bodies(t: &Target) {
    let object = json!({"metadata": {"name": "a"}, "data": {"k": "x".repeat(4 * 1024 * 1024)}});
    let reply = t.post(&t.core("configmaps"), &object).await;
    reply.fails(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728");
}

/// Drivers: defaults, and what cannot change.
pub async fn csi_drivers(t: &Target) {
    let name = format!("{}.example", t.namespace);
    let path = "/apis/storage.k8s.io/v1/csidrivers";
    let driver = json!({"metadata": {"name": name}, "spec": {"podInfoOnMount": true, "attachRequired": false,
        "volumeLifecycleModes": ["Ephemeral"], "requiresRepublish": true, "tokenRequests": [{"audience": "a"}]}});
    let made = t.post(path, &driver).await.body_of(201);
    let spec = json!({"attachRequired": false, "fsGroupPolicy": "ReadWriteOnceWithFSType", "podInfoOnMount": true,
        "requiresRepublish": true, "seLinuxMount": false, "storageCapacity": false,
        "tokenRequests": [{"audience": "a"}], "volumeLifecycleModes": ["Ephemeral"]});
    assert_eq!(made["spec"], spec);
    let one = format!("{path}/{name}");
    let changed =
        t.patch(crate::Form::Merge, &one, &json!({"spec": {"requiresRepublish": false}})).await.body_of(200);
    assert_eq!(
        (&changed["spec"]["requiresRepublish"], &changed["metadata"]["generation"]),
        (&json!(false), &json!(1))
    );
    let fixed = t.patch(crate::Form::Merge, &one, &json!({"spec": {"attachRequired": true}})).await;
    let message = format!(
        "CSIDriver.storage.k8s.io \"{name}\" is invalid: spec.attachedRequired: Invalid value: true: field is immutable"
    );
    fixed.fails(422, "Invalid", &message);
    assert_eq!(t.delete(&one, &json!(null)).await.body_of(200)["kind"], "CSIDriver");
}

/// Events belong to the namespace of what they are about.
pub async fn events(t: &Target) {
    let event = |namespace: &str| {
        json!({"metadata": {"generateName": "e-"}, "reason": "R", "message": "m", "type": "Warning",
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": namespace}})
    };
    let made = t.post(&t.core("events"), &event(&t.namespace)).await.body_of(201);
    assert_eq!((&made["reason"], &made["involvedObject"]["name"]), (&json!("R"), &json!("p")));
    let reply = t.post(&t.core("events"), &event("other")).await;
    assert_eq!(reply.code, 422);
    assert!(
        reply.text.contains(
            "involvedObject.namespace: Invalid value: \\\"other\\\": does not match event.namespace"
        ),
        "{}",
        reply.text
    );
}
