use keymount_emulator::vault::{KeySpec, KeyType};
use serde_json::{Value, json};

use crate::Bench;

#[tokio::test]
async fn created_keys_show_their_public_half() {
    let bench = Bench::start().await;
    let key = bench.ok("POST", "/keys/sign/create", Some(json!({ "kty": "EC", "crv": "P-384" }))).await;
    let members: Vec<&str> = key["key"].as_object().expect("a key").keys().map(String::as_str).collect();
    assert_eq!(members, ["crv", "key_ops", "kid", "kty", "x", "y"]);
    assert_eq!((&key["key"]["crv"], &key["key"]["key_ops"]), (&json!("P-384"), &json!(["sign", "verify"])));
    let kid = key["key"]["kid"].as_str().expect("a kid");
    assert!(kid.starts_with("https://kv1.vault.azure.net/keys/sign/"), "{kid}");

    let rsa = json!({ "kty": "RSA-HSM", "key_size": 2048, "key_ops": ["sign"] });
    let key = bench.ok("POST", "/keys/wrap/create", Some(rsa)).await;
    assert_eq!((&key["key"]["kty"], &key["key"]["e"]), (&json!("RSA-HSM"), &json!("AQAB")));
    assert_eq!(bench.ok("GET", "/keys/wrap/", None).await, key);

    let rotated = bench.ok("POST", "/keys/wrap/rotate", None).await;
    assert_eq!((&rotated["key"]["kty"], &rotated["key"]["key_ops"]), (&json!("RSA-HSM"), &json!(["sign"])));
    assert_ne!(rotated["key"]["n"], key["key"]["n"]);
    let versions = bench.ok("GET", "/keys/wrap/versions", None).await;
    assert!(versions["value"].as_array().expect("a list").iter().all(|item| item["kid"].is_string()));
}

#[tokio::test]
async fn imported_keys_lose_their_private_half() {
    let bench = Bench::start().await;
    let jwk = json!({ "kty": "RSA", "n": "wZ7nMmx7Uw", "e": "AQAB", "d": "secret", "p": "secret", "key_ops": ["verify"] });
    let key = bench.ok("PUT", "/keys/imported", Some(json!({ "key": jwk }))).await;
    assert!(!key.to_string().contains("secret"));
    assert_eq!(key["key"]["key_ops"], json!(["verify"]));
    let (status, _) =
        bench.call("PUT", "/keys/x", Some(json!({ "key": { "kty": "EC", "crv": "P-256" } }))).await;
    assert_eq!(status, 400);
    for kty in ["oct-HSM", "EC"] {
        let Value::Object(jwk) = json!({ "kty": kty, "crv": "P-256K", "x": "AA", "y": "AA" }) else {
            unreachable!()
        };
        let spec = KeySpec { jwk: Some(jwk), ..KeySpec::new("odd", KeyType::default()) };
        bench.emulator.vault("kv1").put_key(&spec).await.expect("a key");
        assert_eq!(bench.ok("GET", "/keys/odd", None).await["key"]["kty"], kty);
    }
}

#[tokio::test]
async fn updates_and_rotation_policies() {
    let bench = Bench::start().await;
    bench.ok("POST", "/keys/k/create", Some(json!({ "kty": "EC" }))).await;
    let change = json!({ "key_ops": ["verify"], "attributes": { "enabled": false }, "tags": { "a": "b" } });
    let updated = bench.ok("PATCH", "/keys/k/", Some(change)).await;
    assert_eq!((&updated["key"]["key_ops"], &updated["tags"]), (&json!(["verify"]), &json!({ "a": "b" })));
    let (status, refusal) = bench.get("/keys/k").await;
    assert_eq!((status.as_u16(), crate::codes(&refusal)), (403, ("Forbidden", "KeyDisabled")));

    let policy = bench.ok("GET", "/keys/k/rotationpolicy", None).await;
    assert_eq!(policy["id"], "https://kv1.vault.azure.net/keys/k/rotationpolicy");
    let new = json!({ "lifetimeActions": [], "attributes": { "expiryTime": "P90D" } });
    bench.ok("PUT", "/keys/k/rotationpolicy", Some(new)).await;
    let policy = bench.ok("GET", "/keys/k/rotationpolicy", None).await;
    assert_eq!(
        (&policy["attributes"]["expiryTime"], &policy["lifetimeActions"]),
        (&json!("P90D"), &json!([]))
    );
}
