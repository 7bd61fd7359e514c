//! What rotations cost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keymount_cluster_tests::stage::{Options, Requests, STATUSES, files};
use tokio::time::Instant;

use crate::node::{Node, figure};

const VOLUMES: usize = 10;
const INTERVAL: Duration = Duration::from_secs(2);

/// A node on which ten volumes of ten classes rotate, all of them mounted. Driver v1.6.0 rotates when kubelet
/// publishes again, which happens once per interval here.
async fn rotating(test: &str, secret: bool, version: &Arc<AtomicU64>) -> (Node, Vec<String>) {
    let options = Options::rotating(&format!("{}s", INTERVAL.as_secs()));
    let mut node = Node::start(test, options, INTERVAL).await;
    let shown = Arc::clone(version);
    node.stage.provider.answer(move |_| {
        let version = shown.load(Ordering::SeqCst);
        files(&format!("v{version}"), &[("foo", &format!("{version}"))])
    });
    let (mut pods, mut secrets) = (BTreeSet::new(), Vec::new());
    for number in 0..VOLUMES {
        let (class, synced) = (format!("class-{number}"), format!("secret-{number}"));
        let of_class: &[&str] = if secret { &[&synced] } else { &[] };
        node.class(&class, of_class).await;
        let pod = format!("pod-{number}");
        node.pod(&pod, &class).await;
        pods.insert(pod);
        if secret {
            secrets.push(synced);
        }
    }
    node.run();
    node.all_run(&pods).await;
    node.converged(VOLUMES, &secrets, "MA==").await;
    (node, secrets)
}

/// Requests while every volume is fetched so many times.
async fn during(node: &Node, rounds: usize) -> Requests {
    let (before, calls) = (node.requests(), node.stage.provider.calls().len());
    let began = Instant::now();
    node.stage.provider.called(|now| now.len() >= calls + rounds * VOLUMES).await;
    // Watches last five minutes, so none is renewed in this time.
    assert!(began.elapsed() < Duration::from_secs(100));
    node.requests().since(&before)
}

async fn unchanged(test: &str, secret: bool) {
    const ROUNDS: usize = 5;
    let version = Arc::default();
    let (node, _) = rotating(test, secret, &version).await;
    during(&node, 2).await;
    let requests = during(&node, ROUNDS).await;
    figure(&format!("requests of {} unchanged rotations, Secret: {secret}", ROUNDS * VOLUMES), &requests);
    if node.is_ours() {
        assert_eq!(requests, Requests::default());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kube-apiserver: tests/cluster/run-api.sh"]
async fn i4_an_unchanged_rotation_costs_nothing() {
    unchanged("unchanged", false).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kube-apiserver: tests/cluster/run-api.sh"]
async fn i4_an_unchanged_rotation_with_a_secret_costs_nothing() {
    unchanged("unchanged-secret", true).await;
}

async fn changed(test: &str, secret: bool, expected: &[(&'static str, usize)]) {
    let version: Arc<AtomicU64> = Arc::default();
    let (node, secrets) = rotating(test, secret, &version).await;
    during(&node, 2).await;
    let before = node.requests();
    let began = Instant::now();
    version.store(7, Ordering::SeqCst);
    let calls = node.stage.provider.calls().len();
    node.stage.provider.called(|now| now.len() >= calls + 2 * VOLUMES).await;
    node.converged(VOLUMES, &secrets, "Nw==").await;
    for number in 0..VOLUMES {
        let status = format!("pod-{number}-{}-class-{number}", node.stage.namespace);
        node.stage.until(STATUSES, &status, |it| it["status"]["objects"][0]["version"] == "v7").await;
    }
    figure(
        &format!("{VOLUMES} rotations shown by the API after, Secret: {secret}"),
        format!("{:.1?}", began.elapsed()),
    );
    during(&node, 2).await;
    let requests = node.quiet().await.since(&before);
    figure(&format!("requests of {VOLUMES} changed rotations, Secret: {secret}"), &requests);
    if node.is_ours() {
        assert_eq!(requests, expected.iter().copied().collect());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kube-apiserver: tests/cluster/run-api.sh"]
async fn a_changed_rotation() {
    let all = VOLUMES;
    // Nobody but the driver has written the status objects: they are not read.
    let status = ("update secretproviderclasspodstatuses", all);
    changed("changed", false, &[status, ("create events", all)]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kube-apiserver: tests/cluster/run-api.sh"]
async fn a_changed_rotation_with_a_secret() {
    let all = VOLUMES;
    let status = ("update secretproviderclasspodstatuses", all);
    let secret = [("get secrets", all), ("update secrets", all)];
    // An event for the files and one for the Secret.
    changed("changed-secret", true, &[status, secret[0], secret[1], ("create events", 2 * all)]).await;
}
