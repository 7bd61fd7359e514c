//! What meets half way.

use std::time::Duration;

use keymount_api::annotations;
use keymount_proto::provider::MountRequest;
use keymount_stack_tests::{Node, NodeOptions, Reply, data, paused_stack_test, reply};
use serde_json::json;
use tokio::time::sleep;

/// An answer of a provider that writes its file itself.
fn writes(content: &'static str, version: &'static str) -> impl Fn(&MountRequest) -> Reply {
    move |request| {
        std::fs::write(format!("{}/written", request.target_path), content).expect("written");
        let mut response = reply(version, &[("written", "")])?;
        response.files.clear();
        Ok(response)
    }
}

// Files are new before their versions are known, for as long as a provider that writes them itself likes. A Secret that
// was made then would hold new bytes under old versions, and count as up to date.
paused_stack_test!(a_secret_is_not_made_of_files_that_are_being_replaced, |_| async {
    let flags = ["--rotation-poll-interval=1m", "--secret-repair-interval=5s"];
    let node = Node::start(NodeOptions::rotating(&flags)).await;
    let data_of = json!([{"objectName": "written", "key": "p"}]);
    node.put_class("web", &json!([{"secretName": "s", "type": "Opaque", "data": data_of}]));
    node.provider.answer(writes("first", "v1"));
    node.publish().await.unwrap();
    node.secret("s", |secret| data(secret).get("p").is_some_and(|value| value == "first")).await;
    // The rotation's call has come, the file is written, the answer is not sent yet.
    node.provider.hold();
    node.provider.called(node.provider.count() + 1).await;
    std::fs::write(node.target().join("written"), "second").unwrap();
    node.api.delete("secrets", "default", "s").unwrap();
    sleep(Duration::from_secs(30)).await;
    assert_eq!(node.api.get("secrets", "default", "s"), None, "of files whose versions nobody knows");
    node.provider.answer(writes("second", "v2"));
    node.provider.release();
    let secret = node.secret("s", |secret| !secret.is_null()).await;
    assert_eq!(data(&secret)["p"], "second");
    let versions = secret["metadata"]["annotations"][annotations::OBJECT_VERSIONS].to_string();
    assert!(versions.contains("v2"), "{versions}");
});
