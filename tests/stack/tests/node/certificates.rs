//! When certificates expire: looked up in the files, told by status and metric, and not read twice.

use std::time::Duration;

use keymount_stack_tests::{Node, NodeOptions, STATUSES, paused_stack_test, reply};
use serde_json::{Value, json};
use tokio::time::sleep;

const HOUR: Duration = Duration::from_secs(3600);
const METRIC: &str = "keymount_certificate_expiration_timestamp_seconds";

/// It expires at 2126-10-31T02:55:15Z.
pub(crate) const LEAF: &str = include_str!("../../../../crates/pem/tests/fixtures/certificates/leaf.pem");
/// This one a second later.
const NEXT: &str = include_str!("../../../../crates/pem/tests/fixtures/certificates/v1.pem");
const ROOT: &str = include_str!("../../../../crates/pem/tests/fixtures/certificates/root.pem");
const INTERMEDIATE: &str =
    include_str!("../../../../crates/pem/tests/fixtures/certificates/intermediate.pem");
const KEY: &str = include_str!("../../../../crates/pem/tests/fixtures/keys/p256.pem");

fn end(status: &Value, at: usize) -> (&str, &str) {
    let found = &status["status"]["certificates"][at];
    (found["path"].as_str().unwrap_or_default(), found["notAfter"].as_str().unwrap_or_default())
}

paused_stack_test!(their_end_is_told_and_follows_rotation, |_| async {
    let mut node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=10m"])).await;
    let (site, roots) = (format!("{KEY}{LEAF}{INTERMEDIATE}"), format!("{ROOT}{INTERMEDIATE}"));
    let first = site.clone();
    node.provider.answer(move |_| {
        let files =
            [("tls/next", NEXT), ("tls/site", first.as_str()), ("roots", roots.as_str()), ("password", "p")];
        reply("v1", &files)
    });
    node.publish().await.unwrap();
    let status = node.status(|status| status["status"]["mounted"] == true).await;
    assert_eq!(end(&status, 0), ("tls/site", "2126-10-31T02:55:15Z"), "{status}");
    assert_eq!(end(&status, 1), ("tls/next", "2126-10-31T02:55:16Z"));
    assert_eq!(
        status["status"]["certificates"].as_array().map(Vec::len),
        Some(2),
        "a list of roots has no end"
    );
    let labels = r#"class="web",namespace="default""#;
    assert!((node.metric(METRIC, labels) - 4_949_088_915.0).abs() < 0.5, "{}", node.metrics());

    // A driver that starts again finds them in the volume, and has nothing new to say.
    node.stop_driver().await;
    node.api.journal().reset();
    node.start_driver().await;
    node.publish().await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert!((node.metric(METRIC, labels) - 4_949_088_915.0).abs() < 0.5, "{}", node.metrics());
    assert_eq!(node.api.journal().writes(), 0);

    node.provider.answer(|_| reply("v2", &[("tls/site", NEXT)]));
    let status = node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
    assert_eq!(end(&status, 0), ("tls/site", "2126-10-31T02:55:16Z"), "{status}");
    assert!((node.metric(METRIC, labels) - 4_949_088_916.0).abs() < 0.5, "{}", node.metrics());
    sleep(Duration::from_secs(60)).await;
    node.api.journal().reset();
    sleep(24 * HOUR).await;
    assert_eq!(node.api.journal().writes(), 0, "what is known is told once");

    node.provider.answer(|_| reply("v3", &[("password", "p")]));
    let status = node.status(|status| status["status"]["objects"][0]["version"] == "v3").await;
    assert_eq!(status["status"]["certificates"], Value::Null);
    assert!(!node.metrics().contains(&format!("{METRIC}{{")), "{}", node.metrics());
});

// Status objects are read by everybody who may see a namespace, and are no place for thousands of paths.
paused_stack_test!(of_many_the_first_to_expire_are_told, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=10m"])).await;
    node.provider.answer(|_| {
        let names: Vec<_> = (0..100).map(|number| format!("{number:03}")).collect();
        let files: Vec<_> =
            names.iter().map(|name| (name.as_str(), if name == "077" { LEAF } else { NEXT })).collect();
        reply("v1", &files)
    });
    node.publish().await.unwrap();
    let status = node.status(|status| status["status"]["mounted"] == true).await;
    assert_eq!(end(&status, 0), ("077", "2126-10-31T02:55:15Z"));
    assert_eq!(status["status"]["certificates"].as_array().map(Vec::len), Some(32));
    // What somebody writes there is not believed, and put right with the next change.
    node.api
        .patch(STATUSES, "default", "web-default-web", &json!({"status": {"certificates": [{"path": "x"}]}}))
        .unwrap();
    node.provider.answer(|_| reply("v2", &[("077", LEAF)]));
    let status = node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
    assert_eq!(
        status["status"]["certificates"],
        json!([{"path": "077", "notAfter": "2126-10-31T02:55:15Z"}])
    );
});
