//! What a node costs on which nothing happens.

use std::collections::BTreeSet;
use std::time::Duration;

use keymount_cluster_tests::stage::Options;
use tokio::time::Instant;

use crate::node::{Node, figure};

/// An hour in a minute: kubelet publishes every second instead of every minute, volumes rotate every 2 s instead of
/// every 2 min, Secrets are compared every 10 s instead of every 10 min. Watches cannot be made to pass faster.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kube-apiserver: tests/cluster/run-api.sh"]
async fn i4_two_hundred_volumes_idle_for_an_hour() {
    const VOLUMES: usize = 200;
    const CLASSES: usize = 20;
    const HOUR: Duration = Duration::from_secs(60);
    const INTERVAL: Duration = Duration::from_secs(2);
    const REPAIR: Duration = Duration::from_secs(10);
    let own_flags = vec![format!("--secret-repair-interval={}s", REPAIR.as_secs())];
    let options = Options { own_flags, ..Options::rotating(&format!("{}s", INTERVAL.as_secs())) };
    let mut node = Node::start("idle", options, Duration::from_secs(1)).await;
    let secrets: Vec<String> = (0..CLASSES).map(|number| format!("secret-{number}")).collect();
    for (number, secret) in secrets.iter().enumerate() {
        node.class(&format!("class-{number}"), &[secret]).await;
    }
    let name = |number: usize| format!("pod-{number}");
    let pods = (0..VOLUMES).map(|number| node.new_pod(&name(number), &format!("class-{}", number % CLASSES)));
    node.stage.cluster.create_all(pods).await;
    node.run();
    node.all_run(&(0..VOLUMES).map(name).collect::<BTreeSet<_>>()).await;
    node.converged(VOLUMES, &secrets, "c2VjcmV0").await;
    // Whatever is still under way ends.
    tokio::time::sleep(Duration::from_secs(5)).await;

    let (before, calls) = (node.requests(), node.stage.provider.calls().len());
    let memory = node.stage.driver().resident_memory();
    let began = Instant::now();
    tokio::time::sleep(HOUR).await;
    let requests = node.requests().since(&before);
    let calls = node.stage.provider.calls().len() - calls;
    figure("requests of a scaled hour with 200 volumes of 20 classes with a Secret each", &requests);
    figure("calls of the provider in that time", calls);
    figure(
        "resident memory in KiB, before and after",
        format!("{memory}, {}", node.stage.driver().resident_memory()),
    );
    if node.is_ours() {
        assert_eq!(requests.writes(), 0, "{requests}");
        assert_eq!(requests.of("list secrets") + requests.of("list secretproviderclasses"), 0, "{requests}");
        // One comparison of each Secret and one call for each volume in an interval. Both come up to a tenth early,
        // and volumes of one class up to another tenth, so that they come together.
        let elapsed = began.elapsed().as_millis();
        let most = |interval: Duration, tenths: u32| {
            let shortest = interval / 10 * (10 - tenths);
            usize::try_from(elapsed / shortest.as_millis()).expect("a small number") + 1
        };
        assert!(requests.of("get secrets") <= CLASSES * most(REPAIR, 1), "{requests}");
        assert!(calls <= VOLUMES * most(INTERVAL, 2), "{calls} calls of the provider");
    }
}
