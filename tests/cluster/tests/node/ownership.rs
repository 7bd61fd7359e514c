//! Applications that do not run as root.

use keymount_cluster_tests::stage::{Options, Stage, with};
use serde_json::{Value, json};

/// Kubelet leaves ownership to a driver with VOLUME_MOUNT_GROUP. Driver v1.6.0 knows nothing of `fsGroup`; its
/// files are root's.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn issue_858_files_belong_to_the_pods_group() {
    let stage = Stage::on_node("group", Options::default()).await;
    stage.class("web", &Value::Null).await;
    stage.provider.answer(|_| {
        let mut reply =
            keymount_cluster_tests::stage::files("v1", &[("foo", "secret"), ("dir/key", "private")])?;
        reply.files[1].mode = 0o400;
        Ok(reply)
    });
    let security = json!({"runAsUser": 1000, "runAsGroup": 1000, "runAsNonRoot": true, "fsGroup": 2000});
    let spec = with(stage.pod_spec(&[("secrets", "web")]), &json!({"securityContext": security}));
    let pod = stage.pod_of("web", &spec).await;
    let look = stage.first_look(&pod).await;
    let volume = &look.volumes["/secrets"];
    assert_eq!(volume.errors, [""; 0], "everything can be read");
    let found: Vec<_> = volume
        .files
        .iter()
        .map(|(name, file)| (name.as_str(), file.mode, file.owner, file.text.as_str()))
        .collect();
    let expected = [("dir/key", 0o440, (0, 2000), "private"), ("foo", 0o644, (0, 2000), "secret")];
    assert_eq!(found, expected);
    stage.clear().await;
}

/// What the volume is.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn the_volume_is_a_hardened_tmpfs() {
    let stage = Stage::on_node("tmpfs", Options::default()).await;
    stage.class("web", &Value::Null).await;
    let pod = stage.pod("web", "web").await;
    let look = stage.first_look(&pod).await;
    // The runtime's bind mount has options of its own; of the driver's it shows those of the file system.
    let inside = &look.volumes["/secrets"].mount;
    assert!(inside.starts_with("tmpfs ro,"), "{inside}");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let outside: Vec<_> =
        mounts.lines().filter(|line| line.contains(&pod.uid) && line.contains("~csi")).collect();
    assert_eq!(outside.len(), 1, "{outside:?}");
    for option in ["nosuid", "nodev", "size=", "mode=755"] {
        let has = outside[0].split([' ', ',']).any(|word| word.starts_with(option));
        assert!(has, "{option} is missing: {outside:?}");
    }
    stage.clear().await;
}
