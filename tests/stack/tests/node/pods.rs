//! Pods as they come: with several volumes, with long names, moved, made anew, gone too early.

use std::time::Duration;

use keymount_stack_tests::{Mount, Node, NodeOptions, STATUSES, paused_stack_test, reply, stack_test};
use serde_json::{Value, json};
use tokio::time::sleep;

fn secret_of_password(name: &str) -> Value {
    json!([{"secretName": name, "type": "Opaque", "data": [{"objectName": "password", "key": "p"}]}])
}

fn owners(object: &Value) -> Vec<String> {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().filter_map(|owner| owner["uid"].as_str().map(str::to_owned)).collect()
}

stack_test!(several_classes_in_one_pod_are_separate_volumes_statuses_and_secrets, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let names = ["one", "two", "three"];
    for name in names {
        node.put_class(name, &secret_of_password(&format!("of-{name}")));
    }
    node.provider.answer(|request| {
        let attributes: Value = serde_json::from_str(&request.attributes).unwrap();
        reply("v1", &[("password", attributes["secretProviderClass"].as_str().unwrap())])
    });
    let mounts = names.map(|name| node.mount().class(name).volume(name));
    for mount in &mounts {
        node.publish_mount(mount).await.unwrap();
    }
    for (mount, name) in mounts.iter().zip(names) {
        assert_eq!(node.read_in(mount, "password").as_deref(), Some(name));
        node.cluster.status("web", name, |status| status["status"]["mounted"] == true).await;
        let secret = node.secret(&format!("of-{name}"), |secret| !secret.is_null()).await;
        assert_eq!(
            (keymount_stack_tests::data(&secret)["p"].as_str(), owners(&secret)),
            (name, vec!["uid-of-web".to_owned()])
        );
    }
    node.unpublish_mount(&mounts[0]).await.unwrap();
    assert_eq!(node.mounts().len(), 2);
    assert_eq!(node.read_in(&mounts[1], "password").as_deref(), Some("two"));
});

// The Go driver tells the two apart nowhere, and syncing fails for ever for the second.
paused_stack_test!(the_same_class_twice_in_one_pod_works, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    node.put_class("web", &secret_of_password("s"));
    let mounts = ["a", "b"].map(|volume| node.mount().volume(volume));
    for mount in &mounts {
        node.publish_mount(mount).await.unwrap();
    }
    node.secret("s", |secret| !secret.is_null()).await;
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
    sleep(Duration::from_secs(90)).await;
    for mount in &mounts {
        assert_eq!(node.read_in(mount, "password").as_deref(), Some("second"));
    }
    assert_eq!(node.api.list(STATUSES, "default").len(), 1);
    let status = node.status(|_| true).await;
    assert_eq!(status["status"]["targetPath"], mounts[0].target(&node.pods()).display().to_string());
    // It stays true when one of them goes.
    let revision = node.api.revision();
    node.unpublish_mount(&mounts[0]).await.unwrap();
    node.provider.answer(|_| reply("v3", &[("password", "third")]));
    let status = node.status(|status| status["status"]["objects"][0]["version"] == "v3").await;
    assert_eq!(status["status"]["targetPath"], mounts[1].target(&node.pods()).display().to_string());
    assert_eq!(status["status"]["mounted"], true);
    assert!(node.api.revision() > revision);
    assert!(node.events("web").iter().all(|event| !event.contains("Failed")), "{:?}", node.events("web"));
});

// A StatefulSet's pod keeps its name: on another node, or on the same one.
paused_stack_test!(
    a_pod_of_the_same_name_takes_over_the_status_object_and_its_predecessor_does_not,
    |_| async {
        let first =
            Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"]).with_controllers()).await;
        first.publish().await.unwrap();
        let status = first.status(|status| status["status"]["mounted"] == true).await;
        assert_eq!(owners(&status), [first.pod_uid.as_str()]);
        let name = |status: &Value| {
            status["metadata"]["labels"]["internal.secrets-store.csi.k8s.io/node-name"].clone()
        };
        assert_eq!(name(&status), "node-1");

        // The pod is deleted and made anew on another node, while the first still has the volume and rotates it.
        first.api.delete("pods", "default", "web").unwrap();
        first.put_pod("web");
        let second =
            Node::join(&first.cluster, "node-2", NodeOptions::rotating(&["--rotation-poll-interval=1m"]))
                .await;
        assert_ne!(second.pod_uid, first.pod_uid);
        second.publish().await.unwrap();
        let moved = |status: &Value| owners(status) == [second.pod_uid.clone()] && name(status) == "node-2";
        second.status(moved).await;
        first.provider.answer(|_| reply("v9", &[("password", "ninth")]));
        sleep(Duration::from_secs(200)).await;
        assert_eq!(first.read("password").as_deref(), Some("ninth"));
        let status = second.status(|_| true).await;
        assert!(moved(&status) && status["status"]["objects"][0]["version"] == "v1", "{status}");
        first.unpublish().await.unwrap();

        // And on the same node, with another UID and so another path.
        second.api.delete("pods", "default", "web").unwrap();
        second.put_pod("web");
        let third = Mount::new("web", &second.cluster.pod_uid("web"));
        second.publish_mount(&third).await.unwrap();
        second.status(|status| owners(status) == [third.uid.clone()]).await;
        second.unpublish().await.unwrap();
        assert_eq!(second.mounts().len(), 1);
    }
);

paused_stack_test!(a_pod_that_is_gone_before_its_status_was_written_leaves_nothing, |_| async {
    let node = Node::start(NodeOptions::default().with_controllers()).await;
    node.put_class("web", &secret_of_password("s"));
    sleep(Duration::from_secs(1)).await;
    node.publish().await.unwrap();
    node.secret("s", |secret| !secret.is_null()).await;
    let late = Mount::new("late", "uid-of-nobody");
    node.api.down().await;
    node.publish_mount(&late).await.unwrap();
    node.unpublish().await.unwrap();
    node.api.delete("pods", "default", "web").unwrap();
    sleep(Duration::from_secs(30)).await;
    node.api.up().await.unwrap();
    sleep(Duration::from_secs(900)).await;
    assert_eq!(
        node.api.list(STATUSES, "default"),
        Vec::<Value>::new(),
        "the collector takes what nobody owns"
    );
    assert!(node.api.get("secrets", "default", "s").is_none(), "no Secret without an owner");
    // Nobody asks for it any more once it is unmounted.
    node.unpublish_mount(&late).await.unwrap();
    node.api.journal().reset();
    sleep(Duration::from_secs(7200)).await;
    assert_eq!(node.api.journal().writes(), 0);
});

stack_test!(long_names_are_hashed_and_still_lead_back, |_| async {
    let node_name = format!("{}.example.com", "n".repeat(100));
    let first = Node::start(NodeOptions::default()).await;
    let node = Node::join(&first.cluster, &node_name, NodeOptions::default()).await;
    let (pod_name, class) = ("p".repeat(200), "c".repeat(200));
    node.put_class(&class, &json!([]));
    let uid = node.put_pod(&pod_name);
    let mount = Mount::new(&pod_name, &uid).class(&class);
    node.publish_mount(&mount).await.unwrap();
    let status = loop {
        if let Some(status) = node.api.list(STATUSES, "default").pop() {
            break status;
        }
        node.api.changed_after(node.api.revision()).await;
    };
    let (name, label) = (
        &status["metadata"]["name"],
        &status["metadata"]["labels"]["internal.secrets-store.csi.k8s.io/node-name"],
    );
    assert!(name.as_str().unwrap().len() <= 253 && label.as_str().unwrap().len() <= 63, "{status}");
    assert_eq!(
        (&status["status"]["podName"], &status["status"]["secretProviderClassName"]),
        (&json!(pod_name), &json!(class))
    );
});

// `a-b` with class `c` and `a` with class `b-c` have the same status name in the Go driver.
paused_stack_test!(pods_and_classes_whose_names_run_together_are_told_apart, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let mut mounts = Vec::new();
    for (pod_name, class) in [("a-default-b", "c"), ("a", "b-default-c")] {
        node.put_class(class, &json!([]));
        let uid = node.put_pod(pod_name);
        mounts.push(Mount::new(pod_name, &uid).class(class));
    }
    for mount in &mounts {
        node.publish_mount(mount).await.unwrap();
        sleep(Duration::from_secs(5)).await;
    }
    let statuses = node.api.list(STATUSES, "default");
    let pods: Vec<_> = statuses.iter().map(|status| status["status"]["podName"].clone()).collect();
    assert_eq!(pods.len(), 2, "{statuses:?}");
    assert!(pods.contains(&json!("a")) && pods.contains(&json!("a-default-b")), "{pods:?}");
    node.api.journal().reset();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(node.api.journal().writes(), 0, "they do not take turns");
});

stack_test!(a_kubelet_root_behind_a_symlink_is_accepted, |_| async {
    let mut node = Node::start(NodeOptions::default()).await;
    node.stop_driver().await;
    std::os::unix::fs::symlink(node.path(""), node.path("kubelet")).unwrap();
    let pods = node.path("kubelet/pods");
    node.set_flags(&[&format!("--kubelet-pods-dir={}", pods.display())]);
    node.start_driver().await;
    let request = node.mount().request(&pods);
    let target = node.mount().target(&pods);
    node.publish_as(request.clone()).await.unwrap();
    assert_eq!(node.read("password").as_deref(), Some("first"));
    // Found again by the name kubelet uses, after a restart.
    node.stop_driver().await;
    node.start_driver().await;
    assert_eq!(node.metric("keymount_volumes", ""), 1.0);
    node.publish_as(request).await.unwrap();
    assert_eq!((node.provider.count(), node.metric("keymount_volumes", "")), (1, 1.0));
    node.unpublish_at(&target).await.unwrap();
    assert!(node.mounts().is_empty());
});
