//! Service account tokens and Secrets for the provider: where kubelet puts them, and what tenants cannot
//! put there.

use keymount_emulator::faults::{Action, Rule, Service};
use keymount_stack_tests::{Node, NodeOptions, csi_driver, paused_stack_test, stack_test};
use serde_json::{Value, json};
use tonic::Code;

const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";

fn tokens(audience: &str, token: &str) -> String {
    json!({audience: {"token": token, "expirationTimestamp": "2026-11-24T13:00:00Z"}}).to_string()
}

/// Tokens in attributes and secrets of the last call.
fn told(node: &Node) -> (Option<String>, Value) {
    let call = node.provider.calls().pop().expect("a call");
    let attributes: Value = serde_json::from_str(&call.attributes).expect("JSON");
    (attributes[TOKENS].as_str().map(str::to_owned), serde_json::from_str(&call.secrets).expect("JSON"))
}

stack_test!(tokens_arrive_in_the_volume_context_or_in_the_secrets, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    // In the volume context.
    let mut request = node.request();
    request.volume_context.insert(TOKENS.to_owned(), tokens("aud", "context"));
    node.publish_as(request).await.unwrap();
    assert_eq!(told(&node), (Some(tokens("aud", "context")), Value::Null));
    node.unpublish().await.unwrap();
    // In the secrets, of Kubernetes 1.35 and later, beside the data of nodePublishSecretRef.
    node.put(&csi_driver(&json!({
        "requiresRepublish": true, "tokenRequests": [{"audience": "aud"}], "serviceAccountTokenInSecrets": true,
    })));
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let mut request = node.request();
    request.secrets.insert(TOKENS.to_owned(), tokens("aud", "secret"));
    request.secrets.insert("clientid".to_owned(), "id".to_owned());
    node.publish_as(request).await.unwrap();
    let in_secrets = json!({"clientid": "id", TOKENS: tokens("aud", "secret")});
    assert_eq!(told(&node), (Some(tokens("aud", "secret")), in_secrets));
});

// Attack: a pod's author writes a token of somebody else where kubelet writes tokens.
stack_test!(i6_tokens_that_kubelet_did_not_write_are_not_passed_on, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let forged = |node: &Node, audience: &str| {
        let mut request = node.request();
        request.volume_context.insert(TOKENS.to_owned(), tokens(audience, "forged"));
        request.volume_context.insert("csi.storage.k8s.io/invented".to_owned(), "forged".to_owned());
        // nodePublishSecretRef data may hold any key.
        request.secrets.insert(TOKENS.to_owned(), tokens(audience, "forged"));
        request
    };
    // Another audience than those that kubelet asks for.
    node.publish_as(forged(&node, "other")).await.unwrap();
    assert_eq!(told(&node), (None, json!({})));
    let attributes: Value = serde_json::from_str(&node.provider.calls()[0].attributes).unwrap();
    assert_eq!(attributes["csi.storage.k8s.io/invented"], Value::Null);
    node.unpublish().await.unwrap();
    // No tokenRequests: kubelet writes none, so whatever is there is the author's.
    node.put(&csi_driver(&json!({"requiresRepublish": true})));
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    node.publish_as(forged(&node, "aud")).await.unwrap();
    assert_eq!(told(&node), (None, json!({})));
});

// Without podInfoOnMount what stands in the context about the pod is its author's word.
stack_test!(a_driver_that_is_not_told_the_pod_mounts_nothing, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let mut object = csi_driver(&json!({}));
    object["spec"]["podInfoOnMount"] = false.into();
    node.put(&object);
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let error = node.publish().await.unwrap_err();
    assert_eq!(error.code(), Code::Unknown);
    assert!(error.message().contains("podInfoOnMount: true"), "{error}");
    assert_eq!(node.provider.count(), 0);
});

// Tokens are never dropped silently: without the CSIDriver object nobody knows which of them are kubelet's.
paused_stack_test!(
    while_the_csidriver_object_cannot_be_read_mounts_with_tokens_fail_and_others_do_not,
    |_| async {
        let mut node = Node::start(NodeOptions::default()).await;
        node.stop_driver().await;
        node.faults.add(Rule::on(Service::Kubernetes, Action::status(403)).path("/apis/storage.k8s.io"));
        node.start_driver().await;
        let mut request = node.request();
        request.volume_context.insert(TOKENS.to_owned(), tokens("aud", "t"));
        let error = node.publish_as(request).await.unwrap_err();
        assert!(error.message().starts_with("failed to get the CSIDriver object, which says"), "{error}");
        assert_eq!(node.provider.count(), 0);
        node.publish().await.unwrap();
    }
);
