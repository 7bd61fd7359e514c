//! fsGroup and SELinux labels: who may read the files, in every generation.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use keymount_mount_namespace::Namespace;
use keymount_proto::csi::NodePublishVolumeRequest;
use keymount_proto::csi::volume_capability::{AccessType, MountVolume};
use keymount_proto::provider::File;
use keymount_stack_tests::{Node, NodeOptions, Reply, paused_stack_test, reply, stack_test};
use rustix::fs::XattrFlags;
use tokio::time::sleep;
use tonic::Code;

fn with_group(node: &Node, group: &str) -> NodePublishVolumeRequest {
    let mut request = node.request();
    let mount = MountVolume { volume_mount_group: group.to_owned(), ..MountVolume::default() };
    request.volume_capability.as_mut().expect("a capability").access_type = Some(AccessType::Mount(mount));
    request
}

/// Group and mode of a path in the volume, links followed.
fn look(node: &Node, path: &str) -> (u32, u32) {
    let metadata = std::fs::metadata(node.target().join(path)).expect(path);
    (metadata.gid(), metadata.permissions().mode() & 0o7777)
}

/// Files of several modes, one in a directory.
fn files(version: &str, content: &str) -> Reply {
    let file = |path: &str, mode| File { path: path.to_owned(), mode, contents: content.as_bytes().to_vec() };
    let mut response = reply(version, &[("a", "")])?;
    response.files = vec![
        file("a", 0o644),
        file("private", 0o600),
        file("dir/tool", 0o755),
        file("closed", 0o400),
        file("nobodys", 0),
    ];
    Ok(response)
}

paused_stack_test!(the_pods_fs_group_may_read_every_generation, |namespace| async move {
    if namespace == Namespace::User {
        println!("skipped: a user namespace has no other groups");
        return;
    }
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    node.provider.answer(|_| files("v1", "first"));
    node.publish_as(with_group(&node, "2000")).await.unwrap();
    for version in ["first", "second"] {
        if version == "second" {
            node.provider.answer(|_| files("v2", "second"));
            sleep(Duration::from_secs(70)).await;
        }
        assert_eq!(node.read("a").as_deref(), Some(version));
        // Readable for the group, never wider for others, executable where it was.
        for (path, mode) in [
            ("a", 0o644),
            ("private", 0o640),
            ("dir/tool", 0o755),
            ("closed", 0o440),
            ("nobodys", 0o440),
            ("", 0o2750),
            ("..data/", 0o2750),
            ("dir/", 0o2750),
        ] {
            assert_eq!(look(&node, path), (2000, mode), "{path} in {version}");
        }
    }
});

stack_test!(without_fs_group_files_are_roots_and_modes_as_the_class_says, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.provider.answer(|_| files("v1", "first"));
    node.publish().await.unwrap();
    for (path, mode) in [
        ("a", 0o644),
        ("private", 0o600),
        ("dir/tool", 0o755),
        ("closed", 0o400),
        ("nobodys", 0),
        ("", 0o755),
        ("dir/", 0o755),
    ] {
        assert_eq!(look(&node, path).1, mode, "{path}");
    }
    assert_eq!(look(&node, "a").0, look(&node, "").0);
});

stack_test!(a_group_that_is_no_number_is_refused, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    for group in ["wheel", "-1", "4294967296", "0x10"] {
        let error = node.publish_as(with_group(&node, group)).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        assert!(error.message().contains("fsGroup"), "{error}");
    }
    assert!(node.mounts().is_empty());
});

// A container runtime gives the volume the pod's SELinux label once, at the start of the container. Files
// of later generations must have it too, or the pod cannot read them.
paused_stack_test!(a_relabelled_pod_reads_the_next_generation, |namespace| async move {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    node.provider.answer(|_| files("v1", "first"));
    node.publish().await.unwrap();
    let label = |path: &Path| {
        let mut value = [0; 64];
        let length = rustix::fs::lgetxattr(path, "security.selinux", &mut value).unwrap_or_default();
        String::from_utf8_lossy(&value[..length]).into_owned()
    };
    let pods = b"system_u:object_r:container_file_t:s0:c1,c2";
    let mut walk = vec![node.target()];
    while let Some(path) = walk.pop() {
        if rustix::fs::lsetxattr(&path, "security.selinux", pods, XattrFlags::empty()).is_err() {
            println!("skipped: labels cannot be set here ({namespace:?})");
            return;
        }
        if path.symlink_metadata().unwrap().is_dir() {
            walk.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    node.provider.answer(|_| files("v2", "second"));
    sleep(Duration::from_secs(70)).await;
    assert_eq!(node.read("a").as_deref(), Some("second"));
    for path in ["a", "..data", "..data/a", "..data/dir", "..data/dir/tool"] {
        assert_eq!(label(&node.target().join(path)).as_bytes(), pods, "{path}");
    }
});
