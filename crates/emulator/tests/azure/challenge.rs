use http::StatusCode;
use jiff::SignedDuration;
use keymount_clock::WallClock;
use keymount_emulator::entra::{Identity, IdentityKind};
use keymount_emulator::vault::{Access, Grant, Model};
use keymount_emulator::{DEFAULT_TENANT, Options};

use crate::{APP, Bench, RESOURCE, VAULT, codes};

/// Status, challenge and error message of a request with this token.
async fn refusal(bench: &Bench, url: &str, token: Option<&str>) -> (StatusCode, String, String) {
    let mut request = bench.client.get(url).header("x-ms-client-request-id", "mine");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    assert!(headers.contains_key("x-ms-request-id") && headers.contains_key("x-ms-keyvault-region"));
    assert_eq!(headers["x-ms-client-request-id"], "mine");
    let challenge = headers.get("www-authenticate").map(|value| value.to_str().expect("text").to_owned());
    let body: serde_json::Value = response.json().await.expect("JSON");
    let message = body["error"]["message"].as_str().unwrap_or_default().to_owned();
    (status, challenge.unwrap_or_default(), message)
}

#[tokio::test]
async fn who_does_not_say_who_it_is_gets_a_challenge() {
    let bench = Bench::start().await;
    let url = format!("{VAULT}/secrets/a?api-version=7.4");
    let (status, challenge, message) = refusal(&bench, &url, None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let authority = format!("https://login.microsoftonline.com/{DEFAULT_TENANT}");
    assert_eq!(challenge, format!("Bearer authorization=\"{authority}\", resource=\"{RESOURCE}\""));
    assert_eq!(message, "AKV10000: Request is missing a Bearer or PoP token.");

    // Another cloud, and a port in the URL, which the authority has then as well.
    let port = bench.emulator.address().port();
    let url = format!("https://kv1.vault.azure.cn:{port}/secrets?api-version=7.4");
    let (_, challenge, _) = refusal(&bench, &url, None).await;
    assert_eq!(
        challenge,
        format!(
            "Bearer authorization=\"https://login.chinacloudapi.cn:{port}/{DEFAULT_TENANT}\", \
             resource=\"https://vault.azure.cn\""
        )
    );
    // By address: the authority is there too.
    let url = format!("https://127.0.0.1:{port}/secrets?api-version=7.4");
    let (_, challenge, _) = refusal(&bench, &url, None).await;
    assert!(challenge.contains(&format!("\"https://127.0.0.1:{port}/{DEFAULT_TENANT}\"")), "{challenge}");
}

#[tokio::test]
async fn tokens_are_checked() {
    let noon = "2026-11-24T12:00:00Z".parse().expect("a time");
    let clock = WallClock::simulated(noon);
    let bench = Bench::with(Options { clock: clock.clone(), ..Options::default() }).await;
    let url = format!("{VAULT}/secrets?api-version=7.4");
    let elsewhere = Bench::start().await.token;
    bench.emulator.directory().add(Identity {
        tenant: Some("other".to_owned()),
        ..Identity::new(IdentityKind::Application, "foreign")
    });
    let issue = |client: &str, resource: &str| bench.emulator.token(client, resource).expect("a token");
    let foreign = issue("foreign", RESOURCE);
    let graph = issue(APP, "https://graph.microsoft.com");
    for (token, text) in [
        ("junk", "AKV10000"),
        (elsewhere.as_str(), "AKV10046"),
        (
            graph.as_str(),
            "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://graph.microsoft.com.",
        ),
        (
            foreign.as_str(),
            &format!(
                "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{DEFAULT_TENANT}/, found https://sts.windows.net/other/."
            ),
        ),
    ] {
        let (status, challenge, message) = refusal(&bench, &url, Some(token)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(challenge.starts_with("Bearer ") && message.starts_with(text), "{message}");
    }
    assert_eq!(bench.get("/secrets").await.0, StatusCode::OK);
    clock.jump(SignedDuration::from_secs(3598));
    assert_eq!(bench.get("/secrets").await.0, StatusCode::OK);
    clock.jump(SignedDuration::from_secs(1));
    let (status, _, message) = refusal(&bench, &url, Some(&bench.token)).await;
    assert!(status == 401 && message.starts_with("[TokenExpired]"), "{message}");
}

#[tokio::test]
async fn permissions_are_per_identity_type_and_operation() {
    let bench = Bench::start().await;
    let vault = bench.emulator.vault("kv1");
    vault.set_secret("a", "v").expect("a secret");
    let grants = Some(vec![Grant::secrets(APP, &["get"]), Grant::all("someone-else")]);
    for (model, inner) in [(Model::Policy, "ForbiddenByPolicy"), (Model::Rbac, "ForbiddenByRbac")] {
        vault.set_access(Access { model, grants: grants.clone(), ..Access::default() });
        assert_eq!(bench.get("/secrets/a").await.0, 200);
        for path in ["/secrets", "/secrets/a/versions", "/keys/a", "/certificates/a", "/deletedsecrets"] {
            let (status, body) = bench.get(path).await;
            assert_eq!((status, codes(&body)), (StatusCode::FORBIDDEN, ("Forbidden", inner)), "{path}");
        }
    }
    vault.set_access(Access { firewalled: true, ..Access::default() });
    let (_, body) = bench.get("/secrets/a").await;
    assert_eq!(codes(&body).1, "ForbiddenByFirewall");
    assert!(body["error"]["message"].as_str().expect("text").contains("Client address: 127.0.0.1"));
    vault.set_access(Access { private: true, ..Access::default() });
    assert_eq!(codes(&bench.get("/secrets/a").await.1).1, "ForbiddenByConnection");
}

#[tokio::test]
async fn unknown_hosts_are_said_to_be_unknown() {
    let bench = Bench::start().await;
    let (status, body) = bench.send("GET", "https://kv9.vault.azure.net/secrets?api-version=7.4", None).await;
    assert_eq!((status, codes(&body).0), (StatusCode::NOT_FOUND, "VaultNotFound"));
    let response = bench.client.get("https://example.com/secrets").send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn private_clouds_have_their_own_names() {
    let options = Options {
        vault_suffixes: vec!["vault.keymount.test".to_owned()],
        authorities: vec!["login.keymount.test".to_owned()],
        ..Options::default()
    };
    let mut bench = Bench::with(options).await;
    let url = "https://kv1.vault.keymount.test/secrets?api-version=7.4";
    let (status, challenge, _) = refusal(&bench, url, None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        challenge,
        format!(
            "Bearer authorization=\"https://login.keymount.test/{DEFAULT_TENANT}\", \
             resource=\"https://vault.keymount.test\""
        )
    );
    for (resource, status) in [
        ("https://vault.keymount.test", StatusCode::OK),
        ("https://vault.keymount.test/", StatusCode::UNAUTHORIZED),
        ("cfa8b339-82a2-471a-a3c9-0fc0be7a4093", StatusCode::OK),
        (RESOURCE, StatusCode::UNAUTHORIZED),
    ] {
        bench.token = bench.emulator.token(APP, resource).expect("a token");
        assert_eq!(bench.send("GET", url, None).await.0, status, "{resource}");
    }
    bench.token = bench.emulator.token(APP, "https://vault.keymount.test").expect("a token");
    assert_eq!(bench.get("/secrets").await.0, StatusCode::UNAUTHORIZED, "another cloud's vault");
    let port = bench.emulator.address().port();
    let announced = bench.emulator.started().vaults;
    assert_eq!(announced["kv1"], format!("https://kv1.vault.keymount.test:{port}"));
}
