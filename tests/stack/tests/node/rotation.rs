//! Rotation over simulated hours: how often the provider is called (I3), that nothing is written when
//! nothing changes (I4), that failures keep the old content and are visible (I9).

use std::time::Duration;

use keymount_stack_tests::{Mount, Node, NodeOptions, Provider, data, paused_stack_test, reply};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::Status;

const HOUR: Duration = Duration::from_secs(3600);

/// Publishes again every so often for an hour, as kubelet does.
async fn republish_for_an_hour(node: &Node, cadence: Duration) {
    let end = Instant::now() + HOUR;
    while Instant::now() + cadence < end {
        sleep(cadence).await;
        node.publish().await.expect("a mounted volume");
    }
    sleep_until(end).await;
}

// Upstream takes the age of a directory for the age of the content and calls the provider at every
// republish (driver issue 2057).
paused_stack_test!(i3_issue_2057_the_interval_is_kept_under_any_republish_cadence, |_| async {
    for cadence in [5, 12, 60, 90, 7200].map(Duration::from_secs) {
        for (interval, most) in [("2m", 35), ("10m", 8), ("1h", 2)] {
            let node =
                Node::start(NodeOptions::rotating(&[&format!("--rotation-poll-interval={interval}")])).await;
            node.publish().await.unwrap();
            republish_for_an_hour(&node, cadence).await;
            let calls = node.provider.count();
            assert!(
                calls <= most && calls + 1 >= most * 8 / 10,
                "{calls} calls at {cadence:?} and {interval}"
            );
        }
    }
});

paused_stack_test!(i4_an_unchanged_rotation_writes_nothing, |_| async {
    let node =
        Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m", "--secret-repair-interval=0"]))
            .await;
    node.put_class(
        "web",
        &json!([{"secretName": "s", "type": "Opaque", "data": [{"objectName": "password", "key": "p"}]}]),
    );
    node.publish().await.unwrap();
    node.status(|status| status["status"]["mounted"] == true).await;
    node.secret("s", |secret| !secret.is_null()).await;
    sleep(Duration::from_secs(5)).await;
    let before = (node.api.revision(), std::fs::read_link(node.target().join("..data")).unwrap());
    node.api.journal().reset();
    republish_for_an_hour(&node, Duration::from_secs(12)).await;
    assert!(node.provider.count() > 50);
    assert_eq!(node.api.journal().writes(), 0);
    assert_eq!((node.api.revision(), std::fs::read_link(node.target().join("..data")).unwrap()), before);
    let reads: Vec<_> = node
        .api
        .journal()
        .records()
        .into_iter()
        .filter(|r| r.verb != keymount_emulator::kubernetes::Verb::Watch)
        .collect();
    assert!(reads.is_empty(), "watches alone: {reads:?}");
});

paused_stack_test!(new_content_reaches_file_status_and_secret, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=30s"])).await;
    node.put_class(
        "web",
        &json!([{"secretName": "s", "type": "Opaque", "data": [{"objectName": "password", "key": "p"}]}]),
    );
    node.publish().await.unwrap();
    node.secret("s", |secret| !secret.is_null()).await;
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    let status = node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
    assert_eq!(status["status"]["objects"][0]["id"], "secret/password");
    let secret = node
        .secret("s", |secret| {
            secret["metadata"]["annotations"]["keymount.io/object-versions"] == r#"{"secret/password":"v2"}"#
        })
        .await;
    assert_eq!(data(&secret)["p"], "second");
    assert_eq!(node.read("password").as_deref(), Some("second"));
    // The provider is told what is mounted.
    let told = node.provider.calls().pop().unwrap();
    assert_eq!(told.current_object_version[0].id, "secret/password");
    // An object that is gone takes its file along.
    node.provider.answer(|_| reply("v3", &[("other", "third")]));
    node.status(|status| status["status"]["objects"][0]["id"] == "secret/other").await;
    assert_eq!((node.read("password"), node.read("other").as_deref()), (None, Some("third")));
});

paused_stack_test!(i9_a_failed_rotation_keeps_the_content_and_is_visible, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=30s"])).await;
    node.publish().await.unwrap();
    let failure = "failed to get objectType:secret, objectName:password, objectVersion:: GET https://kv.vault.azure.net/x\nERROR CODE: Forbidden\noid=secret-oid";
    node.provider.answer(move |_| Err(Status::unknown(failure)));
    let status = node.status(|status| status["status"]["conditions"][1]["status"] == "False").await;
    let condition = &status["status"]["conditions"][1];
    assert_eq!(
        (&condition["type"], &condition["reason"]),
        (&json!("RotationSucceeded"), &json!("ProviderError"))
    );
    let message = condition["message"].as_str().unwrap();
    assert!(message.contains("objectName: password, Forbidden"), "{message}");
    for hidden in ["vault.azure.net", "oid"] {
        assert!(!message.contains(hidden), "{message}");
    }
    assert_eq!(status["status"]["mounted"], true);
    assert_eq!(node.read("password").as_deref(), Some("first"));
    // Kubelet is told nothing: it would take the volume away.
    node.publish().await.unwrap();
    // Hours of failures are one event every ten minutes at most, and calls with growing pauses.
    let calls = node.provider.count();
    sleep(2 * HOUR).await;
    assert!(node.provider.count() - calls < 70, "{}", node.provider.count() - calls);
    let events = node.api.list("events", "default");
    assert!(!events.is_empty() && events.len() < 15, "{}", events.len());
    assert!(events.iter().all(|event| event["reason"] == "MountRotationFailed" && event["involvedObject"]["name"] == "web"));
    // It recovers by itself.
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    node.status(|status| status["status"]["conditions"][1]["status"] == "True").await;
    assert_eq!(node.read("password").as_deref(), Some("second"));
});

paused_stack_test!(without_the_flag_nothing_is_fetched_again, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.publish().await.unwrap();
    republish_for_an_hour(&node, Duration::from_secs(60)).await;
    assert_eq!(node.provider.count(), 1);
});

paused_stack_test!(a_class_chooses_its_interval_and_asks_for_a_refresh, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1h"])).await;
    let annotate = |key: &str, value: &str| node.annotate_class("web", key, value);
    annotate("keymount.io/refresh", "before the pod came");
    node.publish().await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(node.provider.count(), 1);
    // Forced: within seconds, once per value, no kubelet involved.
    for (value, expected) in [("1", 2), ("1", 2), ("2", 3)] {
        annotate("keymount.io/refresh", value);
        sleep(Duration::from_secs(3)).await;
        assert_eq!(node.provider.count(), expected, "{value}");
    }
    annotate("keymount.io/rotation-poll-interval", "1m");
    sleep(HOUR).await;
    let calls = node.provider.count() - 3;
    assert!((55..=66).contains(&calls), "the new interval counts at once: {calls}");
    annotate("keymount.io/rotation-poll-interval", "24h");
    sleep(Duration::from_secs(60)).await;
    let calls = node.provider.count();
    sleep(20 * HOUR).await;
    assert_eq!(node.provider.count(), calls);
});

paused_stack_test!(what_a_class_says_now_counts_at_the_next_rotation, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    let other = Provider::start(&node.path("providers"), "other", |_| reply("o1", &[("other", "o")])).await;
    let edit = |spec: serde_json::Value| {
        node.api
            .patch(keymount_stack_tests::CLASSES, "default", "web", &json!({"spec": spec}))
            .expect("a class");
    };
    node.publish().await.unwrap();
    edit(json!({"parameters": {"objects": "edited"}}));
    node.provider.called(2).await;
    assert!(node.provider.calls()[1].attributes.contains(r#""objects":"edited""#));
    // Another provider: its files take the place of the first one's, in the same volume.
    edit(json!({"provider": "other"}));
    other.called(1).await;
    node.status(|status| status["status"]["objects"][0]["id"] == "secret/other").await;
    assert_eq!((node.read("password"), node.read("other").as_deref()), (None, Some("o")));
    // What makes no sense keeps the volume as it is, and says so.
    edit(json!({"provider": null}));
    let status = node.status(|status| status["status"]["conditions"][1]["status"] == "False").await;
    assert_eq!(status["status"]["conditions"][1]["reason"], "ClassInvalid");
    assert_eq!(node.read("other").as_deref(), Some("o"));
});

// From this alerts are made: how long ago the last success was, and of how many volumes the last attempt failed.
paused_stack_test!(how_old_content_is_shows_in_the_metrics, |_| async {
    let mut node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    let class = r#"class="web""#;
    let staleness = |node: &Node| node.metric("keymount_rotation_staleness_seconds", class);
    let last_success = |node: &Node| node.metric("keymount_rotation_last_success_timestamp_seconds", class);
    node.publish().await.unwrap();
    sleep(HOUR).await;
    assert!(staleness(&node) < 70.0, "{}", staleness(&node));
    let before = last_success(&node);
    // The test's clock starts at noon.
    assert!((1_795_525_200.0 - 70.0..=1_795_525_200.0).contains(&before), "{before}");
    node.provider.answer(|_| Err(Status::internal("boom")));
    sleep(HOUR).await;
    assert!((3600.0..=3670.0).contains(&staleness(&node)), "{}", staleness(&node));
    assert!(last_success(&node) - before < 70.0);
    assert_eq!(node.metric("keymount_rotation_failing_volumes", class), 1.0);
    // A restart knows of no success yet: the age counts from then on.
    node.stop_driver().await;
    node.start_driver().await;
    node.publish().await.unwrap();
    sleep(Duration::from_secs(600)).await;
    assert!((595.0..=605.0).contains(&staleness(&node)), "{}", staleness(&node));
    assert!(!node.metrics().contains("keymount_rotation_last_success_timestamp_seconds{"));
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
    assert_eq!(node.metric("keymount_rotation_failing_volumes", class), 0.0);
    assert!(staleness(&node) < 60.0);
});

paused_stack_test!(an_unpublished_volume_is_not_rotated, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=30s"])).await;
    node.publish().await.unwrap();
    node.unpublish().await.unwrap();
    sleep(HOUR).await;
    assert_eq!(node.provider.count(), 1);
});

paused_stack_test!(tokens_are_kept_fresh_by_kubelet_and_expired_ones_are_not_used, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=10m"])).await;
    let with_token = |token: &str, expires: &str| {
        let mut request = node.request();
        let tokens = json!({"aud": {"token": token, "expirationTimestamp": expires}}).to_string();
        request.volume_context.insert("csi.storage.k8s.io/serviceAccount.tokens".to_owned(), tokens);
        request
    };
    // The test's clock starts at noon.
    node.publish_as(with_token("first", "2026-11-24T13:00:00Z")).await.unwrap();
    sleep(Duration::from_secs(300)).await;
    node.publish_as(with_token("second", "2026-11-24T13:05:00Z")).await.unwrap();
    // One interval, and the tenth by which it may be late.
    sleep(Duration::from_secs(661)).await;
    let used = node.provider.calls().pop().unwrap();
    assert!(used.attributes.contains("second"), "the newest token is used");
    // Kubelet stops republishing: after the token's end nobody is called with it.
    sleep(HOUR).await;
    let calls = node.provider.count();
    sleep(HOUR).await;
    assert_eq!(node.provider.count(), calls);
    let status = node.status(|status| status["status"]["conditions"][1]["status"] == "False").await;
    assert_eq!(status["status"]["conditions"][1]["reason"], "TokensExpired");
    // With a new one it goes on at once.
    node.publish_as(with_token("third", "2026-11-24T18:00:00Z")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert!(node.provider.calls().pop().unwrap().attributes.contains("third"));
});

// Pods of one class that started at different times, as after a scale-up: one fetch serves them all.
paused_stack_test!(volumes_of_one_class_are_rotated_together_whenever_their_pods_started, |_| async {
    let mut node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=10m"])).await;
    let mounts: Vec<_> =
        (0..8).map(|number| Mount::new(&format!("web-{number}"), &format!("uid-{number}"))).collect();
    for mount in &mounts {
        node.publish_mount(mount).await.unwrap();
        sleep(Duration::from_secs(47)).await;
    }
    for restarted in [false, true] {
        if restarted {
            node.stop_driver().await;
            node.start_driver().await;
            for mount in &mounts {
                sleep(Duration::from_secs(47)).await;
                node.publish_mount(mount).await.unwrap();
            }
        }
        sleep(Duration::from_secs(1200)).await;
        let (mut moments, end) = (Vec::new(), Instant::now() + HOUR);
        while Instant::now() < end {
            let before = node.provider.count();
            sleep(Duration::from_secs(2)).await;
            moments.extend(Some(node.provider.count() - before).filter(|calls| *calls > 0));
        }
        let calls: usize = moments.iter().sum();
        assert!(moments.len() <= 7 && calls >= 5 * mounts.len(), "restarted: {restarted}, {moments:?}");
    }
});

paused_stack_test!(after_a_restart_volumes_are_served_and_rotated_spread_over_one_interval, |_| async {
    let mut node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=10m"])).await;
    // Of twenty classes: volumes of one class share a fetch, and go together.
    let mount = |number: usize| {
        node.put_class(&format!("class-{number}"), &json!([]));
        Mount::new(&format!("web-{number}"), &format!("uid-{number}")).class(&format!("class-{number}"))
    };
    let mounts: Vec<_> = (0..20).map(mount).collect();
    for mount in &mounts {
        node.publish_mount(mount).await.unwrap();
    }
    node.stop_driver().await;
    node.start_driver().await;
    let before = node.provider.count();
    for mount in &mounts {
        node.publish_mount(mount).await.unwrap();
    }
    assert_eq!(node.provider.count(), before, "what is mounted is believed");
    sleep(Duration::from_secs(240)).await;
    let early = node.provider.count() - before;
    sleep(Duration::from_secs(420)).await;
    let all = node.provider.count() - before;
    assert!(all >= 20, "every volume within one interval: {all}");
    assert!((1..20).contains(&early), "and not all at once: {early}");
});
