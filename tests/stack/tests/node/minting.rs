//! Rotation where kubelet does not call again: the driver makes the tokens itself, if the operator lets it.

use std::time::Duration;

use keymount_emulator::kubernetes::Verb;
use keymount_stack_tests::{Node, NodeOptions, csi_driver, paused_stack_test, pod, reply};
use serde_json::{Value, json};
use tokio::time::sleep;

const HOUR: Duration = Duration::from_secs(3600);

/// A cluster whose kubelets do not republish, and whose pod `web` has a volume with a Secret for the provider.
async fn node(flags: &[&str], secret_ref: bool) -> Node {
    let mut options = NodeOptions::rotating(&["--rotation-poll-interval=10m"]);
    options.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let node = Node::start(options).await;
    node.put(&csi_driver(&json!({
        "requiresRepublish": false, "tokenRequests": [{"audience": "aud", "expirationSeconds": 3600}],
    })));
    node.put(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credentials", "namespace": "default"},
        "stringData": {"clientid": "first"},
    }));
    let mut web = pod("web");
    let mut volume = json!({
        "driver": "secrets-store.csi.k8s.io", "readOnly": true,
        "volumeAttributes": {"secretProviderClass": "web", "keyvaultName": "of-the-pod"},
    });
    if secret_ref {
        volume["nodePublishSecretRef"] = json!({"name": "credentials"});
    }
    web["spec"]["volumes"] = json!([{"name": "other", "emptyDir": {}}, {"name": "secrets", "csi": volume}]);
    web["metadata"]["uid"] = Value::Null;
    node.api.delete("pods", "default", "web").expect("the pod");
    node.put(&web);
    node
}

/// Publishes as kubelet does once, with a token that lasts an hour.
async fn publish_once(node: &mut Node) {
    node.pod_uid = node.cluster.pod_uid("web");
    let expires = (node.clock.now() + jiff::SignedDuration::from_hours(1)).to_string();
    let mut request = node.request();
    request.volume_context.insert("keyvaultName".to_owned(), "of-the-pod".to_owned());
    let tokens = json!({"aud": {"token": "of-kubelet", "expirationTimestamp": expires}}).to_string();
    request.volume_context.insert("csi.storage.k8s.io/serviceAccount.tokens".to_owned(), tokens);
    node.publish_as(request).await.expect("a mount");
}

/// Attributes of a call without the tokens, and the token for `aud`.
fn told(node: &Node, call: usize) -> (Value, Value) {
    let calls = node.provider.calls();
    let mut attributes: Value = serde_json::from_str(&calls[call].attributes).expect("JSON");
    let tokens = attributes["csi.storage.k8s.io/serviceAccount.tokens"].take();
    let tokens: Value = serde_json::from_str(tokens.as_str().expect("tokens")).expect("JSON");
    (attributes, tokens["aud"].clone())
}

paused_stack_test!(tokens_are_made_before_the_old_ones_end_and_nothing_else_is_asked, |_| async {
    let mut node = node(&["--mint-service-account-tokens"], false).await;
    publish_once(&mut node).await;
    node.status(|status| status["status"]["mounted"] == true).await;
    node.api.journal().reset();
    sleep(10 * HOUR).await;
    let calls = node.provider.count();
    assert!((55..=66).contains(&calls), "{calls}");
    // Each within the first four fifths of a life, when it was used.
    let made = node.api.journal().count(Verb::Create, "serviceaccounts/token");
    assert!((11..=14).contains(&made), "{made}");
    assert_eq!(node.api.journal().count(Verb::Get, "pods"), 1);
    assert_eq!(node.api.journal().count(Verb::Get, "secrets"), 0);
    assert_eq!(node.api.journal().writes(), made);
    let (first, token) = told(&node, 0);
    assert_eq!(token["token"], "of-kubelet");
    let (last, token) = told(&node, calls - 1);
    assert_eq!(last, first, "the provider is told the same but for the token");
    assert!(token["token"].as_str().unwrap().split('.').count() == 3, "{token}");
    let expires: jiff::Timestamp = token["expirationTimestamp"].as_str().unwrap().parse().unwrap();
    assert!(expires > node.clock.now());
});

paused_stack_test!(the_secret_of_the_pod_is_read_again_and_its_loss_is_told, |_| async {
    let mut node = node(&["--mint-service-account-tokens"], true).await;
    node.pod_uid = node.cluster.pod_uid("web");
    let mut request = node.request();
    request.secrets.insert("clientid".to_owned(), "first".to_owned());
    node.publish_as(request).await.unwrap();
    let patch = json!({"stringData": {"clientid": "second"}});
    node.api.patch("secrets", "default", "credentials", &patch).unwrap();
    sleep(Duration::from_secs(700)).await;
    assert_eq!(node.provider.calls()[1].secrets, r#"{"clientid":"second"}"#);
    node.api.delete("secrets", "default", "credentials").unwrap();
    let calls = node.provider.count();
    sleep(Duration::from_secs(700)).await;
    let status = node.status(|status| status["status"]["conditions"][1]["status"] == "False").await;
    let condition = &status["status"]["conditions"][1];
    assert_eq!(condition["reason"], "NodePublishSecretNotReadable");
    assert!(
        condition["message"]
            .as_str()
            .unwrap()
            .starts_with("failed to get node publish secret default/credentials, err: "),
        "{condition}"
    );
    assert_eq!((node.provider.count(), node.read("password").as_deref()), (calls, Some("first")));
    assert!(
        node.metric("rotation_reconcile_error_total", r#"error_type="NodePublishSecretRefNotFound""#) >= 1.0
    );
});

paused_stack_test!(after_a_restart_volumes_are_known_from_their_pods, |_| async {
    let mut node = node(&["--mint-service-account-tokens"], false).await;
    publish_once(&mut node).await;
    let (first, _) = told(&node, 0);
    for recorded in [true, false] {
        node.stop_driver().await;
        if !recorded {
            forget_record(&node);
        }
        node.api.journal().reset();
        let calls = node.provider.count();
        node.start_driver().await;
        sleep(Duration::from_secs(700)).await;
        assert!(node.provider.count() > calls, "recorded: {recorded}");
        let (attributes, token) = told(&node, calls);
        assert_eq!(attributes, first);
        assert_ne!(token["token"], "of-kubelet");
        // A volume of the Go driver says nothing but its pod's UID: one LIST of this node's pods.
        assert_eq!(node.api.journal().count(Verb::List, "pods"), u64::from(!recorded));
        assert_eq!(node.api.journal().count(Verb::List, "secrets"), 0);
        assert_eq!(node.metric("keymount_volumes", ""), 1.0);
    }
});

/// Makes the volume look as the Go driver leaves one.
fn forget_record(node: &Node) {
    let target = node.target();
    let generation = target.join(std::fs::read_link(target.join("..data")).expect("a generation"));
    for name in ["trusted.keymount.record", "user.keymount.record"] {
        let _ = rustix::fs::removexattr(&generation, name);
    }
}

paused_stack_test!(a_finished_pod_causes_no_call, |_| async {
    let mut node = node(&["--mint-service-account-tokens"], false).await;
    publish_once(&mut node).await;
    let uid = node.pod_uid.clone();
    for deleted in [false, true] {
        match deleted {
            false => node.set_pod_phase("web", "Succeeded").await,
            true => node.api.delete("pods", "default", "web").unwrap(),
        }
        node.stop_driver().await;
        node.start_driver().await;
        node.api.journal().reset();
        let calls = node.provider.count();
        sleep(3 * HOUR).await;
        assert_eq!(node.provider.count(), calls);
        assert_eq!(node.api.journal().count(Verb::Create, "serviceaccounts/token"), 0);
    }
    // Kubelet takes the volume away as always.
    assert_eq!(uid, node.pod_uid);
    node.unpublish().await.unwrap();
    assert!(node.mounts().is_empty());
});

paused_stack_test!(without_the_flag_nobodys_token_is_made_and_no_pod_is_read, |_| async {
    let mut node = node(&[], false).await;
    publish_once(&mut node).await;
    sleep(3 * HOUR).await;
    let status = node.status(|status| status["status"]["conditions"][1]["status"] == "False").await;
    assert_eq!(status["status"]["conditions"][1]["reason"], "TokensExpired");
    node.stop_driver().await;
    node.start_driver().await;
    node.api.journal().reset();
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    sleep(3 * HOUR).await;
    assert_eq!(node.api.journal().count(Verb::Create, "serviceaccounts/token"), 0);
    assert_eq!(node.api.journal().count(Verb::Get, "pods"), 0);
    assert_eq!(node.read("password").as_deref(), Some("first"));
    assert_eq!(node.metric("keymount_volumes", ""), 1.0, "it is known to be there all the same");
    assert!(node.metric("keymount_mounted_bytes", "") > 0.0, "and counts against the budget");
});
