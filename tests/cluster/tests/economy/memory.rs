//! Memory of a driver in a large cluster.

use std::time::Duration;

use keymount_cluster_tests::stage::{Options, STATUSES, class};
use serde_json::json;

use crate::node::{Node, figure};

/// Classes and Secrets of other nodes do not show in the driver's memory, neither when they come nor when the driver
/// starts again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kube-apiserver: tests/cluster/run-api.sh"]
async fn ten_thousand_classes_and_five_thousand_secrets_of_others() {
    const CLASSES: usize = 10_000;
    const SECRETS: usize = 5_000;
    /// KiB; what a process that is busy with nothing may vary by.
    const NOTHING: u64 = 2048;
    let mut node = Node::start("memory", Options::rotating("2m"), Duration::from_secs(60)).await;
    node.class("web", &["web"]).await;
    let pod = node.pod("web", "web").await;
    node.publish(&pod).await;
    node.converged(1, &["web".to_owned()], "c2VjcmV0").await;
    node.quiet().await;
    let small = node.stage.driver().resident_memory();

    let namespace = node.stage.namespace.clone();
    let parameters = json!({"parameters": {"objects": "x".repeat(500)}});
    let classes =
        (0..CLASSES).map(|number| class(&namespace, &format!("other-{number}"), "azure", &parameters));
    node.stage.cluster.create_all(classes).await;
    let managed = json!({"secrets-store.csi.k8s.io/managed": "true"});
    let secrets = (0..SECRETS).map(|number| {
        let meta = json!({"name": format!("other-{number}"), "namespace": namespace, "labels": managed});
        let value = "x".repeat(2000);
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"password": value}})
    });
    node.stage.cluster.create_all(secrets).await;
    node.quiet().await;
    let large = node.stage.driver().resident_memory();

    let driver = node.stage.take_driver();
    driver.stop(Duration::from_secs(30)).await;
    let before = node.requests();
    node.stage.run_driver().await;
    node.kubelet.registered(&node.stage.setup.name).await;
    let other = node.pod("other", "web").await;
    node.publish(&other).await;
    node.stage.until(STATUSES, &format!("other-{namespace}-web"), |status| !status.is_null()).await;
    let requests = node.quiet().await.since(&before);
    let again = node.stage.driver().resident_memory();
    figure("resident memory in KiB, small cluster", small);
    figure("resident memory in KiB, with 10,000 classes and 5,000 managed Secrets of others", large);
    figure("resident memory in KiB, started in that cluster", again);
    figure("requests of that start and one mount", &requests);
    if node.is_ours() {
        assert!(large <= small + NOTHING && again <= small + NOTHING, "{small}, {large}, {again} KiB");
        assert_eq!(requests.of("list secrets") + requests.of("watch secrets"), 0, "{requests}");
    }
}
