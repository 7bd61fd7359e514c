use http::StatusCode;
use serde_json::{Value, json};

use crate::{APP, Bench};

async fn admin(bench: &Bench, method: &str, path: &str, body: Option<&str>) -> (StatusCode, String) {
    let url = format!("{}{path}", bench.emulator.started().admin);
    let mut request = bench.client.request(method.parse().expect("a method"), url);
    if let Some(body) = body {
        request = request.body(body.to_owned());
    }
    let response = request.send().await.expect("an answer");
    (response.status(), response.text().await.expect("a body"))
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test]
async fn what_the_handles_do_the_admin_api_does() {
    let bench = Bench::start().await;
    let seed = "vaults: [{ name: kv1, secrets: [{ name: a, value: x }] }]";
    assert_eq!(admin(&bench, "POST", "/seed", Some(seed)).await.0, 200);
    assert_eq!(bench.ok("GET", "/secrets/a", None).await["value"], "x");

    let rule = json!({ "match": { "path": "/secrets/a" }, "action": { "type": "respond", "status": 503 } });
    let (status, added) = admin(&bench, "POST", "/faults", Some(&rule.to_string())).await;
    assert_eq!(status, 201);
    assert_eq!(bench.get("/secrets/a").await.0, 503);
    let (_, list) = admin(&bench, "GET", "/faults", None).await;
    assert_eq!(
        (&value(&list)[0]["applied"], &value(&list)[0]["match"]["path"]),
        (&1.into(), &"/secrets/a".into())
    );
    let id = &value(&added)["id"];
    assert_eq!(admin(&bench, "DELETE", &format!("/faults/{id}"), None).await.0, 200);
    assert_eq!(admin(&bench, "DELETE", &format!("/faults/{id}"), None).await.0, 404);
    assert_eq!(bench.get("/secrets/a").await.0, 200);

    let (_, traffic) = admin(&bench, "GET", "/traffic", None).await;
    let total = |status: u16| {
        let found = value(&traffic)["requests"].as_array().expect("a list").iter().find_map(|one| {
            (one["path"] == "/secrets/a" && one["status"] == status).then(|| one["count"].clone())
        });
        found.unwrap_or_default()
    };
    assert_eq!((total(200), total(503)), (2.into(), 1.into()));
    assert_eq!(value(&traffic)["connections"]["vault"]["handshakes"], 1);
    let (_, journal) = admin(&bench, "GET", "/traffic/journal?service=vault&method=get", None).await;
    assert_eq!(value(&journal).as_array().map(Vec::len), Some(3));
    admin(&bench, "DELETE", "/traffic", None).await;
    assert_eq!(admin(&bench, "GET", "/traffic/journal", None).await.1, "[]");

    let access = json!({ "firewalled": true }).to_string();
    assert_eq!(admin(&bench, "PUT", "/vaults/kv1/access", Some(&access)).await.0, 200);
    assert_eq!(bench.get("/secrets/a").await.0, 403);
    let (_, token) = admin(&bench, "POST", "/tokens", Some(&json!({ "clientId": APP }).to_string())).await;
    assert!(value(&token)["accessToken"].is_string());
    assert_eq!(admin(&bench, "DELETE", &format!("/identities/{APP}"), None).await.0, 200);
    assert_eq!(admin(&bench, "POST", "/tokens", Some(&json!({ "clientId": APP }).to_string())).await.0, 404);
    assert!(admin(&bench, "GET", "/ca", None).await.1.starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(value(&admin(&bench, "GET", "/", None).await.1)["vault"], bench.emulator.started().vault);
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_not_quoted() {
    let bench = Bench::start().await;
    for (method, path, body) in [
        ("POST", "/seed", "vaults: hunter2"),
        ("POST", "/seed", "vaults: [{ name: kv1, secrets: [{ name: a, value: { hunter2: 1 } }] }]"),
        ("POST", "/faults", r#"{"action":{"type":"hunter2"}}"#),
        ("PUT", "/vaults/kv1/access", r#"{"grants":"hunter2"}"#),
    ] {
        let (status, text) = admin(&bench, method, path, Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn web_pages_are_refused() {
    let bench = Bench::start().await;
    let request = bench.client.delete(format!("{}/faults", bench.emulator.started().admin));
    let response = request.header("origin", "https://example.com").send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}
