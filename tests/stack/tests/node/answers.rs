//! What kubelet is answered, row by row: code, text, metric reason, and what is left behind.

use std::path::Path;
use std::process::Command;

use keymount_proto::csi::{
    NodePublishVolumeRequest, NodeStageVolumeRequest, NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest,
    VolumeCapability,
};
use keymount_proto::provider::{Error, MountResponse};
use keymount_stack_tests::{Node, NodeOptions, class, file, reply, stack_test};
use serde_json::{Value, json};
use tonic::{Code, Status};

/// A request that fails.
struct Row<'a> {
    change: Box<dyn Fn(&mut NodePublishVolumeRequest) + 'a>,
    code: Code,
    /// What the text begins with.
    text: String,
    /// Value of `error_type`.
    reason: &'a str,
}

fn row<'a>(
    code: Code,
    reason: &'a str,
    text: &str,
    change: impl Fn(&mut NodePublishVolumeRequest) + 'a,
) -> Row<'a> {
    Row { change: Box::new(change), code, text: text.to_owned(), reason }
}

/// Each row twice: the same answer, one more error of this reason and of no other, nothing mounted, nothing
/// in the pods directory.
async fn check(node: &Node, rows: Vec<Row<'_>>) {
    let failures =
        |reason: &str| node.metric("node_publish_error_total", &format!("error_type=\"{reason}\""));
    for Row { change, code, text, reason } in rows {
        for _ in 0..2 {
            let before = (failures(reason), node.metric("node_publish_error_total", ""));
            let mut request = node.request();
            change(&mut request);
            let error = node.publish_as(request).await.expect_err(&text);
            assert_eq!(error.code(), code, "{text}");
            assert!(error.message().starts_with(&text), "is     {}\nwanted {text}", error.message());
            let after = (failures(reason), node.metric("node_publish_error_total", ""));
            assert_eq!(after, (before.0 + 1.0, before.1 + 1.0), "{text}\n{}", node.metrics());
        }
        assert!(node.mounts().is_empty(), "{text}");
        assert!(!node.target().exists(), "{text}");
    }
    assert_eq!(node.metric("node_publish_total", ""), 0.0);
}

fn named(class: &'static str) -> impl Fn(&mut NodePublishVolumeRequest) {
    move |request| {
        request.volume_context.insert("secretProviderClass".to_owned(), class.to_owned());
    }
}

// Driver v1.6.0, NodePublishVolume: each row breaks what it says, and everything that is checked later.
stack_test!(publish_refuses_arguments_and_classes_in_the_order_of_the_go_driver, |_| async {
    let node = Node::start(NodeOptions::flags(&["--provider-startup-timeout=1ms"])).await;
    let put = |name: &str, spec: Value| {
        let mut class = class(name, "", &json!([]));
        class["spec"] = spec;
        node.put(&class);
    };
    put("no-provider", json!({"parameters": {"a": "b"}}));
    put("no-parameters", json!({"provider": "test"}));
    put("absent-provider", json!({"provider": "absent", "parameters": {"a": "b"}}));
    put("bad-provider", json!({"provider": "../test", "parameters": {"a": "b"}}));
    let (invalid, unknown) = (Code::InvalidArgument, Code::Unknown);
    let later = |request: &mut NodePublishVolumeRequest| request.readonly = false;
    let mount = "failed to mount secrets store objects for pod default/web, err: ";
    let rows = vec![
        row(invalid, "FailedToMount", "Volume capability missing in request", |r| {
            *r = NodePublishVolumeRequest::default();
        }),
        row(invalid, "FailedToMount", "Volume ID missing in request", |r| {
            *r = NodePublishVolumeRequest::default();
            r.volume_capability = Some(VolumeCapability::default());
        }),
        row(invalid, "FailedToMount", "Target path missing in request", |r| {
            r.target_path.clear();
            r.volume_context.clear();
        }),
        row(invalid, "FailedToMount", "Volume attributes missing in request", |r| {
            r.volume_context.clear();
            later(r);
        }),
        row(unknown, "FailedToMount", "secretProviderClass is not set", |r| {
            r.volume_context.remove("secretProviderClass");
            later(r);
        }),
        row(
            unknown,
            "SecretProviderClassNotFound",
            "failed to get secretproviderclass default/missing, error: SecretProviderClass.secrets-store.csi.x-k8s.io \"missing\" not found",
            |r| {
                named("missing")(r);
                later(r);
            },
        ),
        row(unknown, "FailedToMount", "provider not set in default/no-provider", |r| {
            named("no-provider")(r);
            later(r);
        }),
        row(unknown, "FailedToMount", "parameters not set in default/no-parameters", |r| {
            named("no-parameters")(r);
            later(r);
        }),
        row(invalid, "FailedToMount", "Readonly is not true in request", |r| {
            named("absent-provider")(r);
            later(r);
        }),
        row(
            unknown,
            "",
            &format!(
                "{mount}error connecting to provider \"absent\": provider not found: provider \"absent\""
            ),
            named("absent-provider"),
        ),
        row(
            unknown,
            "",
            &format!(
                "{mount}error connecting to provider \"../test\": invalid provider: provider \"../test\""
            ),
            named("bad-provider"),
        ),
    ];
    check(&node, rows).await;
    assert_eq!(node.provider.count(), 0);
});

// Every gRPC code of a provider, and every way in which a reply can be refused. Codes after which kubelet
// would keep the directory become Unknown, with the provider's own code in the text.
stack_test!(publish_answers_what_the_provider_did_wrong, |_| async {
    let node = Node::start(NodeOptions::flags(&["--max-call-recv-msg-size=100000"])).await;
    let mount = "failed to mount secrets store objects for pod default/web, err: ";
    for (code, name, answered) in [
        (Code::NotFound, "NotFound", Code::NotFound),
        (Code::PermissionDenied, "PermissionDenied", Code::PermissionDenied),
        (Code::Internal, "Internal", Code::Internal),
        (Code::Unknown, "Unknown", Code::Unknown),
        (Code::ResourceExhausted, "ResourceExhausted", Code::Unknown),
        (Code::DeadlineExceeded, "DeadlineExceeded", Code::Unknown),
        (Code::Aborted, "Aborted", Code::Unknown),
        (Code::Cancelled, "Canceled", Code::Unknown),
    ] {
        node.provider.answer(move |_| Err(Status::new(code, "boom")));
        let text = format!("{mount}rpc error: code = {name} desc = boom");
        check(&node, vec![row(answered, "GRPCProviderError", &text, |_| {})]).await;
    }
    type Spoil = fn(&mut MountResponse);
    let replies: Vec<(Spoil, &str, &str)> = vec![
        (
            |r| r.error = Some(Error { code: "AuthFailed".to_owned() }),
            "AuthFailed",
            "mount request failed with provider error code AuthFailed",
        ),
        (|r| r.object_version.clear(), "GRPCProviderError", "missing object versions"),
        (
            |r| r.files.push(file("big", &"x".repeat(200_000))),
            "GRPCProviderError",
            "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (",
        ),
        (|r| r.files.push(file("", "x")), "FileWriteError", "invalid path: must not be empty: \"\""),
        (|r| r.files.push(file("/a", "x")), "FileWriteError", "invalid path: must be relative path: /a"),
        (
            |r| r.files.push(file("a/../../b", "x")),
            "FileWriteError",
            "invalid path: must not contain '..': a/../../b",
        ),
        (
            |r| r.files.push(file("..data", "x")),
            "FileWriteError",
            "invalid path: must not start with '..': ..data",
        ),
        (
            |r| r.files.push(file(&"a/".repeat(3000), "x")),
            "FileWriteError",
            "invalid path: must be less than or equal to 4096 characters",
        ),
        (
            |r| r.files.push(file(&"a".repeat(256), "x")),
            "FileWriteError",
            "invalid path: filenames must be less than or equal to 255 characters",
        ),
        (|r| r.files.push(file("a//b", "x")), "FileWriteError", "invalid filepath: \"a//b\""),
        (|r| r.files.push(file("a\0b", "x")), "FileWriteError", ""),
        (|r| r.files.push(file("password", "x")), "FileWriteError", ""),
        (|r| r.files.push(file("password/x", "x")), "FileWriteError", ""),
        (|r| r.files[0].mode = 0o4755, "FileWriteError", ""),
        (|r| r.files[0].mode = -1, "FileWriteError", ""),
    ];
    for (spoil, reason, text) in replies {
        node.provider.answer(move |_| {
            let mut response = reply("v1", &[("password", "first")])?;
            spoil(&mut response);
            Ok(response)
        });
        check(&node, vec![row(Code::Unknown, reason, &format!("{mount}{text}"), |_| {})]).await;
    }
});

stack_test!(publish_answers_what_is_wrong_with_the_target, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let mount = |kind: &str, options: &str, at: &Path| {
        std::fs::create_dir_all(at).unwrap();
        assert!(
            Command::new("mount").args(["-t", kind, "-o", options, kind]).arg(at).status().unwrap().success()
        );
    };
    let refused = |error: Status, code: Code, start: &str| {
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().starts_with(start), "{error}");
    };
    let target = node.target();
    let check = format!("failed to check if target path {} is mount point, err: ", target.display());
    // A file, and a file system that is none of ours, at the target: left alone.
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    std::fs::write(&target, "precious").unwrap();
    refused(node.publish().await.unwrap_err(), Code::Internal, &check);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    std::fs::remove_file(&target).unwrap();
    mount("proc", "ro", &target);
    refused(node.publish().await.unwrap_err(), Code::Internal, &check);
    assert_eq!(node.mounts().len(), 1);
    assert!(Command::new("umount").arg(&target).status().unwrap().success());
    // A directory that cannot be made.
    std::fs::remove_dir_all(node.pods().join(&node.pod_uid)).unwrap();
    mount("tmpfs", "ro", &node.pods().join(&node.pod_uid));
    let create = format!("failed to create target path {}", target.display());
    refused(node.publish().await.unwrap_err(), Code::Internal, &create);
    assert_eq!(node.metric("node_publish_error_total", r#"error_type="FailedToEnsureMountPoint""#), 3.0);
});

// Without the right to mount, as where the container is not privileged.
stack_test!(a_kernel_that_refuses_to_mount_is_an_error_of_its_own, |_| async {
    let mut rights = rustix::thread::capabilities(None).unwrap();
    rights.effective.remove(rustix::thread::CapabilitySet::SYS_ADMIN);
    rustix::thread::set_capabilities(None, rights).unwrap();
    let node = Node::start(NodeOptions::default()).await;
    let error = node.publish().await.unwrap_err();
    assert_eq!(error.code(), Code::Unknown, "{error}");
    assert!(
        error.message().starts_with("mount failed: ") && error.message().contains("capabilities SYS_ADMIN"),
        "{error}"
    );
    assert_eq!(node.metric("node_publish_error_total", r#"error_type="FailedToMount""#), 1.0);
    assert!(node.mounts().is_empty());
});

stack_test!(unpublish_and_the_rest_of_the_node_service_answer_as_the_go_driver, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let mut csi = node.csi();
    let unpublish = |volume: &str, target: &str| NodeUnpublishVolumeRequest {
        volume_id: volume.to_owned(),
        target_path: target.to_owned(),
    };
    for (request, text) in [
        (unpublish("", ""), "Volume ID missing in request"),
        (unpublish("v", ""), "Target path missing in request"),
    ] {
        let error = csi.node_unpublish_volume(request).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::InvalidArgument, text));
    }
    assert_eq!(node.metric("node_unpublish_error_total", ""), 2.0);
    // Never published, published, repeated: all well.
    node.unpublish().await.unwrap();
    node.publish().await.unwrap();
    std::fs::write(node.target().join("left-by-a-provider"), "x").unwrap();
    for _ in 0..3 {
        node.unpublish().await.unwrap();
        assert!(node.mounts().is_empty() && !node.target().exists());
    }
    assert_eq!(node.metric("node_unpublish_total", ""), 4.0);
    assert_eq!(node.metric("total_node_unpublish", ""), 4.0);

    let stage = |volume: &str, path: &str, capability| {
        let mut request = NodeStageVolumeRequest::default();
        request.volume_id = volume.to_owned();
        request.staging_target_path = path.to_owned();
        request.volume_capability = capability;
        request
    };
    for (request, text) in [
        (stage("", "", None), "Volume ID missing in request"),
        (stage("v", "", None), "Target path missing in request"),
        (stage("v", "/p", None), "Volume capability missing in request"),
    ] {
        let error = csi.node_stage_volume(request).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::InvalidArgument, text));
    }
    csi.node_stage_volume(stage("v", "/p", Some(VolumeCapability::default()))).await.unwrap();
    let unstage = |volume: &str, path: &str| NodeUnstageVolumeRequest {
        volume_id: volume.to_owned(),
        staging_target_path: path.to_owned(),
    };
    for (request, text) in [
        (unstage("", ""), "Volume ID missing in request"),
        (unstage("v", ""), "Target path missing in request"),
    ] {
        let error = csi.node_unstage_volume(request).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::InvalidArgument, text));
    }
    csi.node_unstage_volume(unstage("v", "/p")).await.unwrap();
    let error =
        csi.node_expand_volume(keymount_proto::csi::NodeExpandVolumeRequest::default()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unimplemented, "NodeExpandVolume is not implemented"));
    let error = csi.node_get_volume_stats(keymount_proto::csi::NodeGetVolumeStatsRequest::default()).await;
    assert_eq!(error.unwrap_err().code(), Code::Unimplemented);
    let info = csi.node_get_info(keymount_proto::csi::NodeGetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.node_id.as_str(), info.max_volumes_per_node), ("node-1", 0));
});
