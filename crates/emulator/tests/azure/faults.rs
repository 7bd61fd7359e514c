use http::StatusCode;
use keymount_emulator::faults::{Action, Match, Rule, Service};
use serde_json::Value;

use crate::{APP, Bench, codes};

fn rule(json: &str) -> Rule {
    serde_json::from_str(json).expect("a rule")
}

#[tokio::test]
async fn each_service_words_an_error_in_its_own_way() {
    let bench = Bench::start().await;
    let faults = bench.emulator.faults();
    faults.add(rule(r#"{"action":{"type":"respond","status":429,"retryAfter":"7"}}"#));
    let (status, body) = bench.get("/secrets").await;
    assert_eq!((status, codes(&body).0), (StatusCode::TOO_MANY_REQUESTS, "Throttled"));

    let url =
        format!("https://login.microsoftonline.com/{}/oauth2/v2.0/token", bench.emulator.started().tenant);
    let response = bench.client.post(url).send().await.expect("an answer");
    assert_eq!(response.headers()["retry-after"], "7");
    let body: Value = response.json().await.expect("JSON");
    assert_eq!((&body["error"], &body["error_codes"][0]), (&"temporarily_unavailable".into(), &50196.into()));

    let imds = format!("{}/metadata/identity/oauth2/token", bench.emulator.started().imds);
    let response = bench.client.get(imds).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.json::<Value>().await.expect("JSON")["error"], "too_many_requests");

    let nmi = format!("{}/host/token/", bench.emulator.started().nmi);
    assert_eq!(
        bench.client.get(nmi).send().await.expect("an answer").status(),
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn codes_of_a_rule_are_the_ones_answered() {
    let bench = Bench::start().await;
    let faults = bench.emulator.faults();
    faults.add(rule(
        r#"{"match":{"service":"vault","host":"kv1"},
            "action":{"type":"respond","status":403,"code":"Forbidden","inner":"ForbiddenByRbac","message":"no"}}"#,
    ));
    let (status, body) = bench.get("/secrets/a").await;
    assert_eq!((status, codes(&body)), (StatusCode::FORBIDDEN, ("Forbidden", "ForbiddenByRbac")));
    assert_eq!(body["error"]["message"], "no");
    faults.add(rule(
        r#"{"match":{"service":"entra"},"action":{"type":"respond","status":400,"code":"invalid_grant",
            "message":"AADSTS70021: No matching federated identity record found."}}"#,
    ));
    let url = format!("https://{}/t/oauth2/v2.0/token", bench.emulator.address());
    let body: Value = bench.client.post(url).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!((&body["error"], &body["error_codes"][0]), (&"invalid_grant".into(), &70021.into()));
    assert!(body["error_description"].as_str().expect("text").starts_with("AADSTS70021: No matching"));
}

#[tokio::test]
async fn a_request_by_address_counts_for_its_vault() {
    let bench = Bench::start().await;
    bench.emulator.faults().add(Rule::on(Service::Vault, Action::status(503)).host("kv1").times(1));
    let url = format!("https://{}/secrets?api-version=7.4", bench.emulator.address());
    assert_eq!(bench.send("GET", &url, None).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bench.get("/secrets").await.0, StatusCode::OK);
    let of_vault = Match { host: Some("kv1".into()), ..Match::default() };
    let traffic = bench.emulator.traffic();
    assert_eq!((traffic.count(&of_vault), traffic.count_status(&of_vault, 503)), (2, 1));
    assert!(traffic.journal(&of_vault).iter().all(|request| request.version == http::Version::HTTP_2));
}

#[tokio::test]
async fn redirects_and_oversize_bodies_are_what_they_say() {
    let bench = Bench::start().await;
    let faults = bench.emulator.faults();
    let redirect = Action::Redirect { status: 307, location: "https://evil.test/".to_owned() };
    faults.add(Rule::on(Service::Vault, redirect).times(1));
    let request = || bench.client.get(format!("{}/secrets?api-version=7.4", crate::VAULT)).send();
    let response = request().await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (307, &"https://evil.test/".parse().expect("a value"))
    );
    faults.add(Rule::on(Service::Vault, Action::Oversize { bytes: 5_000_000 }).times(1));
    assert_eq!(request().await.expect("an answer").bytes().await.expect("a body").len(), 5_000_000);
    assert!(bench.emulator.token(APP, "x").is_some());
}
