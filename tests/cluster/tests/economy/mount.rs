//! What mounts and unmounts cost.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use keymount_cluster_tests::stage::{Options, Requests};
use tokio::time::Instant;

use crate::node::{Node, figure};

const MINUTE: Duration = Duration::from_secs(60);

async fn asked(node: &Node, before: &Requests) -> Requests {
    node.quiet().await.since(before)
}

/// In front of the answer there is one GET for a class that is new to the node, and nothing otherwise; the API server
/// may even stand still.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kube-apiserver: tests/cluster/run-api.sh"]
async fn a_mount_waits_for_one_reading_of_its_class() {
    let node = Node::start("front", Options::default(), MINUTE).await;
    node.class("web", &["web"]).await;
    let first = node.pod("first", "web").await;
    let second = node.pod("second", "web").await;
    let before = node.quiet().await;
    node.stage.provider.hold();
    let (kubelet, pod) = (node.kubelet.clone(), first.clone());
    let publishing = tokio::spawn(async move { kubelet.publish(&pod).await.map_err(|(_, error)| error) });
    node.stage.provider.called(|calls| calls.len() == 1).await;
    let in_front = asked(&node, &before).await;
    figure("requests in front of the provider, class new to the node", &in_front);
    if !node.is_ours() {
        node.stage.provider.release();
        publishing.await.expect("a task").expect("mounted");
        return;
    }
    let expected = [("get secretproviderclasses", 1), ("watch secretproviderclasses", 1)];
    assert_eq!(in_front, expected.into_iter().collect());
    {
        let _stopped = node.stop_api_server();
        node.stage.provider.release();
        publishing.await.expect("a task").expect("mounted while the API server stands still");
    }
    node.shows("first", "web", Some(1)).await;

    // The double asks the API server before it asks the driver, so here it is the driver that waits first.
    let before = node.quiet().await;
    node.stage.provider.hold();
    let (kubelet, pod) = (node.kubelet.clone(), second.clone());
    let publishing = tokio::spawn(async move { kubelet.publish(&pod).await.map_err(|(_, error)| error) });
    node.stage.provider.called(|calls| calls.len() == 2).await;
    let in_front = asked(&node, &before).await;
    figure("requests in front of the provider, class known", &in_front);
    assert_eq!(in_front, Requests::default());
    {
        let _stopped = node.stop_api_server();
        node.stage.provider.release();
        publishing.await.expect("a task").expect("mounted while the API server stands still");
    }
    node.shows("second", "web", Some(2)).await;
    let behind = asked(&node, &before).await;
    figure("requests behind the answer, class and Secret known", &behind);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kube-apiserver: tests/cluster/run-api.sh"]
async fn what_a_mount_costs() {
    let node = Node::start("mount", Options::default(), MINUTE).await;
    let start = node.quiet().await;
    figure("requests of a start", &start);
    node.class("files", &[]).await;
    node.class("synced", &["synced"]).await;
    let mut costs = Vec::new();
    for (what, name, class, owners) in [
        ("first volume of a class", "a", "files", None),
        ("second volume of a class", "b", "files", None),
        ("first volume of a class with a Secret", "c", "synced", Some(1)),
        ("second volume of a class with a Secret", "d", "synced", Some(2)),
    ] {
        let pod = node.pod(name, class).await;
        let before = node.quiet().await;
        node.publish(&pod).await;
        node.shows(name, class, owners).await;
        let cost = asked(&node, &before).await;
        figure(&format!("requests of a mount, {what}"), &cost);
        costs.push(cost);
        let before = node.quiet().await;
        node.publish(&pod).await;
        let again = asked(&node, &before).await;
        figure(&format!("requests of a republish, {what}"), &again);
        if node.is_ours() {
            assert_eq!(again, Requests::default());
        }
        if ["b", "d"].contains(&name) {
            let before = node.quiet().await;
            node.kubelet.unpublish(pod.metadata.uid.as_deref().expect("a UID")).await.expect("unmounted");
            let cost = asked(&node, &before).await;
            figure(&format!("requests of an unmount, {what}"), &cost);
            costs.push(cost);
        }
    }
    if !node.is_ours() {
        return;
    }
    let status = ("create secretproviderclasspodstatuses", 1);
    let class = [("get secretproviderclasses", 1), ("watch secretproviderclasses", 1)];
    let secret = [("get pods", 1), ("get secrets", 1)];
    let expected: [&[_]; 6] = [
        &[class[0], class[1], status],
        &[status],
        &[],
        &[class[0], class[1], status, secret[0], secret[1], ("create secrets", 1)],
        // The pod becomes another owner of the Secret.
        &[status, secret[0], secret[1], ("patch secrets", 1)],
        &[],
    ];
    let expected: Vec<Requests> = expected.into_iter().map(|each| each.iter().copied().collect()).collect();
    assert_eq!(costs, expected);
}

/// How long it takes until the API shows what is mounted. Nothing is judged but that it does.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kube-apiserver: tests/cluster/run-api.sh"]
async fn a_hundred_mounts_at_once() {
    const CLASSES: usize = 10;
    const PODS: usize = 100;
    let node = Node::start("burst", Options::default(), MINUTE).await;
    let secrets: Vec<String> = (0..CLASSES).map(|number| format!("secret-{number}")).collect();
    for (number, secret) in secrets.iter().enumerate() {
        node.class(&format!("class-{number}"), &[secret]).await;
    }
    let mut pods: Vec<Pod> = Vec::new();
    for number in 0..PODS {
        pods.push(node.pod(&format!("pod-{number}"), &format!("class-{}", number % CLASSES)).await);
    }
    let before = node.quiet().await;
    let began = Instant::now();
    let results = futures::future::join_all(pods.iter().map(|pod| node.kubelet.publish(pod))).await;
    assert!(results.iter().all(Result::is_ok));
    let answered = began.elapsed();
    node.converged(PODS, &secrets, "c2VjcmV0").await;
    let converged = began.elapsed();
    let requests = asked(&node, &before).await;
    figure("100 mounts of 10 classes with a Secret each, all answered after", format!("{answered:.1?}"));
    figure("status objects and Secrets there after", format!("{converged:.1?}"));
    figure("requests of that", &requests);
    let names: BTreeSet<_> = secrets.iter().collect();
    assert_eq!(names.len(), CLASSES);
}
