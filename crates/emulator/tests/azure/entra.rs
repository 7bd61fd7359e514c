use http::StatusCode;
use keymount_emulator::entra::{ClientSecret, Federation, Identity, IdentityKind, KeySource};
use keymount_emulator::token::{Claims, Signer};
use keymount_emulator::{DEFAULT_TENANT, Options};
use serde_json::Value;

use crate::{APP, Bench, RESOURCE};

const WORKLOAD: &str = "22222222-0000-4000-8000-000000000002";
const ISSUER: &str = "https://cluster.test";
const SUBJECT: &str = "system:serviceaccount:shop:web";

async fn post(bench: &Bench, tenant: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
    let response = bench.client.post(url).form(&form).send().await.expect("an answer");
    (response.status(), response.json().await.expect("JSON"))
}

fn with_secret<'a>(client: &'a str, secret: &'a str, scope: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_secret", secret),
        ("scope", scope),
    ]
}

const SCOPE: &str = "https://vault.azure.net/.default";

#[tokio::test]
async fn a_client_secret_gives_a_token_that_the_vault_takes() {
    let mut bench = Bench::start().await;
    let (status, body) = post(&bench, DEFAULT_TENANT, &with_secret(APP, "s3cret", SCOPE)).await;
    assert_eq!(
        (status, &body["token_type"], &body["expires_in"]),
        (StatusCode::OK, &"Bearer".into(), &3599.into())
    );
    body["access_token"].as_str().expect("a token").clone_into(&mut bench.token);
    assert_eq!(bench.get("/secrets").await.0, StatusCode::OK);
}

#[tokio::test]
async fn refusals_have_their_numbers() {
    let bench = Bench::start().await;
    bench.emulator.directory().add(Identity {
        secrets: vec![ClientSecret {
            value: "old".to_owned().into(),
            expires: Some("2020-01-01T00:00:00Z".parse().expect("a time")),
        }],
        ..Identity::new(IdentityKind::Application, "expired")
    });
    for (tenant, form, status, error, code) in [
        ("nowhere", with_secret(APP, "s3cret", SCOPE), 400, "invalid_request", 90002),
        (DEFAULT_TENANT, with_secret(APP, "n0t-it", SCOPE), 401, "invalid_client", 7_000_215),
        (DEFAULT_TENANT, with_secret("expired", "old", SCOPE), 401, "invalid_client", 7_000_222),
        (DEFAULT_TENANT, with_secret("nobody", "s3cret", SCOPE), 400, "unauthorized_client", 700_016),
        (DEFAULT_TENANT, with_secret(APP, "s3cret", "vault"), 400, "invalid_scope", 70011),
        (DEFAULT_TENANT, vec![("client_id", APP)], 400, "invalid_request", 900_144),
        (DEFAULT_TENANT, vec![("grant_type", "password")], 400, "unsupported_grant_type", 70003),
    ] {
        let (seen, body) = post(&bench, tenant, &form).await;
        assert_eq!(
            (seen.as_u16(), &body["error"], &body["error_codes"][0]),
            (status, &error.into(), &code.into())
        );
        let text = body["error_description"].as_str().expect("text");
        assert!(text.starts_with(&format!("AADSTS{code}: ")) && text.contains(" Trace ID: "), "{text}");
        assert!(!text.contains("s3cret") && !text.contains("n0t-it"), "{text}");
    }
}

/// A cluster that signs service-account tokens.
fn token(signer: &Signer, subject: &str, audience: &str, expires: i64) -> String {
    signer.sign(&Claims {
        aud: audience.to_owned(),
        iss: ISSUER.to_owned(),
        iat: 0,
        nbf: 0,
        exp: expires,
        appid: String::new(),
        oid: String::new(),
        sub: subject.to_owned(),
        tid: String::new(),
    })
}

const EXCHANGE: &str = "api://AzureADTokenExchange";
const FAR: i64 = 4_000_000_000;

async fn exchange(bench: &Bench, client: &str, assertion: &str) -> (StatusCode, Value) {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_assertion_type", kind),
        ("client_assertion", assertion),
        ("scope", "https://vault.azure.net/.default openid offline_access profile"),
    ];
    post(bench, DEFAULT_TENANT, &form).await
}

#[tokio::test]
async fn workload_identity_is_checked_against_its_federated_credentials() {
    let bench = Bench::start().await;
    let cluster = Signer::new();
    bench.emulator.directory().add(Identity {
        federated: vec![Federation {
            issuer: ISSUER.to_owned(),
            subject: SUBJECT.to_owned(),
            audience: EXCHANGE.to_owned(),
            keys: Some(KeySource::Inline(cluster.jwks().clone())),
        }],
        ..Identity::new(IdentityKind::UserAssigned, WORKLOAD)
    });
    let good = token(&cluster, SUBJECT, EXCHANGE, FAR);
    assert_eq!(exchange(&bench, WORKLOAD, &good).await.0, StatusCode::OK);
    let forged = token(&Signer::new(), SUBJECT, EXCHANGE, FAR);
    for (client, assertion, code) in [
        (WORKLOAD, token(&cluster, "system:serviceaccount:shop:Web", EXCHANGE, FAR), 700_213),
        (WORKLOAD, token(&cluster, SUBJECT, "api://other", FAR), 700_212),
        (WORKLOAD, token(&cluster, SUBJECT, EXCHANGE, 1_000_000_000), 700_024),
        (WORKLOAD, forged, 700_027),
        (WORKLOAD, "junk".to_owned(), 50027),
        (APP, good.clone(), 70025),
        ("nobody", good.clone(), 700_016),
    ] {
        let (_, body) = exchange(&bench, client, &assertion).await;
        assert_eq!(body["error_codes"][0], code);
        assert!(!body.to_string().contains(&assertion), "quotes the assertion");
    }
    let elsewhere = token(&cluster, SUBJECT, EXCHANGE, FAR);
    bench.emulator.directory().add(Identity {
        federated: vec![Federation {
            issuer: "https://another.test".to_owned(),
            subject: SUBJECT.to_owned(),
            audience: EXCHANGE.to_owned(),
            keys: None,
        }],
        ..Identity::new(IdentityKind::UserAssigned, WORKLOAD)
    });
    assert_eq!(exchange(&bench, WORKLOAD, &elsewhere).await.1["error_codes"][0], 700_211);
}

#[tokio::test]
async fn keys_of_a_cluster_are_read_from_its_url() {
    let bench = Bench::start().await;
    // The emulator's own key document stands in for that of a cluster.
    let cluster = Bench::start().await;
    let url = format!("https://{}/x/discovery/v2.0/keys", cluster.emulator.address());
    let ca = cluster.emulator.started().ca;
    let federation = |keys| Federation {
        issuer: format!("https://sts.windows.net/{DEFAULT_TENANT}/"),
        subject: APP.to_owned(),
        audience: RESOURCE.to_owned(),
        keys: Some(keys),
    };
    let assertion = &cluster.token;
    for (keys, code) in [
        (KeySource::Private { url: url.clone(), ca }, Value::Null),
        (KeySource::Url(url), 50166.into()),
        (KeySource::Inline(bench_keys()), 700_027.into()),
    ] {
        let identity = Identity {
            federated: vec![federation(keys)],
            ..Identity::new(IdentityKind::Application, WORKLOAD)
        };
        bench.emulator.directory().add(identity);
        assert_eq!(exchange(&bench, WORKLOAD, assertion).await.1["error_codes"][0], code);
    }
}

fn bench_keys() -> keymount_emulator::token::Jwks {
    Signer::new().jwks().clone()
}

#[tokio::test]
async fn service_accounts_of_the_emulated_cluster_are_known() {
    let bench = Bench::with(Options { kubernetes: Some(0), ..Options::default() }).await;
    let api = bench.emulator.kubernetes().expect("a cluster");
    for (kind, namespace, name) in [("Namespace", "", "shop"), ("ServiceAccount", "shop", "web")] {
        let metadata = serde_json::json!({ "namespace": namespace, "name": name });
        api.put(&serde_json::json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata }))
            .expect("an object");
    }
    let url = format!("{}/api/v1/namespaces/shop/serviceaccounts/web/token", api.url());
    let body = serde_json::json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "audiences": [EXCHANGE] }
    });
    let request = bench.client.post(url).json(&body).send().await.expect("an answer");
    let token: Value = request.json().await.expect("JSON");
    let assertion = token["status"]["token"].as_str().expect("a token");
    bench.emulator.directory().add(Identity {
        federated: vec![Federation {
            issuer: "https://kubernetes.default.svc.cluster.local".to_owned(),
            subject: SUBJECT.to_owned(),
            audience: EXCHANGE.to_owned(),
            keys: Some(KeySource::Cluster),
        }],
        ..Identity::new(IdentityKind::UserAssigned, WORKLOAD)
    });
    let (status, body) = exchange(&bench, WORKLOAD, assertion).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn any_token_is_still_a_token() {
    let bench = Bench::with(Options { allow_any_token: true, ..Options::default() }).await;
    let stranger = Signer::new();
    let good = token(&stranger, SUBJECT, EXCHANGE, FAR);
    let (status, body) = exchange(&bench, "whoever", &good).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    for (assertion, code) in [
        (token(&stranger, SUBJECT, "api://other", FAR), 700_212),
        (token(&stranger, SUBJECT, EXCHANGE, 1_000_000_000), 700_024),
        ("junk".to_owned(), 50027),
    ] {
        assert_eq!(exchange(&bench, "whoever", &assertion).await.1["error_codes"][0], code);
    }
    assert_eq!(
        post(&bench, DEFAULT_TENANT, &with_secret(APP, "wrong", SCOPE)).await.0,
        401,
        "secrets are checked"
    );
}

#[tokio::test]
async fn discovery_leads_back_here() {
    let bench = Bench::start().await;
    let get = async |path: String| {
        let url = format!("https://login.microsoftonline.com/{path}");
        let response = bench.client.get(url).send().await.expect("an answer");
        (response.status(), response.json::<Value>().await.expect("JSON"))
    };
    let authorize = format!("https://login.microsoftonline.com/{DEFAULT_TENANT}/oauth2/v2.0/authorize");
    let (_, instance) =
        get(format!("common/discovery/instance?api-version=1.1&authorization_endpoint={authorize}")).await;
    let expected =
        format!("https://login.microsoftonline.com/{DEFAULT_TENANT}/v2.0/.well-known/openid-configuration");
    assert_eq!(instance["tenant_discovery_endpoint"], expected);
    assert_eq!(instance["metadata"][0]["preferred_cache"], "login.windows.net");
    let (_, configuration) = get(format!("{DEFAULT_TENANT}/v2.0/.well-known/openid-configuration")).await;
    let token = format!("https://login.microsoftonline.com/{DEFAULT_TENANT}/oauth2/v2.0/token");
    assert_eq!(configuration["token_endpoint"], token);
    let (_, adfs) = get("adfs/.well-known/openid-configuration".to_owned()).await;
    assert_eq!(adfs["token_endpoint"], "https://login.microsoftonline.com/adfs/oauth2/token");
    let (status, error) = get("nowhere/v2.0/.well-known/openid-configuration".to_owned()).await;
    assert_eq!((status.as_u16(), &error["error_codes"][0]), (400, &90002.into()));
}

#[tokio::test]
async fn a_token_proxy_keeps_the_host_of_the_authority() {
    // Identity binding connects to another name and sends the authority's in the Host header.
    let bench = Bench::start().await;
    let url = format!("https://proxy.ests.aks/{DEFAULT_TENANT}/oauth2/v2.0/token");
    let request =
        bench.client.post(url).version(http::Version::HTTP_11).header("host", "login.microsoftonline.com");
    let http1 = request.form(&with_secret(APP, "s3cret", SCOPE)).build().expect("a request");
    let client = crate::builder(&bench.emulator).http1_only().build().expect("a client");
    assert_eq!(client.execute(http1).await.expect("an answer").status(), StatusCode::OK);
}
