//! A node with two hundred volumes over simulated hours: what it asks of provider and API, counted.

use std::collections::BTreeMap;
use std::time::Duration;

use keymount_emulator::kubernetes::Verb;
use keymount_proto::csi::node_client::NodeClient;
use keymount_stack_tests::{Mount, Node, NodeOptions, STATUSES, paused_stack_test, pod, reply};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

const HOUR: Duration = Duration::from_secs(3600);
const CLASSES: usize = 20;
const PODS: usize = 10;

/// Ten pods each of twenty classes, each class with a Secret and its pods with one owner.
fn mounts(node: &Node) -> Vec<Mount> {
    let class = |number: usize| format!("class-{number}");
    for number in 0..CLASSES {
        let object = json!([{
            "secretName": format!("secret-{number}"), "type": "Opaque", "data": [{"objectName": "password", "key": "p"}],
        }]);
        node.put_class(&class(number), &object);
    }
    let mount = |number: usize| {
        let (name, class) = (format!("pod-{number}"), class(number % CLASSES));
        let mut object = pod(&name);
        object["metadata"]["ownerReferences"][0]["uid"] = format!("replicas-of-{class}").into();
        let uid = node.put(&object)["metadata"]["uid"].as_str().expect("a UID").to_owned();
        Mount::new(&name, &uid).class(&class)
    };
    (0..CLASSES * PODS).map(mount).collect()
}

async fn publish_all(csi: &mut NodeClient<Channel>, node: &Node, mounts: &[Mount]) {
    for mount in mounts {
        csi.node_publish_volume(mount.request(&node.pods())).await.expect("a mount");
    }
}

/// Requests by verb and resource since the last time, watches left out.
fn requests(node: &Node) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for record in node.api.journal().records().iter().filter(|record| record.verb != Verb::Watch) {
        *all.entry(format!("{} {}", record.verb.as_str(), record.resource)).or_default() += 1;
    }
    node.api.journal().reset();
    all
}

fn expected(entries: &[(&str, usize)]) -> BTreeMap<String, usize> {
    entries.iter().map(|(request, count)| ((*request).to_owned(), *count)).collect()
}

paused_stack_test!(i3_i4_two_hundred_volumes_idle_for_an_hour, |_| async {
    let flags = ["--rotation-poll-interval=2m", "--secret-repair-interval=0"];
    let node = Node::start(NodeOptions::rotating(&flags)).await;
    let mounts = mounts(&node);
    let volumes = mounts.len();
    sleep(Duration::from_secs(5)).await;
    requests(&node);
    let mut csi = node.csi();

    // Mounting: one GET for a class that is new to the node, and nothing else in front of a mount.
    publish_all(&mut csi, &node, &mounts).await;
    assert_eq!(node.provider.count(), volumes);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(
        requests(&node),
        expected(&[
            ("get secretproviderclasses", CLASSES),
            ("create secretproviderclasspodstatuses", volumes),
            ("get pods", volumes),
            ("get secrets", CLASSES),
            ("create secrets", CLASSES),
        ])
    );

    // Idle for an hour, while kubelet republishes: nothing is written and nothing read.
    let calls = node.provider.count();
    let (revision, end) = (node.api.revision(), Instant::now() + HOUR);
    while Instant::now() < end {
        sleep(Duration::from_secs(300)).await;
        publish_all(&mut csi, &node, &mounts).await;
    }
    let requested = requests(&node);
    assert!(requested.values().sum::<usize>() <= 2, "{requested:?}");
    assert_eq!(node.api.revision(), revision);
    // Each volume is fetched once an interval, give or take a tenth.
    let calls = node.provider.count() - calls;
    assert!((volumes * 27..=volumes * 34).contains(&calls), "{calls}");

    // New content everywhere: files first, then one status and one Secret each, all within a minute after.
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    let change = Instant::now();
    loop {
        let statuses = node.api.list(STATUSES, "default");
        let is_new = |status: &Value| status["status"]["objects"][0]["version"] == "v2";
        if statuses.iter().filter(|status| is_new(status)).count() == volumes {
            break;
        }
        assert!(change.elapsed() < Duration::from_secs(200), "not within an interval and a minute");
        sleep(Duration::from_secs(1)).await;
    }
    sleep(Duration::from_secs(30)).await;
    for mount in &mounts {
        assert_eq!(node.read_in(mount, "password").as_deref(), Some("second"));
    }
    let requested = requests(&node);
    assert_eq!(requested["update secretproviderclasspodstatuses"], volumes);
    assert!(!requested.contains_key("get secretproviderclasspodstatuses"), "nobody else writes there");
    assert_eq!(requested["update secrets"], CLASSES);
    assert!(requested["create events"] <= 2 * volumes, "{requested:?}");
    assert!(!requested.contains_key("get pods"), "owners are known");
    // And at rest again.
    sleep(HOUR).await;
    assert_eq!(node.api.journal().writes(), 0);

    // Gone: nothing is remembered and nothing asked.
    for mount in &mounts {
        node.unpublish_mount(mount).await.unwrap();
    }
    requests(&node);
    sleep(HOUR).await;
    assert!(node.api.journal().records().iter().all(|record| record.resource == "csidrivers"));
    for metric in
        ["keymount_volumes", "keymount_classes", "keymount_mounted_bytes", "keymount_api_queue_length"]
    {
        assert_eq!(node.metric(metric, ""), 0.0, "{metric}");
    }
    assert!(!node.metrics().contains("class-1"), "no series of what is gone");
    assert!(node.mounts().is_empty());
});
