//! From driver v1.6.0 to this one and back, with volumes mounted: laid out here as that driver lays them
//! out, and read as that driver reads them.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keymount_stack_tests::{Node, NodeOptions, STATUSES, data, paused_stack_test, reply};
use serde_json::{Value, json};
use tokio::time::sleep;

const GENERATION: &str = "..2026_11_24_11_58_03.1234567890";

/// A tmpfs without options on a directory with mode 0750.
fn mount_as_the_go_driver(target: &Path) {
    std::fs::create_dir_all(target).expect("a directory");
    std::fs::set_permissions(target, PermissionsExt::from_mode(0o750)).expect("ours");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(target).status();
    assert!(mounted.expect("mount(8)").success());
}

/// Writes files as that driver's atomic writer does.
fn write_as_the_go_driver(target: &Path, files: &[(&str, &str)]) {
    let generation = target.join(GENERATION);
    std::fs::create_dir(&generation).expect("a directory");
    std::fs::set_permissions(&generation, PermissionsExt::from_mode(0o755)).expect("ours");
    for (path, content) in files {
        let file = generation.join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
        std::fs::write(&file, content).expect("a file");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("ours");
    }
    symlink(GENERATION, target.join("..data")).expect("a link");
    for (path, _) in files {
        let top = path.split('/').next().expect("a name");
        let _ = symlink(format!("..data/{top}"), target.join(top));
    }
}

/// The status object and the Secret as that driver left them.
fn put_objects_of_the_go_driver(node: &Node) {
    let status = node.put(&json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClassPodStatus",
        "metadata": {
            "name": "web-default-web", "namespace": "default",
            "labels": {"internal.secrets-store.csi.k8s.io/node-name": "node-1"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": node.pod_uid}],
        },
        "status": {
            "podName": "web", "secretProviderClassName": "web", "mounted": true,
            "targetPath": node.target(), "objects": [{"id": "secret/password", "version": "v1"}],
        },
    }));
    assert_eq!(status["status"]["mounted"], true);
    node.put(&json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {
            "name": "s", "namespace": "default",
            "labels": {"secrets-store.csi.k8s.io/managed": "true", "environment": "test"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "uid-of-web",
            }],
        },
        "stringData": {"p": "first"},
    }));
    let mut object =
        json!({"secretName": "s", "type": "Opaque", "data": [{"objectName": "password", "key": "p"}]});
    object["labels"] = json!({"environment": "test"});
    node.put_class("web", &json!([object]));
}

/// What that driver takes for the mounted files: every top-level entry that does not begin with `..`, links
/// followed by one step, directories walked.
fn read_as_the_go_driver(target: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(target).expect("a directory") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if name.starts_with("..") {
            continue;
        }
        let mut at = target.join(&name);
        if let Ok(link) = std::fs::read_link(&at) {
            at = target.join(link);
        }
        walk(&at, &name, &mut files);
    }
    files
}

fn walk(at: &Path, name: &str, files: &mut BTreeMap<String, String>) {
    if at.is_dir() {
        for entry in std::fs::read_dir(at).expect("a directory") {
            let entry = entry.expect("an entry").file_name().into_string().expect("a name");
            walk(&at.join(&entry), &format!("{name}/{entry}"), files);
        }
    } else {
        files.insert(name.to_owned(), std::fs::read_to_string(at).expect("a file"));
    }
}

fn expected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect()
}

paused_stack_test!(volumes_of_the_go_driver_are_served_rotated_synced_and_unmounted, |_| async {
    let mut node =
        Node::start(NodeOptions::rotating(&["--rotation-poll-interval=2m", "--secret-repair-interval=1m"]))
            .await;
    node.stop_driver().await;
    let target = node.target();
    mount_as_the_go_driver(&target);
    write_as_the_go_driver(&target, &[("password", "first"), ("dir/nested", "n")]);
    put_objects_of_the_go_driver(&node);
    let before = (node.api.get(STATUSES, "default", "web-default-web"), node.pod_uid.clone());
    node.start_driver().await;
    assert_eq!(node.metric("keymount_volumes", ""), 1.0, "found before kubelet calls");

    // Kubelet's next call is answered from what is mounted.
    node.publish().await.unwrap();
    assert_eq!(node.provider.count(), 0);
    assert_eq!(node.read("password").as_deref(), Some("first"));

    // Unchanged content: the same bytes stay where they are.
    node.provider.answer(|_| reply("v1", &[("password", "first"), ("dir/nested", "n")]));
    node.provider.called(1).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(std::fs::read_link(target.join("..data")).unwrap(), Path::new(GENERATION));
    let uid = |object: &Value| object["metadata"]["uid"].clone();
    let status = node.status(|_| true).await;
    assert_eq!(Some(uid(&status)), before.0.as_ref().map(uid), "the object is taken over, not made anew");

    // New content: files, status and the Secret that the other driver made.
    node.provider.answer(|_| reply("v2", &[("password", "second"), ("more", "m")]));
    node.status(|status| status["status"]["objects"][1]["version"] == "v2").await;
    let secret = node.secret("s", |secret| data(secret)["p"] == "second").await;
    assert_eq!(secret["metadata"]["labels"]["environment"], "test");
    assert_eq!(secret["metadata"]["ownerReferences"].as_array().map(Vec::len), Some(1));
    assert_eq!(read_as_the_go_driver(&target), expected(&[("more", "m"), ("password", "second")]));
    sleep(Duration::from_secs(60)).await;
    assert!(!target.join(GENERATION).exists(), "swept, once nobody can be on the way there");

    node.unpublish().await.unwrap();
    assert!(node.mounts().is_empty() && !target.exists());
});

// A mount of that driver with files that the provider wrote itself bears no mark of being complete.
paused_stack_test!(
    files_a_provider_wrote_under_the_go_driver_are_believed_and_soon_fetched_again,
    |_| async {
        let mut node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1h"])).await;
        node.stop_driver().await;
        let target = node.target();
        mount_as_the_go_driver(&target);
        std::fs::write(target.join("written"), "by the provider").unwrap();
        node.start_driver().await;
        node.provider.hold();
        node.publish().await.unwrap();
        assert_eq!(node.read("written").as_deref(), Some("by the provider"));
        node.provider.answer(|request| {
            std::fs::write(format!("{}/written", request.target_path), "anew").unwrap();
            let mut response = reply("v2", &[("written", "")])?;
            response.files.clear();
            Ok(response)
        });
        node.provider.release();
        sleep(Duration::from_secs(300)).await;
        assert_eq!((node.provider.count(), node.read("written").as_deref()), (1, Some("anew")));
        node.unpublish().await.unwrap();
        assert!(node.mounts().is_empty());
    }
);

// What that driver, killed, leaves behind: an empty mount, and one with half a generation. It answers OK for
// the first and fails for ever with the second (`..data_tmp`).
paused_stack_test!(i1_what_a_killed_go_driver_leaves_is_no_volume, |_| async {
    for leftover in ["", "..2026_11_24_11_58_03.77", "..data_tmp"] {
        let mut node = Node::start(NodeOptions::default()).await;
        node.stop_driver().await;
        let target = node.target();
        mount_as_the_go_driver(&target);
        match leftover {
            "" => {}
            "..data_tmp" => symlink("..gone", target.join(leftover)).unwrap(),
            _ => {
                std::fs::create_dir(target.join(leftover)).unwrap();
                std::fs::write(target.join(leftover).join("password"), "fi").unwrap();
            }
        }
        node.start_driver().await;
        node.publish().await.unwrap();
        assert_eq!(node.provider.count(), 1, "{leftover}");
        assert_eq!(read_as_the_go_driver(&target), expected(&[("password", "first")]), "{leftover}");
        node.unpublish().await.unwrap();
        assert!(node.mounts().is_empty());
    }
});

// The way back: everything that driver looks at is as it would have made it.
paused_stack_test!(what_this_driver_leaves_is_a_volume_of_the_go_driver, |_| async {
    let mut node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    node.put_class(
        "web",
        &json!([{"secretName": "s", "type": "Opaque", "data": [{"objectName": "password", "key": "p"}]}]),
    );
    node.provider.answer(|_| reply("v1", &[("password", "first"), ("dir/nested", "n"), ("gone", "g")]));
    node.publish().await.unwrap();
    node.provider.answer(|_| reply("v2", &[("password", "second"), ("dir/nested", "n")]));
    node.status(|status| status["status"]["objects"][1]["version"] == "v2").await;
    node.secret("s", |secret| data(secret).get("p").is_some_and(|p| p == "second")).await;
    sleep(Duration::from_secs(30)).await;
    node.stop_driver().await;

    // Its mount check compares devices and lists the directory; the volumes outlive the process.
    let target = node.target();
    let device = |path: &Path| std::fs::metadata(path).unwrap().dev();
    assert_ne!(device(&target), device(target.parent().unwrap()));
    // Its writer wants links by these names, which lead within the volume, and no `..data_tmp`.
    let data_link = std::fs::read_link(target.join("..data")).unwrap();
    let name = data_link.to_str().unwrap();
    assert!(name.starts_with("..20") && !name.contains('/'), "{name}");
    assert_eq!(std::fs::read_link(target.join("password")).unwrap(), Path::new("..data/password"));
    assert_eq!(std::fs::read_link(target.join("dir")).unwrap(), Path::new("..data/dir"));
    assert!(std::fs::symlink_metadata(target.join("..data_tmp")).is_err());
    assert_eq!(read_as_the_go_driver(&target), expected(&[("dir/nested", "n"), ("password", "second")]));
    // Nothing holds it up when it unmounts: no mount on it, no attribute that forbids removal.
    assert_eq!(node.mounts().len(), 1);

    // Its object: found by this label and name, written over whole; nothing that it would trip over.
    let status = node.status(|_| true).await;
    assert_eq!(status["metadata"]["labels"]["internal.secrets-store.csi.k8s.io/node-name"], "node-1");
    assert_eq!(status["metadata"]["finalizers"], Value::Null);
    assert_eq!(status["status"]["targetPath"], target.display().to_string());
    // Its Secret: the label that makes it see it, and owners by name.
    let secret = node.api.get("secrets", "default", "s").unwrap();
    assert_eq!(secret["metadata"]["labels"]["secrets-store.csi.k8s.io/managed"], "true");
    assert_eq!(secret["metadata"]["ownerReferences"][0]["name"], "web");
    assert_eq!((&secret["immutable"], &secret["metadata"]["finalizers"]), (&Value::Null, &Value::Null));

    // And it takes the volume away: files first, then the mount, then the directory.
    for entry in std::fs::read_dir(&target).unwrap() {
        let path = entry.unwrap().path();
        if std::fs::symlink_metadata(&path).unwrap().is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert!(Command::new("umount").arg(&target).status().unwrap().success());
    std::fs::remove_dir(&target).unwrap();
});
