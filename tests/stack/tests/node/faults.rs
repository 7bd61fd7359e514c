//! Faults and attacks of the catalogue in docs/trust.md that no other test shows.

use std::collections::BTreeSet;
use std::time::Duration;

use keymount_emulator::faults::{Action, Rule, Service};
use keymount_proto::csi::NodePublishVolumeRequest;
use keymount_stack_tests::{
    CLASSES, Mount, Node, NodeOptions, STATUSES, class, data, file, paused_stack_test, reply, stack_test,
};
use serde_json::{Value, json};
use tokio::time::sleep;

const SECRET: &str =
    r#"[{"secretName": "s", "type": "Opaque", "data": [{"objectName": "password", "key": "p"}]}]"#;

fn secret_objects() -> Value {
    serde_json::from_str(SECRET).expect("JSON")
}

/// Names in a directory, sorted.
fn names(path: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

// Object names with `..` let a provider write outside of the mount (driver issue 384).
paused_stack_test!(cve_2020_8567_no_path_of_a_provider_leads_out_of_the_volume, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    std::fs::write(node.path("precious"), "host").unwrap();
    let long = |length: usize| "x".repeat(length);
    let deep = "d/".repeat(2047) + "fff";
    let refused = [
        "../x",
        "../../../../../../precious",
        "/abs",
        "/etc/cron.d/x",
        "a/../../b",
        "a/..",
        "..",
        "..data",
        "..data/x",
        "..2026_11_28_05_00_00.1",
        "..keymount",
        "a\0b",
        "a//b",
        "a/./b",
        "./a",
        ".",
        "",
        "a/",
        "trailing/.",
    ];
    let too_long = [long(256), format!("a/{}", long(256)), deep];
    for path in refused.iter().map(|path| (*path).to_owned()).chain(too_long) {
        let sent = path.clone();
        node.provider.answer(move |_| {
            let mut response = reply("v1", &[("good", "x")])?;
            response.files.push(file(&sent, "x"));
            Ok(response)
        });
        node.publish().await.expect_err(&path);
        assert!(node.mounts().is_empty(), "{path:?}");
    }
    // Look-alikes are ordinary names, and stay inside.
    let accepted = [
        "\u{2024}\u{2024}/x",
        "\u{ff0e}\u{ff0e}",
        "\u{2025}",
        "a..b",
        "x..",
        "...",
        "a\\..\\b",
        "%2e%2e",
        "~",
    ];
    let sent = accepted.map(str::to_owned).into_iter().chain([long(255)]).filter(|name| name != "...");
    let sent: Vec<String> = sent.collect();
    let files = sent.clone();
    node.provider.answer(move |_| {
        let mut response = reply("v1", &[("good", "x")])?;
        response.files.extend(files.iter().map(|path| file(path, "inside")));
        Ok(response)
    });
    node.publish().await.unwrap();
    for path in &sent {
        assert_eq!(node.read(path).as_deref(), Some("inside"), "{path}");
    }
    assert_eq!(std::fs::read_to_string(node.path("precious")).unwrap(), "host");
    assert_eq!(names(&node.pods()), std::slice::from_ref(&node.pod_uid));
});

/// The volume of the pod `web` of another namespace.
fn request_of(node: &Node, namespace: &str) -> (Mount, NodePublishVolumeRequest) {
    let pod = node.api.get("pods", namespace, "web").expect("a pod");
    let mount = Mount::new("web", pod["metadata"]["uid"].as_str().expect("a UID"));
    let mut request = mount.request(&node.pods());
    request.volume_context.insert("csi.storage.k8s.io/pod.namespace".to_owned(), namespace.to_owned());
    (mount, request)
}

// Classes of one name in two namespaces: each pod gets its own (driver issue 304, provider issues 195 and 223), and
// nothing at the API is read or written but in the namespace of a pod (the class of CVE-2024-45041).
stack_test!(issue_304_i6_two_tenants_with_equal_names_share_nothing, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1s"])).await;
    for namespace in ["red", "blue"] {
        node.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
        node.put(&json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace},
        }));
        let mut class = class("web", "test", &secret_objects());
        class["metadata"]["namespace"] = namespace.into();
        class["spec"]["parameters"]["objects"] = namespace.into();
        node.put(&class);
        let mut pod = keymount_stack_tests::pod("web");
        pod["metadata"]["namespace"] = namespace.into();
        node.put(&pod);
    }
    node.provider.answer(|request| {
        let attributes: Value = serde_json::from_str(&request.attributes).expect("JSON");
        reply("v1", &[("password", attributes["objects"].as_str().expect("text"))])
    });
    node.api.journal().reset();
    for namespace in ["red", "blue"] {
        let (mount, request) = request_of(&node, namespace);
        node.publish_as(request).await.unwrap();
        assert_eq!(node.read_in(&mount, "password").as_deref(), Some(namespace));
        let own = |object: Option<&Value>| object.is_some_and(|secret| data(secret)["p"] == namespace);
        node.api.wait_for("secrets", namespace, "s", own).await;
    }
    // Files that a pod's author names through the attributes of another namespace change nothing.
    let (mount, mut request) = request_of(&node, "red");
    let mount = mount.volume("other");
    request.target_path = mount.target(&node.pods()).display().to_string();
    for key in ["namespace", "secretProviderClassNamespace", "csi.storage.k8s.io/namespace"] {
        request.volume_context.insert(key.to_owned(), "blue".to_owned());
    }
    node.publish_as(request).await.unwrap();
    assert_eq!(node.read_in(&mount, "password").as_deref(), Some("red"));
    let records = node.api.journal().records();
    let foreign: Vec<_> = records
        .iter()
        .filter(|record| {
            !["red", "blue"].contains(&record.namespace.as_str()) && record.resource != "csidrivers"
        })
        .collect();
    assert!(records.len() > 10 && foreign.is_empty(), "{foreign:#?}");
    let wide: Vec<_> =
        records.iter().filter(|record| record.name.is_empty() && record.resource == "secrets").collect();
    assert!(
        wide.iter().all(|record| record.verb == keymount_emulator::kubernetes::Verb::Create),
        "{wide:#?}"
    );
});

// SIGKILL between the files and everything that is told about them: repaired without another call to the provider.
stack_test!(fault_3_what_was_not_told_before_a_kill_is_told_after_it_without_a_call, |_| async {
    let mut node = Node::start(NodeOptions::default().killable()).await;
    node.put_class("web", &secret_objects());
    node.publish().await.unwrap();
    node.secret("s", |secret| !secret.is_null()).await;
    node.unpublish().await.unwrap();
    node.api.delete(STATUSES, "default", "web-default-web").unwrap();
    node.api.delete("secrets", "default", "s").unwrap();
    // From here on nothing can be written, and the driver is killed while it waits to.
    let writes = |method: &str| Rule::on(Service::Kubernetes, Action::Hang).method(method).path("/*");
    node.faults.add(writes("POST"));
    node.publish().await.unwrap();
    let calls = node.provider.count();
    node.kill_driver();
    node.faults.clear();
    assert!(node.api.get(STATUSES, "default", "web-default-web").is_none(), "it was not told");
    node.start_driver().await;
    node.publish().await.unwrap();
    let status = node.status(|status| status["status"]["mounted"] == true).await;
    assert_eq!(status["status"]["objects"], json!([{"id": "secret/password", "version": "v1"}]));
    node.secret("s", |secret| data(secret).get("p").is_some_and(|value| value == "first")).await;
    assert_eq!(node.provider.count(), calls);
});

// A reboot: every tmpfs is gone, kubelet's directories are there, nothing is remembered.
stack_test!(fault_4_after_a_reboot_volumes_are_mounted_anew, |_| async {
    let mut node = Node::start(NodeOptions::default().killable()).await;
    node.publish().await.unwrap();
    node.kill_driver();
    let unmounted = std::process::Command::new("umount").arg(node.target()).status().unwrap();
    assert!(unmounted.success() && node.target().is_dir());
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    node.start_driver().await;
    node.publish().await.unwrap();
    assert_eq!(node.read("password").as_deref(), Some("second"));
    assert_eq!(node.mounts().len(), 1);
    node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
});

// A StatefulSet's pod is deleted and comes back under its name, with another UID.
paused_stack_test!(fault_16_a_pod_of_the_same_name_is_another_pod, |_| async {
    let mut node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    node.publish().await.unwrap();
    node.status(|_| true).await;
    let old = node.mount();
    node.api.delete("pods", "default", "web").unwrap();
    node.pod_uid = node.put_pod("web");
    assert_ne!(old.uid, node.pod_uid);
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    // The new one mounts before the old one is unmounted, as it may on another node's word.
    node.publish().await.unwrap();
    assert_eq!(node.read("password").as_deref(), Some("second"));
    let is_new = |status: &Value| status["metadata"]["ownerReferences"][0]["uid"] == node.pod_uid.as_str();
    node.status(is_new).await;
    node.unpublish_mount(&old).await.unwrap();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(node.read("password").as_deref(), Some("second"));
    let status = node.status(is_new).await;
    assert_eq!(status["status"]["mounted"], true);
    assert_eq!(node.mounts().len(), 1);
});

// Every object that is republished at once, by many kubelets' worth of calls, while one version is new.
paused_stack_test!(fault_22_ten_thousand_republishes_and_one_new_version_are_one_generation, |_| async {
    const VOLUMES: usize = 20;
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=30s"])).await;
    let mounts: Vec<Mount> = (0..VOLUMES)
        .map(|number| {
            let name = format!("pod-{number}");
            Mount::new(&name, &node.put_pod(&name))
        })
        .collect();
    for mount in &mounts {
        node.publish_mount(mount).await.unwrap();
    }
    let generation = |mount: &Mount| std::fs::read_link(mount.target(&node.pods()).join("..data")).unwrap();
    let first: Vec<_> = mounts.iter().map(generation).collect();
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    let (mut csi, mut seen) = (node.csi(), vec![BTreeSet::new(); VOLUMES]);
    for _ in 0..500 {
        for (mount, seen) in mounts.iter().zip(&mut seen) {
            csi.node_publish_volume(mount.request(&node.pods())).await.unwrap();
            seen.insert(generation(mount));
        }
        sleep(Duration::from_millis(120)).await;
    }
    for ((seen, first), mount) in seen.iter().zip(&first).zip(&mounts) {
        assert!(seen.len() == 2 && seen.contains(first), "{seen:?}");
        assert_eq!(node.read_in(mount, "password").as_deref(), Some("second"));
    }
    // Calls: one for each volume and interval, whatever kubelet does.
    assert!(node.provider.count() <= VOLUMES * 4, "{}", node.provider.count());
});

// An object leaves the class: its file goes, and with it the key of the Secret.
paused_stack_test!(fault_23_an_object_that_leaves_the_class_leaves_files_and_secret, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    let both = json!([{"secretName": "s", "type": "Opaque", "data": [
        {"objectName": "password", "key": "p"}, {"objectName": "user", "key": "u"},
    ]}]);
    node.put_class("web", &both);
    node.provider.answer(|_| reply("v1", &[("password", "first"), ("user", "name")]));
    node.publish().await.unwrap();
    node.secret("s", |secret| data(secret).len() == 2).await;
    node.provider.answer(|_| reply("v1", &[("password", "first")]));
    node.api.patch(CLASSES, "default", "web", &json!({"spec": {"secretObjects": secret_objects()}})).unwrap();
    node.secret("s", |secret| data(secret).len() == 1).await;
    let told =
        node.status(|status| status["status"]["objects"].as_array().is_some_and(|o| o.len() == 1)).await;
    assert_eq!(told["status"]["objects"][0]["id"], "secret/password");
    assert_eq!(node.read("user"), None);
    let shown: Vec<_> = names(&node.target()).into_iter().filter(|name| !name.starts_with("..")).collect();
    assert_eq!(shown, ["password"]);
});

// Concurrent publishes and unpublishes of one volume: each is answered, and the last word counts.
paused_stack_test!(fault_27_publish_and_unpublish_of_one_volume_at_once_end_clean, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    for round in 0..30 {
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..8 {
            let (mut csi, request) = (node.csi(), node.request());
            let target_path = request.target_path.clone();
            calls.spawn(async move {
                if (number + round) % 2 == 0 {
                    // Refused or cancelled by the other side it may be, and then says so.
                    csi.node_publish_volume(request).await.map(drop)
                } else {
                    let request = keymount_proto::csi::NodeUnpublishVolumeRequest {
                        volume_id: "csi-1".to_owned(),
                        target_path,
                    };
                    csi.node_unpublish_volume(request).await.map(drop)
                }
            });
        }
        while let Some(answered) = calls.join_next().await {
            let _ = answered.expect("an answer, not a panic");
            assert!(node.mounts().len() <= 1, "{:?}", node.mounts());
        }
        node.publish().await.unwrap();
        assert_eq!(node.read("password").as_deref(), Some("first"));
        node.unpublish().await.unwrap();
        assert!(node.mounts().is_empty() && !node.target().exists());
    }
});

// The host's file system turns read-only, as ext4 does after an error: what is mounted is served, rotated and can be
// unmounted; what is new is an error that says so, and mounts once it can be written again.
stack_test!(fault_24_on_a_read_only_host_volumes_rotate_and_new_ones_are_refused, |_| async {
    use rustix::mount::{MountFlags, mount_bind, mount_remount};
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1s"])).await;
    let pods = node.pods();
    mount_bind(&pods, &pods).unwrap();
    node.publish().await.unwrap();
    let writable = |writable: bool| {
        let flags = if writable { MountFlags::BIND } else { MountFlags::BIND | MountFlags::RDONLY };
        mount_remount(&pods, flags, "").unwrap();
    };
    writable(false);
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
    assert_eq!(node.read("password").as_deref(), Some("second"));
    node.publish().await.expect("a mounted volume is answered OK");
    let other = Mount::new("other", &node.put_pod("other"));
    let refused = node.publish_mount(&other).await.expect_err("nowhere to mount");
    assert!(refused.message().to_lowercase().contains("read-only file system"), "{refused}");
    // Its directory cannot be removed, but its content goes.
    node.unpublish().await.expect_err("the directory is still there");
    assert_eq!(node.read("password"), None);
    writable(true);
    node.unpublish().await.unwrap();
    node.publish_mount(&other).await.unwrap();
    assert_eq!(node.read_in(&other, "password").as_deref(), Some("second"));
    node.unpublish_mount(&other).await.unwrap();
    let left: Vec<_> =
        node.mounts().into_iter().filter(|mount| *mount != pods.display().to_string()).collect();
    assert_eq!(left, Vec::<String>::new());
});
