use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use keymount_emulator::pki::{Bundle, Format};
use keymount_emulator::vault::{CertificateSpec, KeyType};
use serde_json::{Value, json};

use crate::{Bench, codes};

fn policy(key: &Value, content_type: &str) -> Value {
    json!({ "policy": {
        "key_props": key,
        "secret_props": { "contentType": content_type },
        "x509_props": { "subject": "CN=site.test", "sans": { "dns_names": ["site.test"] }, "validity_months": 6 },
        "issuer": { "name": "Self" },
    }})
}

#[tokio::test]
async fn a_created_certificate_is_also_a_key_and_a_secret() {
    let bench = Bench::simulated().await;
    for (key, content_type) in [
        (json!({ "kty": "RSA", "key_size": 2048 }), "application/x-pkcs12"),
        (json!({ "kty": "EC", "crv": "P-521" }), "application/x-pem-file"),
    ] {
        let name = if content_type.ends_with("pkcs12") { "site-pfx" } else { "site-pem" };
        let create = policy(&key, content_type);
        let (status, operation) =
            bench.call("POST", &format!("/certificates/{name}/create"), Some(create)).await;
        assert_eq!((status, &operation["status"]), (StatusCode::ACCEPTED, &json!("inProgress")));
        let pending = bench.ok("GET", &format!("/certificates/{name}/pending"), None).await;
        assert_eq!(pending["status"], "completed");
        assert_eq!(pending["target"], format!("https://kv1.vault.azure.net/certificates/{name}"));

        let certificate = bench.ok("GET", &format!("/certificates/{name}/"), None).await;
        let version = certificate["id"].as_str().and_then(|id| id.rsplit('/').next()).expect("a version");
        let time = |name: &str| certificate["attributes"][name].as_i64().expect("a time");
        assert_eq!(time("exp") - time("nbf"), 181 * 86400, "six months");
        assert!(time("nbf") >= 1_795_521_600 && time("nbf") <= time("created"));
        assert_eq!(certificate["policy"]["x509_props"]["validity_months"], 6);
        assert_eq!(certificate["policy"]["key_props"]["kty"], key["kty"]);
        let id = |kind: &str| format!("https://kv1.vault.azure.net/{kind}/{name}/{version}");
        assert_eq!((&certificate["kid"], &certificate["sid"]), (&json!(id("keys")), &json!(id("secrets"))));

        let secret = bench.ok("GET", &format!("/secrets/{name}/{version}"), None).await;
        assert_eq!((&secret["managed"], &secret["kid"]), (&json!(true), &json!(id("keys"))));
        assert_eq!(secret["contentType"], content_type);
        let (bundle, format) =
            Bundle::read(secret["value"].as_str().expect("a value"), "").expect("a bundle");
        assert_eq!(format, Format::from_content_type(content_type).expect("a format"));
        let cer = STANDARD.decode(certificate["cer"].as_str().expect("cer")).expect("base64");
        assert_eq!(der::Encode::to_der(&bundle.certificates[0]).expect("DER"), cer);

        let key = bench.ok("GET", &format!("/keys/{name}/{version}"), None).await;
        assert_eq!(
            (&key["managed"], &key["key"]["kty"]),
            (&json!(true), &certificate["policy"]["key_props"]["kty"])
        );
    }
    let list = bench.ok("GET", "/certificates", None).await;
    let item = &list["value"][0];
    assert!(item["x5t"].is_string() && item["id"] == "https://kv1.vault.azure.net/certificates/site-pem");
}

#[tokio::test]
async fn key_and_secret_follow_their_certificate() {
    let bench = Bench::start().await;
    let spec = CertificateSpec { key: ec(), ..CertificateSpec::new("site") };
    bench.emulator.vault("kv1").put_certificate(&spec).await.expect("a certificate");
    for path in ["/secrets/site", "/keys/site"] {
        let (status, refusal) = bench.call("DELETE", path, None).await;
        assert_eq!((status, codes(&refusal).0), (StatusCode::FORBIDDEN, "Forbidden"), "{path}");
    }
    let change = json!({ "attributes": { "enabled": false } });
    bench.ok("PATCH", "/certificates/site", Some(change)).await;
    for (path, inner) in [
        ("/certificates/site", "CertificateDisabled"),
        ("/secrets/site", "SecretDisabled"),
        ("/keys/site", "KeyDisabled"),
    ] {
        assert_eq!(codes(&bench.get(path).await.1).1, inner);
    }
    bench.ok("DELETE", "/certificates/site", None).await;
    assert_eq!(bench.get("/secrets/site").await.0, 404);
    bench.ok("POST", "/deletedcertificates/site/recover", None).await;
    assert_eq!(bench.get("/secrets/site").await.0, 403, "recovered, disabled as before");

    bench.ok("PUT", "/secrets/plain", Some(json!({ "value": "x" }))).await;
    let import = CertificateSpec { key: ec(), ..CertificateSpec::new("plain") };
    let refused = bench.emulator.vault("kv1").put_certificate(&import).await.expect_err("a conflict");
    assert_eq!((refused.status(), refused.code()), (StatusCode::CONFLICT, "Conflict"));
}

fn ec() -> KeyType {
    KeyType { kty: "EC".to_owned(), ..KeyType::default() }
}

#[tokio::test]
async fn imports() {
    let bench = Bench::start().await;
    let vault = bench.emulator.vault("kv1");
    for (name, pem) in [("one", false), ("two", true)] {
        let spec = CertificateSpec { key: ec(), pem, chain: true, ..CertificateSpec::new(name) };
        vault.put_certificate(&spec).await.expect("a certificate");
        let value = bench.ok("GET", &format!("/secrets/{name}"), None).await["value"].clone();
        let body = json!({ "value": value, "pwd": "" });
        let imported = bench.ok("POST", &format!("/certificates/{name}-again/import"), Some(body)).await;
        assert_eq!(imported["cer"], bench.ok("GET", &format!("/certificates/{name}"), None).await["cer"]);
        let again = bench.ok("GET", &format!("/secrets/{name}-again"), None).await;
        let (bundle, _) = Bundle::read(again["value"].as_str().expect("a value"), "").expect("a bundle");
        assert_eq!(bundle.certificates.len(), 3);
    }
    let pem = bench.ok("GET", "/secrets/two", None).await["value"].clone();
    let wrong =
        json!({ "value": pem, "policy": { "secret_props": { "contentType": "application/x-pkcs12" } } });
    assert_eq!(bench.call("POST", "/certificates/x/import", Some(wrong)).await.0, 400);
}

#[tokio::test]
async fn policies_change_the_next_version() {
    let bench = Bench::start().await;
    let create = policy(&json!({ "kty": "EC", "crv": "P-256", "reuse_key": true }), "application/x-pem-file");
    bench.call("POST", "/certificates/c/create", Some(create)).await;
    let first = bench.ok("GET", "/keys/c", None).await;
    bench.call("POST", "/certificates/c/create", Some(json!({}))).await;
    let second = bench.ok("GET", "/keys/c", None).await;
    assert_eq!(first["key"]["x"], second["key"]["x"], "the key is reused");
    assert_ne!(first["key"]["kid"], second["key"]["kid"]);

    let change =
        json!({ "x509_props": { "subject": "CN=new.test" }, "key_props": { "kty": "EC", "crv": "P-384" } });
    let updated = bench.ok("PATCH", "/certificates/c/policy", Some(change)).await;
    assert_eq!(updated["id"], "https://kv1.vault.azure.net/certificates/c/policy");
    bench.call("POST", "/certificates/c/create", Some(json!({}))).await;
    assert_eq!(bench.ok("GET", "/keys/c", None).await["key"]["crv"], "P-384");
    let versions = bench.ok("GET", "/certificates/c/versions", None).await;
    assert_eq!(versions["value"].as_array().map(Vec::len), Some(3));

    let elsewhere =
        json!({ "policy": { "x509_props": { "subject": "CN=a" }, "issuer": { "name": "Unknown" } } });
    assert_eq!(bench.call("POST", "/certificates/d/create", Some(elsewhere)).await.0, 501);
    assert_eq!(bench.call("POST", "/certificates/d/create", Some(json!({}))).await.0, 400);
}
