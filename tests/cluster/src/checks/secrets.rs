//! Secrets.

use serde_json::{Value, json};

use crate::{Form, Target};

async fn refused(t: &Target, object: &Value, message: &str) {
    let reply = t.post(&t.core("secrets"), object).await;
    reply.fails(422, "Invalid", &format!("Secret \"a\" is invalid: {message}"));
}

/// Texts become data, and the type has a default.
pub async fn string_data(t: &Target) {
    let made = t
        .post(
            &t.core("secrets"),
            &json!({"metadata": {"name": "a"}, "stringData": {"k": "v"}, "data": {"k": "eA==", "l": "eA=="}}),
        )
        .await
        .body_of(201);
    assert_eq!((&made["data"], &made["type"]), (&json!({"k": "dg==", "l": "eA=="}), &json!("Opaque")));
    assert_eq!(made.get("stringData"), None);
    let patched =
        t.patch(Form::Merge, &t.core("secrets/a"), &json!({"stringData": {"m": "v"}})).await.body_of(200);
    assert_eq!(patched["data"]["m"], "dg==");
}

/// Keys are file names.
pub async fn keys(t: &Target) {
    let key = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    let object = |key: &str| json!({"metadata": {"name": "a"}, "data": {key: ""}});
    refused(t, &object("x y"), &format!("data[x y]: Invalid value: \"x y\": {key}")).await;
    for wrong in ["a/b", "..", "..a", ".", "ä", &"k".repeat(254)] {
        assert_eq!(t.post(&t.core("secrets"), &object(wrong)).await.code, 422, "{wrong}");
    }
    t.post(&t.core("secrets"), &object(".dockerconfig_x-Y.1")).await.expect(201);
}

/// What the types demand.
pub async fn types_demand_keys(t: &Target) {
    let object = |kind: &str, data: Value| json!({"metadata": {"name": "a"}, "type": format!("kubernetes.io/{kind}"), "data": data});
    refused(t, &object("tls", json!({})), "[data[tls.crt]: Required value, data[tls.key]: Required value]")
        .await;
    refused(t, &object("tls", json!({"tls.crt": ""})), "data[tls.key]: Required value").await;
    refused(t, &object("ssh-auth", json!({})), "data[ssh-privatekey]: Required value").await;
    refused(
        t,
        &object("basic-auth", json!({})),
        "[data[username]: Required value, data[password]: Required value]",
    )
    .await;
    refused(t, &object("dockerconfigjson", json!({})), "data[.dockerconfigjson]: Required value").await;
    refused(
        t,
        &object("service-account-token", json!({})),
        "metadata.annotations[kubernetes.io/service-account.name]: Required value",
    )
    .await;
    let junk =
        t.post(&t.core("secrets"), &object("dockerconfigjson", json!({".dockerconfigjson": "eHg="}))).await;
    junk.fails_with_prefix(
        422,
        "Invalid",
        "Secret \"a\" is invalid: data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": ",
    );
    for good in [
        object("basic-auth", json!({"password": ""})),
        object("tls", json!({"tls.crt": "", "tls.key": ""})),
        object("dockerconfigjson", json!({".dockerconfigjson": "e30="})),
    ] {
        t.post(&format!("{}?dryRun=All", t.core("secrets")), &good).await.expect(201);
    }
}

/// A Secret holds 1 MiB and no more.
pub async fn size(t: &Target) {
    // 4 characters of base64 are 3 bytes: 1,048,575 bytes, and 1,048,578.
    let object = |quads: usize| json!({"metadata": {"name": "a"}, "data": {"k": "AAAA".repeat(quads)}});
    t.post(&t.core("secrets"), &object(349_525)).await.expect(201);
    let one_more = t.patch(Form::Merge, &t.core("secrets/a"), &json!({"data": {"l": "AAA="}})).await;
    one_more.fails(
        422,
        "Invalid",
        "Secret \"a\" is invalid: data: Too long: may not be more than 1048576 bytes",
    );
    t.delete(&t.core("secrets/a"), &json!(null)).await.expect(200);
    refused(t, &object(349_526), "data: Too long: may not be more than 1048576 bytes").await;
}

/// The type never changes.
pub async fn type_is_immutable(t: &Target) {
    t.post(&t.core("secrets"), &json!({"metadata": {"name": "a"}})).await.expect(201);
    let reply = t.put(&t.core("secrets/a"), &json!({"metadata": {"name": "a"}, "type": "x"})).await;
    reply.fails(422, "Invalid", "Secret \"a\" is invalid: type: Invalid value: \"x\": field is immutable");
}

/// `immutable: true` holds for data and for itself, not for metadata.
pub async fn immutable(t: &Target) {
    let path = t.core("secrets/a");
    let object = json!({"metadata": {"name": "a"}, "immutable": true, "data": {"k": "dg=="}});
    t.post(&t.core("secrets"), &object).await.expect(201);
    let frozen = |field: &str| {
        format!("Secret \"a\" is invalid: {field}: Forbidden: field is immutable when `immutable` is set")
    };
    let data = t.patch(Form::Merge, &path, &json!({"data": {"k": "eA=="}})).await;
    data.fails(422, "Invalid", &frozen("data"));
    let flag = t.patch(Form::Merge, &path, &json!({"immutable": null})).await;
    flag.fails(422, "Invalid", &frozen("immutable"));
    t.patch(Form::Merge, &path, &json!({"metadata": {"labels": {"a": "b"}}})).await.expect(200);
}
