use http::StatusCode;
use keymount_emulator::entra::{Identity, IdentityKind, PodBinding};
use serde_json::Value;

use crate::Bench;

const QUERY: &str = "api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";

async fn get(bench: &Bench, url: String, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let mut request = bench.client.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("an answer");
    (response.status(), response.text().await.expect("a body"))
}

async fn imds(bench: &Bench, query: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let url = format!("{}/metadata/identity/oauth2/token?{query}", bench.emulator.started().imds);
    let (status, text) = get(bench, url, headers).await;
    (status, serde_json::from_str(&text).expect("JSON"))
}

const METADATA: &[(&str, &str)] = &[("Metadata", "true")];

#[tokio::test]
async fn numbers_are_strings_and_the_vault_takes_the_token() {
    let mut bench = Bench::simulated().await;
    bench.emulator.directory().add(Identity::new(IdentityKind::SystemAssigned, "machine"));
    let (status, body) = imds(&bench, QUERY, METADATA).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&body["expires_in"], &body["expires_on"]), (&"86399".into(), &"1795607999".into()));
    assert_eq!((&body["not_before"], &body["client_id"]), (&"1795521600".into(), &"machine".into()));
    body["access_token"].as_str().expect("a token").clone_into(&mut bench.token);
    assert_eq!(bench.get("/secrets").await.0, StatusCode::OK);
}

#[tokio::test]
async fn refusals() {
    let bench = Bench::start().await;
    for id in ["u1", "u2"] {
        bench.emulator.directory().add(Identity::new(IdentityKind::UserAssigned, id));
    }
    for (query, headers, text) in [
        (QUERY.to_owned(), &[][..], "Required metadata header not specified"),
        (QUERY.to_owned(), &[("Metadata", "true"), ("X-Forwarded-For", "10.0.0.1")], "X-Forwarded-For"),
        ("resource=x".to_owned(), METADATA, "api-version"),
        ("api-version=2018-02-01".to_owned(), METADATA, "resource"),
        (QUERY.to_owned(), METADATA, "Multiple user assigned identities exist"),
        (format!("{QUERY}&client_id=u9"), METADATA, "Identity not found"),
        (format!("{QUERY}&client_id=u1&object_id=u1"), METADATA, "Only one of"),
    ] {
        let (status, body) = imds(&bench, &query, headers).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_request".into()), "{query}");
        assert!(body["error_description"].as_str().expect("text").contains(text), "{body}");
    }
    let (status, body) = imds(&bench, &format!("{QUERY}&client_id=u2"), METADATA).await;
    assert_eq!((status, &body["client_id"]), (StatusCode::OK, &"u2".into()));
}

#[tokio::test]
async fn pods_have_the_identity_they_are_bound_to() {
    let bench = Bench::start().await;
    bench.emulator.directory().add(Identity::new(IdentityKind::UserAssigned, "u1"));
    bench.emulator.directory().bind_pods(PodBinding {
        namespace: "shop".to_owned(),
        pod: Some("web-0".to_owned()),
        client_id: "u1".to_owned(),
    });
    let url = format!("{}/host/token/?resource=https://vault.azure.net", bench.emulator.started().nmi);
    let (status, text) = get(&bench, url.clone(), &[("podname", "web-0"), ("podns", "shop")]).await;
    let body: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, &body["clientid"]), (StatusCode::OK, &"u1".into()));
    assert_eq!(body["token"]["expires_in"], "3599");
    let (status, text) = get(&bench, url.clone(), &[("podname", "web-1"), ("podns", "shop")]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(serde_json::from_str::<Value>(&text).is_err(), "plain text");
    assert_eq!(get(&bench, url, &[]).await.0, StatusCode::BAD_REQUEST);
}
