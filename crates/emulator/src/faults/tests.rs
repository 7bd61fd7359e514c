use http::{Response, StatusCode};
use http_body_util::BodyExt;

use super::*;

const FACTS: Facts<'_> =
    Facts { service: Service::Vault, host: "kv.vault.azure.net", method: "GET", path: "/secrets/a" };

fn render(failure: &Failure) -> Response<axum::body::Body> {
    let mut response = Response::new(failure.code.clone().unwrap_or_default().into());
    *response.status_mut() = failure.status;
    response
}

async fn ask(faults: &Faults) -> Result<Response<axum::body::Body>, Reset> {
    faults.answer(&FACTS, render, async { Response::new("true answer".into()) }).await
}

async fn statuses(faults: &Faults, count: usize) -> Vec<u16> {
    let mut seen = Vec::new();
    for _ in 0..count {
        seen.push(ask(faults).await.expect("an answer").status().as_u16());
    }
    seen
}

fn rule(json: &str) -> Rule {
    serde_json::from_str(json).expect("a rule")
}

#[tokio::test]
async fn counts_and_order() {
    let faults = Faults::new();
    faults.add(Rule::on(Service::Vault, Action::status(503)).path("/secrets/a").times(2));
    faults.add(rule(r#"{"when":{"every":2},"action":{"type":"respond","status":429,"retryAfter":"7"}}"#));
    assert_eq!(statuses(&faults, 6).await, [503, 503, 200, 429, 200, 429]);
    let list = faults.list();
    assert_eq!(list.iter().map(|active| active.applied).collect::<Vec<_>>(), [2, 2]);
    assert!(faults.remove(list[1].id) && !faults.remove(list[1].id));
    assert_eq!(statuses(&faults, 2).await, [200, 200]);
}

#[tokio::test]
async fn percent_is_repeatable() {
    let faults = Faults::new();
    faults.add(rule(r#"{"when":{"percent":30},"action":{"type":"respond","status":500}}"#));
    let first = statuses(&faults, 1000).await;
    let share = first.iter().filter(|status| **status == 500).count();
    assert!((250..350).contains(&share), "{share}");
    faults.clear();
    faults.add(rule(r#"{"when":{"percent":30},"action":{"type":"respond","status":500}}"#));
    assert_eq!(statuses(&faults, 1000).await, first);
}

#[tokio::test(start_paused = true)]
async fn latency_adds_up_and_goes_on() {
    let faults = Faults::new();
    faults.add(Rule::on(Service::Vault, Action::Latency { millis: 400 }));
    faults.add(Rule::on(Service::Vault, Action::Latency { millis: 600 }));
    faults.add(Rule::on(Service::Imds, Action::Latency { millis: 9000 }));
    faults.add(Rule::on(Service::Vault, Action::status(403)));
    let before = Instant::now();
    assert_eq!(statuses(&faults, 1).await, [403]);
    assert_eq!(before.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn throttle_is_a_token_bucket() {
    let faults = Faults::new();
    faults.add(rule(r#"{"action":{"type":"throttle","requests":10,"perSeconds":10,"retryAfter":"1"}}"#));
    assert_eq!(statuses(&faults, 12).await, [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 429, 429]);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(statuses(&faults, 3).await, [200, 200, 429]);
    assert_eq!(ask(&faults).await.expect("an answer").headers()["retry-after"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_body_trickles() {
    let faults = Faults::new();
    faults.add(rule(r#"{"action":{"type":"trickle","bytes":4,"millis":1000}}"#));
    let response = ask(&faults).await.expect("an answer");
    assert_eq!(response.headers()["content-length"], "11");
    let before = Instant::now();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!((body.as_ref(), before.elapsed()), (&b"true answer"[..], Duration::from_secs(3)));
}

#[tokio::test]
async fn hang_waits_for_release() {
    let faults = Faults::new();
    faults.add(Rule::on(Service::Vault, Action::Hang).times(1));
    let asking = tokio::spawn({
        let faults = faults.clone();
        async move { ask(&faults).await.expect("an answer").status() }
    });
    while faults.list()[0].applied == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!asking.is_finished());
    faults.release();
    assert_eq!(asking.await.expect("the task"), StatusCode::OK);
}

#[tokio::test]
async fn broken_answers() {
    let faults = Faults::new();
    faults.add(Rule::on(Service::Vault, Action::Reset).times(1));
    assert_eq!(ask(&faults).await.expect_err("a reset"), Reset);

    faults.add(Rule::on(Service::Vault, Action::Truncate { after: 4 }).times(1));
    let mut body = ask(&faults).await.expect("an answer").into_body();
    let first = body.frame().await.expect("a frame").expect("data").into_data().expect("data");
    assert_eq!(first, "true");
    assert!(body.frame().await.expect("an end").is_err());

    faults.add(Rule::on(Service::Vault, Action::ContentLength { off_by: -3 }).times(1));
    assert_eq!(ask(&faults).await.expect("an answer").headers()["content-length"], "8");

    faults.add(Rule::on(Service::Vault, Action::Oversize { bytes: 200_000 }).times(1));
    let body = ask(&faults).await.expect("an answer").into_body().collect().await.expect("a body");
    assert_eq!(body.to_bytes().len(), 200_000);

    faults.add(Rule::on(Service::Vault, Action::Garbage).times(1));
    let body = ask(&faults).await.expect("an answer").into_body().collect().await.expect("a body");
    assert!(serde_json::from_slice::<serde_json::Value>(&body.to_bytes()).is_err());
}

#[test]
fn unknown_fields_are_refused() {
    for json in [
        r#"{"action":{"type":"respond","status":429,"retry_after":"7"}}"#,
        r#"{"match":{"vault":"kv"},"action":{"type":"reset"}}"#,
        r#"{"action":{"type":"explode"}}"#,
    ] {
        assert!(serde_json::from_str::<Rule>(json).is_err(), "{json}");
    }
}
