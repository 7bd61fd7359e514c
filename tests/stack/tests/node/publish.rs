//! The flow of a mount: invariants I1, I2 and I7, codes and texts, and what is left behind.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use keymount_proto::provider::MountResponse;
use keymount_stack_tests::{Node, NodeOptions, file, paused_stack_test, reply, stack_test};
use serde_json::{Value, json};
use tonic::{Code, Status};

stack_test!(a_volume_is_mounted_and_unmounted, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.publish().await.unwrap();
    assert_eq!(node.read("password").as_deref(), Some("first"));
    assert_eq!(node.mounts().len(), 1);
    let target = node.target();
    let data = std::fs::read_link(target.join("..data")).unwrap();
    assert!(data.to_str().unwrap().starts_with("..20"), "{data:?}");
    assert_eq!(std::fs::read_link(target.join("password")).unwrap().to_str(), Some("..data/password"));
    let mode = |path: &str| std::fs::metadata(target.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(""), mode("..data/"), mode("password")), (0o755, 0o755, 0o644));

    node.unpublish().await.unwrap();
    assert!(node.mounts().is_empty() && !target.exists());
    node.unpublish().await.unwrap();
});

stack_test!(the_provider_is_told_what_upstream_tells_it, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let mut request = node.request();
    request.volume_context.insert("keyvaultName".to_owned(), "from-the-pod".to_owned());
    let tokens = json!({"aud": {"token": "t", "expirationTimestamp": "2026-11-24T13:00:00Z"}}).to_string();
    request.volume_context.insert("csi.storage.k8s.io/serviceAccount.tokens".to_owned(), tokens.clone());
    request.secrets.insert("clientid".to_owned(), "id".to_owned());
    node.publish_as(request).await.unwrap();
    let calls = node.provider.calls();
    let attributes: Value = serde_json::from_str(&calls[0].attributes).unwrap();
    assert_eq!(
        attributes,
        json!({
            "objects": "[]", "keyvaultName": "from-the-pod", "secretProviderClass": "web",
            "csi.storage.k8s.io/ephemeral": "true", "csi.storage.k8s.io/pod.name": "web",
            "csi.storage.k8s.io/pod.namespace": "default", "csi.storage.k8s.io/pod.uid": node.pod_uid,
            "csi.storage.k8s.io/serviceAccount.name": "default",
            "csi.storage.k8s.io/serviceAccount.tokens": tokens,
        })
    );
    assert_eq!(calls[0].secrets, r#"{"clientid":"id"}"#);
    assert_eq!(calls[0].permission, "420");
    assert_eq!(calls[0].target_path, node.target().display().to_string());
    assert!(calls[0].current_object_version.is_empty());
});

stack_test!(a_mounted_volume_is_answered_without_provider_and_api, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.publish().await.unwrap();
    node.status(|status| status["status"]["mounted"] == true).await;
    node.api.journal().reset();
    node.api.down().await;
    for _ in 0..20 {
        node.publish().await.unwrap();
    }
    assert_eq!(node.provider.count(), 1);
    assert!(node.api.journal().records().is_empty());
});

// I1: an OK means a complete volume, whatever the first attempt ended with (driver issue 1051). Kubelet
// starts over only after a final code, so only those are answered.
paused_stack_test!(i1_a_failed_first_mount_leaves_nothing_and_the_next_one_mounts, |_| async {
    for rotation in [&[][..], &["--enable-secret-rotation", "--rotation-poll-interval=1h"]] {
        let node = Node::start(NodeOptions::flags(rotation)).await;
        for number in 1..=16 {
            let code = Code::from_i32(number);
            node.provider.answer(move |_| Err(Status::new(code, "boom")));
            let error = node.publish().await.unwrap_err();
            let expected = match code {
                Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Unavailable
                | Code::ResourceExhausted
                | Code::Aborted => Code::Unknown,
                code => code,
            };
            assert_eq!(error.code(), expected, "{code:?}");
            let text = error.message();
            assert!(
                text.starts_with(
                    "failed to mount secrets store objects for pod default/web, err: rpc error: code = "
                ),
                "{text}"
            );
            assert!(text.contains(" desc = boom"), "{text}");
            assert!(node.mounts().is_empty(), "{code:?}");
        }
        node.provider.answer(|_| reply("v1", &[("password", "second")]));
        // Kubelet may have kept the directory.
        std::fs::create_dir_all(node.target()).unwrap();
        node.publish().await.unwrap();
        assert_eq!(node.read("password").as_deref(), Some("second"));
    }
});

// I1: a driver that is killed while the provider is slow leaves nothing that a later publish believes.
stack_test!(i1_a_killed_driver_leaves_no_volume_that_is_believed, |_| async {
    for learned in [false, true] {
        let mut node = Node::start(NodeOptions::default().killable()).await;
        if learned {
            node.publish().await.unwrap();
            node.unpublish().await.unwrap();
        }
        let before = node.provider.count();
        node.provider.hold();
        let mut csi = node.csi();
        let request = node.request();
        let publishing = tokio::spawn(async move { csi.node_publish_volume(request).await });
        node.provider.called(before + 1).await;
        node.kill_driver();
        publishing.await.unwrap().unwrap_err();
        assert_eq!(node.read("password"), None);
        node.provider.release();
        node.start_driver().await;
        node.publish().await.unwrap();
        assert_eq!(node.read("password").as_deref(), Some("first"), "learned: {learned}");
        assert_eq!(node.mounts().len(), 1);
        node.unpublish().await.unwrap();
        assert!(node.mounts().is_empty());
    }
});

// What upstream leaves when it is killed between mount and write: an empty tmpfs.
stack_test!(i1_an_empty_tmpfs_is_no_volume, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let target = node.target();
    std::fs::create_dir_all(&target).unwrap();
    let mounted =
        std::process::Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&target).status().unwrap();
    assert!(mounted.success());
    node.publish().await.unwrap();
    assert_eq!(node.read("password").as_deref(), Some("first"));
    node.unpublish().await.unwrap();
    assert!(node.mounts().is_empty());
});

stack_test!(sigterm_while_the_provider_is_slow_is_answered_with_an_error, |_| async {
    let mut node = Node::start(NodeOptions::default()).await;
    node.provider.hold();
    let mut csi = node.csi();
    let request = node.request();
    let publishing = tokio::spawn(async move { csi.node_publish_volume(request).await });
    node.provider.called(1).await;
    node.stop_driver().await;
    let error = publishing.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Unknown, "{error}");
    assert!(node.mounts().is_empty());
});

// I7: a reply is accepted whole or refused whole, and nothing outside the target is touched.
stack_test!(i7_hostile_replies_are_refused_whole, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    std::fs::write(node.path("pods/precious"), "host").unwrap();
    let good = || reply("v1", &[("password", "first")]).unwrap();
    type Spoil = fn(&mut MountResponse);
    let rows: Vec<(Spoil, &str)> = vec![
        (|r| r.files.push(file("../../../../../precious", "x")), "must not contain '..'"),
        (|r| r.files.push(file("/etc/passwd", "x")), "must be relative path"),
        (|r| r.files.push(file("..data", "x")), "must not start with '..'"),
        (|r| r.files.push(file("", "x")), "must not be empty"),
        (|r| r.files.push(file(".", "x")), "invalid path"),
        (|r| r.files.push(file("a//b", "x")), "invalid file"),
        (|r| r.files.push(file("a\0b", "x")), ""),
        (|r| r.files.push(file("password", "x")), "password"),
        (|r| r.files.push(file("password/inner", "x")), "password"),
        (|r| r.files[0].mode = 0o4755, "password"),
        (|r| r.files[0].mode = -1, "password"),
        (|r| r.object_version.clear(), "missing object versions"),
        (
            |r| r.error = Some(keymount_proto::provider::Error { code: "Denied".to_owned() }),
            "mount request failed with provider error code Denied",
        ),
    ];
    for (spoil, text) in rows {
        node.provider.answer(move |_| {
            let mut response = good();
            spoil(&mut response);
            Ok(response)
        });
        let error = node.publish().await.unwrap_err();
        assert_eq!(error.code(), Code::Unknown, "{error}");
        let start = "failed to mount secrets store objects for pod default/web, err: ";
        assert!(
            error.message().starts_with(start) && error.message().contains(text),
            "{text}: {}",
            error.message()
        );
        assert!(node.mounts().is_empty(), "{text}");
    }
    assert_eq!(std::fs::read_to_string(node.path("pods/precious")).unwrap(), "host");
});

// I7: with kubelet's pods directory configured, no other path is mounted on or removed.
stack_test!(i7_target_paths_outside_the_pods_directory_are_refused, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let outside = node.path("elsewhere");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), "host").unwrap();
    let sneaky = node.path("pods").join(&node.pod_uid).join("volumes/kubernetes.io~csi/v/mount");
    std::fs::create_dir_all(sneaky.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&outside, &sneaky).unwrap();
    let dotted = node.path("pods/x/../../elsewhere");
    for target in [&outside, &dotted] {
        let mut request = node.request();
        request.target_path = target.display().to_string();
        let error = node.publish_as(request).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal, "{error}");
        node.unpublish_at(target).await.unwrap_err();
    }
    let mut request = node.request();
    request.target_path = sneaky.display().to_string();
    node.publish_as(request).await.unwrap_err();
    assert!(node.mounts().is_empty());
    assert_eq!(std::fs::read_to_string(outside.join("precious")).unwrap(), "host");
    assert_eq!(node.provider.count(), 0);
});

stack_test!(a_provider_that_writes_its_files_itself_is_supported, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.provider.answer(|request| {
        std::fs::write(format!("{}/written", request.target_path), "by the provider").unwrap();
        let mut response = reply("v1", &[("written", "")])?;
        response.files.clear();
        Ok(response)
    });
    for _ in 0..2 {
        node.publish().await.unwrap();
        assert_eq!(node.read("written").as_deref(), Some("by the provider"));
        assert_eq!(node.mounts().len(), 1);
        // Answered without another call.
        let calls = node.provider.count();
        node.publish().await.unwrap();
        assert_eq!(node.provider.count(), calls);
        node.unpublish().await.unwrap();
        assert!(node.mounts().is_empty());
    }
    // It fails: nothing stays, also where it had written something already.
    node.provider.answer(|request| {
        std::fs::write(format!("{}/half", request.target_path), "half").unwrap();
        Err(Status::internal("boom"))
    });
    node.publish().await.unwrap_err();
    assert!(node.mounts().is_empty());
});

stack_test!(an_unpublish_cancels_a_publish_that_hangs, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.provider.hold();
    let mut csi = node.csi();
    let request = node.request();
    let publishing = tokio::spawn(async move { csi.node_publish_volume(request).await });
    node.provider.called(1).await;
    tokio::time::timeout(Duration::from_secs(10), node.unpublish()).await.expect("at once").unwrap();
    publishing.await.unwrap().unwrap_err();
    assert!(node.mounts().is_empty());
});

// Kubelet gives up and asks again: the second request joins what the first began.
stack_test!(a_retry_joins_the_running_mount, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.provider.hold();
    let mut csi = node.csi();
    let request = node.request();
    let first = tokio::spawn(async move { csi.node_publish_volume(request).await });
    node.provider.called(1).await;
    first.abort();
    let mut csi = node.csi();
    let request = node.request();
    let second = tokio::spawn(async move { csi.node_publish_volume(request).await });
    // The second request is on its way once another call of the same connection has been answered.
    node.provider.release();
    second.await.unwrap().unwrap();
    assert_eq!(node.provider.count(), 1);
    assert_eq!(node.read("password").as_deref(), Some("first"));
});

stack_test!(the_budget_for_mounted_bytes_ends_in_a_clear_error, |_| async {
    let node = Node::start(NodeOptions::flags(&["--mounted-bytes-budget=65536"])).await;
    node.provider.answer(|_| reply("v1", &[("big", &"x".repeat(100_000))]));
    let error = node.publish().await.unwrap_err();
    assert!(error.message().contains("--mounted-bytes-budget"), "{}", error.message());
    assert!(node.mounts().is_empty());
    node.provider.answer(|_| reply("v1", &[("small", "x")]));
    node.publish().await.unwrap();
});
