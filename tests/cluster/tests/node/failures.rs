//! The first mount fails, and then the provider is well.
//!
//! After some gRPC codes kubelet keeps the target directory and tries again soon. Driver v1.6.0 with rotation on
//! takes the young directory for a volume that needs nothing yet: the container starts with an empty directory of
//! the node's disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keymount_cluster_tests::stage::{Options, Pod, Provider, Stage, class, files};
use serde_json::{Value, json};
use tokio::time::Instant;
use tonic::{Code, Status};

/// Every code but OK, by number.
const CODES: std::ops::RangeInclusive<i32> = 1..=16;

/// One pod for every code with which its first mount fails.
async fn every_code(test: &str, options: Options) {
    let stage = Stage::on_node(test, options).await;
    let unwell = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&unwell);
    stage.provider.answer(move |call| {
        if still.load(Ordering::SeqCst) {
            let code = call.attribute("code").parse().expect("a number");
            return Err(Status::new(Code::from_i32(code), "not well yet"));
        }
        files("v1", &[("foo", "secret")])
    });
    let mut pods: Vec<Pod> = Vec::new();
    for code in CODES {
        let name = format!("code-{code}");
        stage.class(&name, &json!({"parameters": {"code": code.to_string()}})).await;
        pods.push(stage.pod(&name, &name).await);
    }
    for pod in &pods {
        stage.event(pod, "FailedMount", "not well yet").await;
    }
    unwell.store(false, Ordering::SeqCst);
    let mut wrong = Vec::new();
    for pod in &pods {
        let look = stage.first_look(pod).await;
        if look.text("/secrets", "foo") != Some("secret") {
            wrong.push((pod.name.clone(), look.volumes));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    stage.clear().await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i1_the_first_mount_fails_with_every_code() {
    every_code("codes", Options::default()).await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i1_issue_1051_the_first_mount_fails_with_every_code_rotating_every_2m() {
    every_code("codes-2m", Options::rotating("2m")).await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i1_issue_1051_the_first_mount_fails_with_every_code_rotating_every_1h() {
    every_code("codes-1h", Options::rotating("1h")).await;
}

/// A provider that has died leaves its socket file.
async fn dead_socket(test: &str, options: Options) {
    let mut stage = Stage::on_node(test, options).await;
    stage.class("web", &Value::Null).await;
    stage.provider.crash();
    let pod = stage.pod("web", "web").await;
    stage.event(&pod, "FailedMount", "for volume \"secrets\"").await;
    stage.provider.restart();
    let look = stage.first_look(&pod).await;
    assert_eq!(look.text("/secrets", "foo"), Some("secret"), "{look:?}");
    stage.clear().await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i1_a_dead_socket() {
    dead_socket("dead-socket", Options::default()).await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i1_a_dead_socket_with_rotation() {
    dead_socket("dead-socket-1h", Options::rotating("1h")).await;
}

/// The connection of driver v1.6.0 backs off while nobody listens: 15 to 59 seconds more once somebody does.
///
/// A pod has a volume of another provider too, which is asked at the same time: how busy the machine is does not count.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn a_provider_that_is_back_is_asked_at_once() {
    /// For how long the provider is away.
    const AWAY: Duration = Duration::from_secs(30);
    /// How much later than the other provider it may be asked.
    const SOON: Duration = Duration::from_secs(5);

    let mut stage = Stage::on_node("back", Options::default()).await;
    let well = Provider::start(&stage.setup.providers, "well");
    stage.class("web", &Value::Null).await;
    stage.cluster.create(&class(&stage.namespace, "other", well.name(), &Value::Null)).await;
    let before = stage.pod("before", "web").await;
    stage.first_look(&before).await;
    stage.provider.crash();
    let crashed = Instant::now();
    let during = stage.pod("during", "web").await;
    tokio::time::sleep_until(crashed + AWAY).await;
    stage.provider.restart();
    let after = stage.pod_of("after", &stage.pod_spec(&[("secrets", "web"), ("other", "other")])).await;
    let others = well.called(|calls| !calls.is_empty()).await;
    let calls = stage.provider.called(|calls| calls.iter().any(|call| call.pod() == "after")).await;
    let call = calls.iter().find(|call| call.pod() == "after").expect("just seen");
    let late = call.at.saturating_duration_since(others[0].at);
    assert!(late < SOON, "asked {late:?} after the other provider");
    for pod in [&during, &after] {
        let look = stage.first_look(pod).await;
        assert_eq!(look.text("/secrets", "foo"), Some("secret"), "{look:?}");
    }
    stage.clear().await;
}
