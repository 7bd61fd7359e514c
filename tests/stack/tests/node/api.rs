//! The Kubernetes API away, slow, forgetful or forbidding: the driver starts, mounts, unmounts and answers
//! republishes all the same (I10), and asks no more than it has to.

use std::time::Duration;

use keymount_emulator::faults::{Action, Rule, Service};
use keymount_emulator::kubernetes::{Denial, Options, Verb, WatchEnd};
use keymount_stack_tests::{CLASSES, Node, NodeOptions, paused_stack_test, reply, stack_test};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tonic::Code;

const HOUR: Duration = Duration::from_secs(3600);

fn secret_of_password(name: &str) -> Value {
    json!([{"secretName": name, "type": "Opaque", "data": [{"objectName": "password", "key": "p"}]}])
}

/// Requests that are no watches, by verb and resource.
fn reads(node: &Node) -> Vec<String> {
    let records = node.api.journal().records();
    let plain = records.iter().filter(|record| record.verb != Verb::Watch);
    plain.map(|record| format!("{} {}", record.verb.as_str(), record.resource)).collect()
}

// An API server cannot go back to the version of an object that has not changed for days: a watch from
// there ends in 410 at once, every time.
paused_stack_test!(a_class_that_has_not_changed_for_days_is_followed, |_| async {
    let mut options = NodeOptions::rotating(&["--rotation-poll-interval=10m"]);
    options.api = Options { watch_window: 10, controllers: false, ..Options::default() };
    let node = Node::start(options).await;
    for number in 0..50 {
        let name = format!("other-{number}");
        node.put(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}));
    }
    node.publish().await.unwrap();
    node.status(|status| status["status"]["mounted"] == true).await;
    node.api.journal().reset();
    sleep(2 * HOUR).await;
    // None, really; a busy machine may let the test's clock run ahead of an answer once.
    assert!(reads(&node).len() <= 2, "{:?}", reads(&node));
    let watches = node.api.journal().count(Verb::Watch, "secretproviderclasses");
    assert!((20..40).contains(&watches), "one after the other: {watches}");
    // And it is heard of at once.
    node.put_class("web", &secret_of_password("late"));
    let changed = Instant::now();
    node.secret("late", |secret| !secret.is_null()).await;
    assert!(changed.elapsed() < Duration::from_secs(5), "{:?}", changed.elapsed());
});

paused_stack_test!(watches_that_end_in_any_way_are_taken_up_again, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.publish().await.unwrap();
    for (round, end) in [WatchEnd::Expired, WatchEnd::Closed, WatchEnd::Expired].into_iter().enumerate() {
        sleep(HOUR).await;
        node.api.compact();
        node.api.end_watches(end);
        let name = format!("s-{round}");
        node.put_class("web", &secret_of_password(&name));
        node.secret(&name, |secret| !secret.is_null()).await;
    }
    // Deleted and made again while nobody watches.
    node.api.down().await;
    node.api.delete(CLASSES, "default", "web").unwrap();
    sleep(HOUR).await;
    node.api.up().await.unwrap();
    sleep(Duration::from_secs(120)).await;
    node.put_class("web", &secret_of_password("again"));
    node.secret("again", |secret| !secret.is_null()).await;
});

// A server, or a proxy before it, that ends every watch at once must not be asked without pause.
paused_stack_test!(watches_that_end_at_once_are_paced, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let ends = Action::Respond {
        status: 200,
        code: None,
        inner: None,
        message: None,
        retry_after: None,
        headers: Default::default(),
        body: Some(String::new()),
    };
    node.faults.add(Rule::on(Service::Kubernetes, ends).path("/apis/*/secretproviderclasses"));
    node.publish().await.unwrap();
    sleep(HOUR).await;
    let watches = node.api.journal().count(Verb::Watch, "secretproviderclasses");
    assert!((30..150).contains(&watches), "{watches}");
});

paused_stack_test!(
    i10_with_the_api_down_volumes_are_served_and_unmounted_and_known_classes_mounted,
    |_| async {
        let mut node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=2m"])).await;
        node.publish().await.unwrap();
        node.api.down().await;
        // Another pod with the class that is known: mounted.
        let second = keymount_stack_tests::Mount::new("second", "uid-2");
        node.publish_mount(&second).await.unwrap();
        assert_eq!(node.read_in(&second, "password").as_deref(), Some("first"));
        // A class that is not: an error within seconds, and nothing left.
        let unknown = keymount_stack_tests::Mount::new("third", "uid-3").class("other");
        let error = node.publish_mount(&unknown).await.unwrap_err();
        assert_eq!(error.code(), Code::Unknown);
        assert!(
            error.message().starts_with("failed to get secretproviderclass default/other, error: "),
            "{error}"
        );
        assert!(error.message().contains("the Kubernetes API cannot be reached from this node"), "{error}");
        // Rotation goes on.
        node.provider.answer(|_| reply("v2", &[("password", "second")]));
        sleep(Duration::from_secs(200)).await;
        assert_eq!(node.read("password").as_deref(), Some("second"));
        // A driver that starts now serves what is there.
        node.stop_driver().await;
        node.start_driver().await;
        node.publish().await.unwrap();
        node.publish_mount(&second).await.unwrap();
        node.unpublish_mount(&second).await.unwrap();
        node.publish_mount(&unknown).await.unwrap_err();
        assert_eq!(node.mounts().len(), 1);
        // Back up, everything that was missed is made up for.
        sleep(HOUR).await;
        node.api.up().await.unwrap();
        node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
        node.unpublish().await.unwrap();
        assert!(node.mounts().is_empty());
    }
);

// I10: an unpublish does not wait for what a mount waits for.
stack_test!(i10_an_unpublish_ends_a_mount_that_waits_for_the_api, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.faults.add(Rule::on(Service::Kubernetes, Action::Hang).path("/apis/secrets-store.csi.x-k8s.io"));
    let mut csi = node.csi();
    let request = node.request();
    let publishing = tokio::spawn(async move { csi.node_publish_volume(request).await });
    while node.faults.list()[0].matched == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(5), node.unpublish()).await.expect("at once").unwrap();
    let error = publishing.await.unwrap().unwrap_err();
    assert!(error.message().contains("context canceled"), "{error}");
    // A pod that goes away gets no status object about a mount that failed.
    node.faults.clear();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(node.api.list(keymount_stack_tests::STATUSES, "default").is_empty());
});

paused_stack_test!(rights_taken_away_at_run_time_stop_no_volume, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    node.put_class("web", &secret_of_password("s"));
    node.publish().await.unwrap();
    node.secret("s", |secret| !secret.is_null()).await;
    node.api.deny(Denial::default());
    node.api.end_watches(WatchEnd::Closed);
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    sleep(HOUR).await;
    assert_eq!(node.read("password").as_deref(), Some("second"));
    node.publish().await.unwrap();
    // What is asked meanwhile is little: each object with pauses of minutes.
    node.api.journal().reset();
    sleep(HOUR).await;
    let asked = node.api.journal().records().len();
    assert!(asked < 300, "{asked}");
    node.api.allow_again();
    node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
    node.secret("s", |secret| keymount_stack_tests::data(secret).get("p").is_some_and(|p| p == "second"))
        .await;
    node.unpublish().await.unwrap();
});

paused_stack_test!(a_busy_api_server_is_asked_again_later_and_no_mount_waits_for_it, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    for status in [429, 500, 503] {
        node.faults.add(Rule::on(Service::Kubernetes, Action::status(status)).method("POST").times(2));
    }
    let began = Instant::now();
    node.publish().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
    node.status(|status| status["status"]["mounted"] == true).await;
    assert!(began.elapsed() > Duration::from_secs(20), "six refusals with growing pauses");
});

// Names from tenants go into the path of requests, which are made with the driver's rights.
stack_test!(i7_hostile_names_of_classes_and_secrets_reach_no_other_object, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.api.journal().reset();
    for name in [
        "../../../../../../api/v1/namespaces/kube-system/secrets/precious",
        "web/../web",
        "web?fieldSelector=x",
        "web,metadata.namespace=kube-system",
        "WEB",
        "..",
        "web%2f..",
        &"a".repeat(300),
    ] {
        let error = node.publish_mount(&node.mount().class(name)).await.unwrap_err();
        let expected = format!("failed to get secretproviderclass default/{name}, error: ");
        assert!(error.message().starts_with(&expected) && error.message().contains("not found"), "{error}");
    }
    // The driver reads its CSIDriver object, and nothing else.
    for record in node.api.journal().records() {
        assert_eq!(record.resource, "csidrivers", "{record:?}");
    }
    node.put_class("web", &secret_of_password("../../kube-system/secrets/precious"));
    node.publish().await.unwrap();
    let status =
        node.status(|status| status["status"]["conditions"].to_string().contains("SecretsSynced")).await;
    assert!(status["status"]["conditions"].to_string().contains("secret name is no name"), "{status}");
    assert!(node.api.journal().records().iter().all(|record| record.resource != "secrets"));
});
