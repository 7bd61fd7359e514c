//! One Secret, several nodes: what they hold is not always the same, and they must not take turns.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keymount_clock::WallClock;
use keymount_stack_tests::{Cluster, Mount, Node, NodeOptions, data, paused_stack_test, reply};
use serde_json::{Value, json};
use tokio::time::sleep;

const HOUR: Duration = Duration::from_secs(3600);
const FLAGS: [&str; 2] = ["--rotation-poll-interval=1m", "--secret-repair-interval=2m"];

/// Two nodes of one cluster, each with a pod of class `web`, which makes a Secret `s`.
async fn two_nodes(second: NodeOptions) -> (Node, Node, [Mount; 2]) {
    let first = Node::start(NodeOptions::rotating(&FLAGS)).await;
    first.put_class(
        "web",
        &json!([{"secretName": "s", "type": "Opaque", "data": [{"objectName": "password", "key": "p"}]}]),
    );
    let second = Node::join(&first.cluster, "node-2", second).await;
    let mounts = ["one", "two"].map(|name| Mount::new(name, &first.put_pod(name)));
    (first, second, mounts)
}

fn value(cluster: &Cluster) -> String {
    cluster.secret_data("s").remove("p").unwrap_or_default()
}

/// Hours pass and nobody writes the Secret.
async fn at_rest(cluster: &Cluster) {
    sleep(Duration::from_secs(600)).await;
    let before = cluster.api.get("secrets", "default", "s");
    cluster.api.journal().reset();
    sleep(3 * HOUR).await;
    assert_eq!(
        cluster.api.journal().writes(),
        0,
        "{:#?}",
        cluster
            .api
            .journal()
            .records()
            .iter()
            .filter(|r| r.verb.as_str() == "update")
            .take(3)
            .collect::<Vec<_>>()
    );
    assert_eq!(cluster.api.get("secrets", "default", "s"), before);
}

paused_stack_test!(pods_of_several_nodes_own_one_secret_and_one_identity_writes_it, |_| async {
    let (first, second, [one, two]) = two_nodes(NodeOptions::rotating(&FLAGS)).await;
    first.publish_mount(&one).await.unwrap();
    second.publish_mount(&two).await.unwrap();
    first
        .secret("s", |secret| {
            let owners = secret["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.len() == 2)
        })
        .await;
    at_rest(&first.cluster).await;
    for version in 2..12 {
        let (number, text) = (format!("v{version}"), format!("content {version}"));
        for node in [&first, &second] {
            let (number, text) = (number.clone(), text.clone());
            node.provider.answer(move |_| reply(&number, &[("password", &text)]));
        }
        first.secret("s", |secret| data(secret).get("p") == Some(&text)).await;
        sleep(Duration::from_secs(120)).await;
    }
    // Rotations and nodes leave no trail of field managers.
    let secret = first.api.get("secrets", "default", "s").unwrap();
    let managers: Vec<_> = secret["metadata"]["managedFields"].as_array().unwrap().iter().collect();
    assert!(managers.len() <= 3, "{managers:#?}");
    let of_data = managers.iter().filter(|entry| !entry["fieldsV1"]["f:data"].is_null());
    assert_eq!(of_data.map(|entry| &entry["manager"]).collect::<Vec<_>>(), ["secrets-store-csi-driver"]);
});

// A node that has not rotated yet, or cannot, never undoes one that has.
paused_stack_test!(a_node_that_lags_behind_does_not_revert_the_secret, |_| async {
    let (first, mut second, [one, two]) = two_nodes(NodeOptions::rotating(&FLAGS)).await;
    first.publish_mount(&one).await.unwrap();
    second.publish_mount(&two).await.unwrap();
    first.secret("s", |secret| !secret.is_null()).await;
    sleep(Duration::from_secs(60)).await;
    first.provider.answer(|_| reply("v2", &[("password", "second")]));
    first.secret("s", |secret| data(secret)["p"] == "second").await;
    at_rest(&first.cluster).await;
    assert_eq!(second.read_in(&two, "password").as_deref(), Some("first"));
    // Also not after a restart, which forgets all but what is on the volume.
    second.stop_driver().await;
    second.start_driver().await;
    second.publish_mount(&two).await.unwrap();
    at_rest(&first.cluster).await;
    assert_eq!(value(&first.cluster), "second");
    // Its next content is newer, and counts.
    second.provider.answer(|_| reply("v3", &[("password", "third")]));
    first.secret("s", |secret| data(secret)["p"] == "third").await;
    at_rest(&first.cluster).await;
});

// Some stores give every caller bytes of its own under one version.
paused_stack_test!(nodes_with_different_bytes_of_one_version_do_not_take_turns, |_| async {
    let (first, second, [one, two]) = two_nodes(NodeOptions::rotating(&FLAGS)).await;
    second.provider.answer(|_| reply("v1", &[("password", "of node 2")]));
    first.publish_mount(&one).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    second.publish_mount(&two).await.unwrap();
    first.secret("s", |secret| data(secret)["p"] == "of node 2").await;
    at_rest(&first.cluster).await;
    // An edit by hand is put right by the node whose content it is.
    first.api.patch("secrets", "default", "s", &json!({"data": {"p": "ZWRpdGVk"}})).unwrap();
    sleep(Duration::from_secs(600)).await;
    let value = value(&first.cluster);
    assert!(value == "of node 2" || value == "first", "{value}");
    at_rest(&first.cluster).await;
});

paused_stack_test!(a_node_whose_clock_is_a_day_ahead_does_not_own_the_secret_for_a_day, |_| async {
    let origin: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    let ahead = NodeOptions { clock: Some(WallClock::simulated(origin)), ..NodeOptions::rotating(&FLAGS) };
    let (first, second, [one, two]) = two_nodes(ahead).await;
    second.publish_mount(&two).await.unwrap();
    first.secret("s", |secret| !secret.is_null()).await;
    first.provider.answer(|_| reply("v2", &[("password", "second")]));
    first.publish_mount(&one).await.unwrap();
    first.secret("s", |secret| data(secret)["p"] == "second").await;
});

paused_stack_test!(a_secret_belongs_to_one_class, |_| async {
    let (first, second, [one, two]) = two_nodes(NodeOptions::rotating(&FLAGS)).await;
    second.put_class(
        "other",
        &json!([{"secretName": "s", "type": "Opaque", "data": [{"objectName": "password", "key": "q"}]}]),
    );
    first.publish_mount(&one).await.unwrap();
    first.secret("s", |secret| !secret.is_null()).await;
    second.publish_mount(&two.clone().class("other")).await.unwrap();
    let status = first
        .cluster
        .status("two", "other", |status| status["status"]["conditions"].to_string().contains("SecretsSynced"))
        .await;
    let condition = status["status"]["conditions"].as_array().unwrap().last().cloned().unwrap();
    assert_eq!(
        (&condition["reason"], &condition["status"]),
        (&json!("SecretOfAnotherClass"), &json!("False"))
    );
    assert_eq!(
        data(&first.api.get("secrets", "default", "s").unwrap()).into_keys().collect::<Vec<_>>(),
        ["p"]
    );
    // The first class gives it up: the other one has it after the Secret has gone.
    first.put_class("web", &json!([]));
    first.api.delete("secrets", "default", "s").unwrap();
    first.secret("s", |secret| data(secret).contains_key("q")).await;
    first
        .cluster
        .status("two", "other", |status| !status["status"]["conditions"].to_string().contains("False"))
        .await;
});

// Steps of the wall clock change neither the pace of rotation nor what is believed.
paused_stack_test!(jumps_of_the_wall_clock_change_nothing, |_| async {
    let (first, _second, [one, _]) = two_nodes(NodeOptions::rotating(&FLAGS)).await;
    first.publish_mount(&one).await.unwrap();
    first.secret("s", |secret| !secret.is_null()).await;
    for hours in [1, -2, 24, -48, 25] {
        first.clock.jump(SignedDuration::from_hours(hours));
        let calls = first.provider.count();
        sleep(HOUR).await;
        let calls = first.provider.count() - calls;
        assert!((54..=67).contains(&calls), "{calls} after a step of {hours} h");
        assert!(first.metric("keymount_rotation_staleness_seconds", "") < 70.0);
    }
    first.provider.answer(|_| reply("v2", &[("password", "second")]));
    first.secret("s", |secret| data(secret)["p"] == "second").await;
    let status: Value =
        first.cluster.status("one", "web", |status| status["status"]["objects"][0]["version"] == "v2").await;
    assert_eq!(status["status"]["mounted"], true);
});
