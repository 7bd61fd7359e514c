//! Names, labels, annotations, owners.

use serde_json::json;

use crate::Target;

/// A second object of the same name.
pub async fn names_are_unique(t: &Target) {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    t.post(&t.core("secrets"), &object).await.expect(201);
    let reply =
        t.post(&t.core("secrets"), &object).await.fails(409, "AlreadyExists", "secrets \"a\" already exists");
    assert_eq!(reply.details(), json!({"name": "a", "kind": "secrets"}));
}

/// Names that the server makes.
pub async fn names_are_generated(t: &Target) {
    let object = json!({"metadata": {"generateName": "job-"}});
    let one = t.post(&t.core("secrets"), &object).await.body_of(201);
    let two = t.post(&t.core("secrets"), &object).await.body_of(201);
    let name =
        |object: &serde_json::Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    assert!(name(&one).starts_with("job-") && name(&one).len() == 9 && name(&one) != name(&two));
    assert_eq!(one["metadata"]["generateName"], "job-");
}

/// Metadata that breaks rules, all of it in one answer.
pub async fn rules(t: &Target) {
    let path = t.core("configmaps");
    let required =
        "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required";
    let reply = t.post(&path, &json!({})).await.fails(422, "Invalid", required);
    let cause = json!({"reason": "FieldValueRequired", "message": "Required value: name or generateName is required", "field": "metadata.name"});
    assert_eq!(reply.body["details"], json!({"kind": "ConfigMap", "causes": [cause]}));
    let reply = t.post(&path, &json!({"metadata": {"name": "A_b", "labels": {"a b": "c d"}}})).await;
    let subdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    let name = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let value = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    let expected = format!(
        "ConfigMap \"A_b\" is invalid: [metadata.name: Invalid value: \"A_b\": {subdomain}, metadata.labels: Invalid value: \"a b\": {name}, metadata.labels: Invalid value: \"c d\": {value}]"
    );
    reply.fails(422, "Invalid", &expected);
    for labels in [
        json!({"x": "y".repeat(64)}),
        json!({"/x": "y"}),
        json!({"x/": "y"}),
        json!({"y".repeat(64): "z"}),
        json!({"UPPER/x": "y"}),
    ] {
        assert_eq!(
            t.post(&path, &json!({"metadata": {"name": "a", "labels": labels}})).await.code,
            422,
            "{labels}"
        );
    }
    for name in ["a".repeat(254), "-a".to_owned(), "a..b".to_owned(), "a/b".to_owned()] {
        assert_eq!(t.post(&path, &json!({"metadata": {"name": name}})).await.code, 422, "{name}");
    }
    let big = json!({"metadata": {"name": "a", "annotations": {"k": "x".repeat(256 * 1024)}}});
    let reply = t.post(&path, &big).await;
    reply.fails(
        422,
        "Invalid",
        "ConfigMap \"a\" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes",
    );
    let label = t.post("/api/v1/namespaces", &json!({"metadata": {"name": "a.b"}})).await;
    label.fails(
        422,
        "Invalid",
        "Namespace \"a.b\" is invalid: metadata.name: Invalid value: \"a.b\": must not contain dots",
    );
    let label = t.post("/api/v1/namespaces", &json!({"metadata": {"name": "a_b"}})).await;
    label.fails_with_prefix(422, "Invalid", "Namespace \"a_b\" is invalid: metadata.name: Invalid value: \"a_b\": a lowercase RFC 1123 label must consist of");
}

/// Owners are complete, and one of them controls at most.
pub async fn owners(t: &Target) {
    let with = |owners: serde_json::Value| json!({"metadata": {"name": "a", "ownerReferences": owners}});
    let path = t.core("configmaps");
    let reply = t.post(&path, &with(json!([{"apiVersion": "v1", "kind": "Pod", "name": "p"}]))).await;
    reply.fails(422, "Invalid", "ConfigMap \"a\" is invalid: metadata.ownerReferences.uid: Invalid value: \"\": uid must not be empty");
    let owner =
        |uid: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": uid, "controller": true});
    assert_eq!(t.post(&path, &with(json!([owner("1"), owner("2")]))).await.code, 422);
    t.post(&path, &with(json!([owner("1")]))).await.expect(201);
}
