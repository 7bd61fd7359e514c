use http::StatusCode;
use serde_json::json;

use crate::{Bench, codes};

#[tokio::test]
async fn life_of_a_secret() {
    let bench = Bench::simulated().await;
    let body = json!({ "value": "v1", "contentType": "text/plain", "tags": { "team": "a" },
        "attributes": { "exp": 1_900_000_000, "nbf": 1_700_000_000 } });
    let first = bench.ok("PUT", "/secrets/db-password", Some(body)).await;
    let id = first["id"].as_str().expect("an id");
    let version = id.strip_prefix("https://kv1.vault.azure.net/secrets/db-password/").expect("the place");
    assert_eq!(version.len(), 32);
    let now = 1_795_521_600;
    assert_eq!(
        first["attributes"],
        json!({ "enabled": true, "nbf": 1_700_000_000, "exp": 1_900_000_000,
        "created": now, "updated": now, "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90 })
    );
    assert_eq!((&first["value"], &first["tags"]), (&json!("v1"), &json!({ "team": "a" })));
    assert!(first.get("kid").is_none() && first.get("managed").is_none());

    bench.ok("PUT", "/secrets/db-password", Some(json!({ "value": "v2" }))).await;
    for path in ["/secrets/db-password", "/secrets/db-password/", "/secrets/DB-Password/"] {
        assert_eq!(bench.ok("GET", path, None).await["value"], "v2", "{path}");
    }
    let old = format!("/secrets/db-password/{version}");
    assert_eq!(bench.ok("GET", &old, None).await["value"], "v1");

    let update = json!({ "attributes": { "enabled": false }, "contentType": "x", "tags": {} });
    let updated = bench.ok("PATCH", &old, Some(update)).await;
    assert!(updated.get("value").is_none() && updated.get("tags").is_none());
    assert_eq!((&updated["contentType"], &updated["attributes"]["enabled"]), (&json!("x"), &json!(false)));
    let (status, refusal) = bench.get(&old).await;
    assert_eq!((status, codes(&refusal)), (StatusCode::FORBIDDEN, ("Forbidden", "SecretDisabled")));
    assert_eq!(refusal["error"]["message"], "Operation get is not allowed on a disabled secret.");
}

#[tokio::test]
async fn deleted_secrets_can_be_recovered_or_purged() {
    let bench = Bench::start().await;
    bench.ok("PUT", "/secrets/s1", Some(json!({ "value": "v" }))).await;
    let deleted = bench.ok("DELETE", "/secrets/s1", None).await;
    assert_eq!(deleted["recoveryId"], "https://kv1.vault.azure.net/deletedsecrets/s1");
    assert!(deleted.get("value").is_none());
    let days = deleted["scheduledPurgeDate"].as_i64().zip(deleted["deletedDate"].as_i64());
    assert_eq!(days.map(|(purge, delete)| purge - delete), Some(90 * 86400));

    let (status, body) = bench.get("/secrets/s1").await;
    assert_eq!((status, codes(&body).0), (StatusCode::NOT_FOUND, "SecretNotFound"));
    let text = body["error"]["message"].as_str().expect("a message");
    assert!(text.starts_with("A secret with (name/id) s1 was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command."), "{text}");
    let (status, body) = bench.call("PUT", "/secrets/s1", Some(json!({ "value": "w" }))).await;
    assert_eq!((status, codes(&body)), (StatusCode::CONFLICT, ("Conflict", "ObjectIsDeletedButRecoverable")));
    assert_eq!(bench.ok("GET", "/deletedsecrets", None).await["value"].as_array().map(Vec::len), Some(1));

    let recovered = bench.ok("POST", "/deletedsecrets/s1/recover", None).await;
    assert!(recovered.get("value").is_none() && recovered["id"].is_string());
    assert_eq!(bench.ok("GET", "/secrets/s1", None).await["value"], "v");
    bench.ok("DELETE", "/secrets/s1", None).await;
    let (status, _) = bench.call("DELETE", "/deletedsecrets/s1", None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(bench.get("/deletedsecrets/s1").await.0, StatusCode::NOT_FOUND);
    bench.ok("PUT", "/secrets/s1", Some(json!({ "value": "new" }))).await;
}

#[tokio::test]
async fn bad_parameters() {
    let bench = Bench::start().await;
    let long = "x".repeat(25 * 1024 + 1);
    for (method, path, body) in [
        ("GET", "/secrets/under_score", None),
        ("GET", "/secrets/a%2Fb", None),
        ("GET", "/secrets/a/latest", None),
        ("GET", "/secrets?maxresults=26", None),
        ("GET", "/secrets?maxresults=0", None),
        ("GET", "/secrets?$skiptoken=zz", None),
        ("PUT", "/secrets/a", None),
        ("PUT", "/secrets/a", Some(json!({ "contentType": "x" }))),
        ("PUT", "/secrets/a", Some(json!({ "value": long }))),
        ("POST", "/keys/a/create", Some(json!({ "kty": "RSA", "key_size": 1024 }))),
        ("POST", "/keys/a/create", Some(json!({ "kty": "oct" }))),
        ("POST", "/certificates/a/import", Some(json!({ "value": "junk" }))),
    ] {
        let (status, answer) = bench.call(method, path, body).await;
        assert_eq!((status, codes(&answer).0), (StatusCode::BAD_REQUEST, "BadParameter"), "{method} {path}");
        assert!(!answer.to_string().contains("xxxx"), "quotes the value");
    }
    for (query, status) in [
        ("", StatusCode::BAD_REQUEST),
        ("?api-version=9.9", StatusCode::BAD_REQUEST),
        ("?api-version=7.0", StatusCode::BAD_REQUEST),
        ("?api-version=7.2", StatusCode::OK),
        ("?api-version=7.6-preview.2", StatusCode::OK),
        ("?api-version=2025-07-01", StatusCode::OK),
    ] {
        let url = format!("{}/secrets{query}", crate::VAULT);
        assert_eq!(bench.send("GET", &url, None).await.0, status, "{query}");
    }
    for (method, path, status) in [
        ("PUT", "/secrets", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/elsewhere", StatusCode::NOT_FOUND),
        ("POST", "/secrets/a/backup", StatusCode::NOT_IMPLEMENTED),
        ("POST", "/keys/a/v/sign", StatusCode::NOT_IMPLEMENTED),
    ] {
        assert_eq!(bench.call(method, path, None).await.0, status, "{method} {path}");
    }
}
