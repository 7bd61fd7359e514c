//! The start-up taint: gone when kubelet knows the driver and the providers answer, and nothing else of the node is touched.

use std::time::Duration;

use keymount_daemon::grpc::channel;
use keymount_emulator::faults::{Action, Rule, Service};
use keymount_emulator::kubernetes::Verb;
use keymount_proto::registration::RegistrationStatus;
use keymount_proto::registration::registration_client::RegistrationClient;
use keymount_stack_tests::{Node, NodeOptions, Provider, paused_stack_test, reply};
use serde_json::{Value, json};
use tokio::time::sleep;

const KEY: &str = "secrets-store.csi.k8s.io/agent-not-ready";
const MINUTE: Duration = Duration::from_secs(60);

fn ours() -> Value {
    json!({"key": KEY, "value": "true", "effect": "NoExecute"})
}

fn other(key: &str) -> Value {
    json!({"key": key, "effect": "NoSchedule"})
}

/// The node object with these taints.
fn set_taints(node: &Node, taints: &Value) {
    node.put(&json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "labels": {"pool": "web"}},
        "spec": {"unschedulable": true, "taints": taints},
    }));
}

fn taints(node: &Node) -> Value {
    let object = node.api.get("nodes", "", "node-1").expect("the node");
    assert_eq!(
        (&object["spec"]["unschedulable"], &object["metadata"]["labels"]["pool"]),
        (&json!(true), &json!("web"))
    );
    object["spec"]["taints"].clone()
}

async fn become_taints(node: &Node, expected: &Value) {
    while taints(node) != *expected {
        sleep(Duration::from_millis(50)).await;
    }
}

/// A driver that waits for these providers, on a node with the taint and another one.
async fn tainted(providers: &str) -> Node {
    let mut node = Node::start(NodeOptions::default()).await;
    node.stop_driver().await;
    set_taints(&node, &json!([ours(), other("a")]));
    std::fs::create_dir(node.path("registration")).expect("a directory");
    node.set_flags(&[
        "--kubelet-registration-path=/var/lib/kubelet/plugins/csi-secrets-store/csi.sock",
        &format!("--plugin-registration-path={}", node.path("registration").display()),
        &format!("--startup-taint={KEY}"),
        &format!("--startup-taint-providers={providers}"),
    ]);
    node.api.journal().reset();
    node.start_driver().await;
    node
}

/// Kubelet says whether it has registered the driver.
async fn kubelet_says(node: &Node, plugin_registered: bool) {
    let socket = node.path("registration/secrets-store.csi.k8s.io-reg.sock");
    while !socket.exists() {
        sleep(Duration::from_millis(5)).await;
    }
    let status = RegistrationStatus { plugin_registered, error: String::new() };
    RegistrationClient::new(channel(&socket)).notify_registration_status(status).await.expect("an answer");
}

fn pending(node: &Node) -> f64 {
    node.metric("keymount_startup_taint_pending", "")
}

/// Requests about nodes, by verb.
fn requests(node: &Node) -> (u64, u64) {
    let journal = node.api.journal();
    (journal.count(Verb::Get, "nodes"), journal.count(Verb::Patch, "nodes"))
}

paused_stack_test!(the_start_up_taint_goes_when_kubelet_and_the_providers_are_ready, |_| async {
    let node = tainted("test,late").await;
    let both = json!([ours(), other("a")]);
    kubelet_says(&node, false).await;
    sleep(MINUTE).await;
    assert_eq!((taints(&node), pending(&node), requests(&node)), (both.clone(), 1.0, (0, 0)));
    kubelet_says(&node, true).await;
    sleep(10 * MINUTE).await;
    assert_eq!(
        (taints(&node), pending(&node), requests(&node)),
        (both.clone(), 1.0, (0, 0)),
        "one is missing"
    );
    // A socket is no answer.
    let dead = node.path("providers/late.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    sleep(MINUTE).await;
    assert_eq!(taints(&node), both);
    std::fs::remove_file(&dead).unwrap();
    let _late = Provider::start(&node.path("providers"), "late", |_| reply("v1", &[])).await;
    become_taints(&node, &json!([other("a")])).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!((pending(&node), requests(&node)), (0.0, (1, 1)));
    // An autoscaler that sets it after kubelet has made the node.
    set_taints(&node, &json!([other("b"), ours()]));
    become_taints(&node, &json!([other("b")])).await;
    sleep(60 * MINUTE).await;
    assert_eq!(requests(&node), (6, 2), "looked at for a while, then never again");
    set_taints(&node, &json!([ours()]));
    sleep(60 * MINUTE).await;
    assert_eq!(taints(&node), json!([ours()]), "somebody wants it there");
});

paused_stack_test!(what_others_do_to_the_node_at_the_same_time_stays, |_| async {
    let node = tainted("").await;
    // The patch is on its way for long enough that the node is another one when it comes.
    let slow = Action::Latency { millis: 2000 };
    node.faults.add(Rule::on(Service::Kubernetes, slow).method("PATCH").path("/api/v1/nodes").times(1));
    kubelet_says(&node, true).await;
    while requests(&node).0 == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_secs(1)).await;
    set_taints(&node, &json!([ours(), other("b"), other("c")]));
    become_taints(&node, &json!([other("b"), other("c")])).await;
    let records = node.api.journal().records();
    let codes: Vec<_> =
        records.iter().filter(|r| r.verb == Verb::Patch && r.resource == "nodes").map(|r| r.status).collect();
    assert_eq!(codes, [409, 200]);
});

paused_stack_test!(an_api_server_that_refuses_is_asked_again_and_pods_are_served_meanwhile, |_| async {
    let node = tainted("test").await;
    let refused = || Rule::on(Service::Kubernetes, Action::status(403)).path("/api/v1/nodes");
    let rule = node.faults.add(refused());
    kubelet_says(&node, true).await;
    sleep(10 * MINUTE).await;
    node.publish().await.unwrap();
    let (reads, writes) = requests(&node);
    assert!((5..20).contains(&reads) && writes == 0, "{reads} {writes}");
    assert_eq!((taints(&node), pending(&node)), (json!([ours(), other("a")]), 1.0));
    node.faults.remove(rule);
    become_taints(&node, &json!([other("a")])).await;
});

paused_stack_test!(without_the_flag_no_node_is_looked_at, |_| async {
    let mut node = tainted("").await;
    node.stop_driver().await;
    node.set_flags(&[
        "--kubelet-registration-path=/csi.sock",
        &format!("--plugin-registration-path={}", node.path("registration").display()),
    ]);
    node.api.journal().reset();
    node.start_driver().await;
    kubelet_says(&node, true).await;
    sleep(10 * MINUTE).await;
    assert_eq!((taints(&node), requests(&node)), (json!([ours(), other("a")]), (0, 0)));
    assert!(!node.metrics().contains("keymount_startup_taint_pending "));
});
