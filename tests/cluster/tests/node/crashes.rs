//! The driver ends while a provider is slow.
//!
//! Driver v1.6.0 leaves an empty tmpfs at the target path, and takes it for a volume ever after: the container
//! starts without its secrets and never gets them.

use std::time::Duration;

use keymount_cluster_tests::stage::{Options, Stage};
use serde_json::Value;

/// What kubelet gives a driver's pod to end in; 30 s by default.
const GRACE: Duration = Duration::from_secs(10);

enum End {
    Killed,
    Terminated,
}

async fn ends_while_the_provider_is_slow(test: &str, options: Options, end: End) {
    let mut stage = Stage::on_node(test, options).await;
    stage.class("web", &Value::Null).await;
    stage.provider.hold();
    let pod = stage.pod("web", "web").await;
    stage.provider.called(|calls| !calls.is_empty()).await;
    match end {
        End::Killed => stage.take_driver().kill().await,
        End::Terminated => drop(stage.take_driver().stop(GRACE).await),
    }
    stage.start_driver().await;
    stage.provider.release();
    let look = stage.first_look(&pod).await;
    assert_eq!(look.text("/secrets", "foo"), Some("secret"), "{look:?}");
    stage.clear().await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i1_issue_1051_killed_while_the_provider_is_slow() {
    ends_while_the_provider_is_slow("killed", Options::default(), End::Killed).await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i1_killed_while_the_provider_is_slow_with_rotation() {
    ends_while_the_provider_is_slow("killed-rotating", Options::rotating("2m"), End::Killed).await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i1_updated_while_the_provider_is_slow() {
    ends_while_the_provider_is_slow("updated", Options::default(), End::Terminated).await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i1_updated_while_the_provider_is_slow_with_rotation() {
    ends_while_the_provider_is_slow("updated-rotating", Options::rotating("2m"), End::Terminated).await;
}
