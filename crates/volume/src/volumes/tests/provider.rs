//! Volumes whose files the provider writes itself.

use super::*;

fn file(target: &Path, name: &str) {
    std::fs::write(target.join(name), name).expect("file");
}

fn names(node: &Node, target: &Path) -> Vec<String> {
    node.volumes.read_files(target).expect("reads").into_keys().collect()
}

#[test]
fn i1_complete_only_when_declared() {
    isolated(|_| {
        for node in Node::both_kinds() {
            let target = node.target("vol");
            let now = record(&[("id", "v1")]);
            assert!(matches!(
                node.volumes.commit_provider_written(&target, &now),
                Err(VolumeError::NotMounted(_))
            ));
            node.volumes.mount_for_provider(&target).expect("mounts");
            file(&target, "first attempt");
            assert_eq!(node.state(&target), TargetState::Uncommitted);
            // The driver was killed here and begins again.
            node.volumes.mount_for_provider(&target).expect("mounts");
            assert!(!target.join("first attempt").exists());
            file(&target, "a");
            assert!(matches!(node.volumes.read_files(&target), Err(VolumeError::NotMounted(_))));
            node.volumes.commit_provider_written(&target, &now).expect("commits");
            assert_eq!(node.state(&target), TargetState::ProviderWritten { committed: true });
            assert_eq!(names(&node, &target), ["a"]);
            assert_eq!(node.volumes.record(&target).expect("recorded").record, now);

            // A rotation: the provider changes files in place.
            node.volumes.mount_for_provider(&target).expect("is mounted");
            file(&target, "b");
            let later = record(&[("id", "v2")]);
            node.volumes.commit_provider_written(&target, &later).expect("commits");
            assert_eq!(names(&node, &target), ["a", "b"]);
            assert_eq!(node.volumes.record(&target).expect("recorded").record, later);
            assert_eq!(mounts_at(&target).len(), 1);

            assert_eq!(node.volumes.unpublish(&target).expect("goes"), Unpublished::Removed { mounts: 1 });
        }
    });
}

#[test]
fn provider_sends_files_although_it_may_write() {
    isolated(|_| {
        for node in Node::both_kinds() {
            let target = node.target("vol");
            node.volumes.mount_for_provider(&target).expect("mounts");
            file(&target, "written");
            assert_eq!(node.publish(&target, 1).expect("publishes"), Published::Mounted);
            assert_eq!(number_of(&target), Some(1));
            assert_eq!(mounts_at(&target).len(), 1);
            assert!(!target.join("written").exists());
        }
    });
}

#[test]
fn provider_begins_to_return_files() {
    isolated(|_| {
        let node = Node::new();
        let target = node.target("vol");
        node.volumes.mount_for_provider(&target).expect("mounts");
        file(&target, "first");
        std::fs::create_dir(target.join("nested")).expect("directory");
        file(&target, "nested/old");
        node.volumes.commit_provider_written(&target, &record(&[("id", "v1")])).expect("commits");
        assert_eq!(node.replace(&target, 4).expect("replaces"), Replaced::Written);
        assert!(node.is_committed(&target));
        assert_eq!(number_of(&target), Some(4));
        assert!(!target.join("nested/old").exists());

        // And stops again: the files stay, as in the Go driver.
        node.volumes.mount_for_provider(&target).expect("is mounted");
        node.volumes.commit_provider_written(&target, &record(&[("id", "v2")])).expect("commits");
        assert_eq!(number_of(&target), Some(4));
        assert_eq!(node.volumes.record(&target).expect("recorded").record, record(&[("id", "v2")]));
    });
}

#[test]
fn volume_of_an_earlier_go_driver() {
    isolated(|_| {
        let node = Node::new();
        let target = node.prepared("vol");
        mount("tmpfs", &target);
        file(&target, "a");
        assert_eq!(node.state(&target), TargetState::ProviderWritten { committed: false });
        assert_eq!(names(&node, &target), ["a"]);
        node.volumes.mount_for_provider(&target).expect("is mounted");
        assert_eq!(names(&node, &target), ["a"]);
        node.volumes.commit_provider_written(&target, &record(&[])).expect("commits");
        assert_eq!(node.state(&target), TargetState::ProviderWritten { committed: true });
        assert_eq!(names(&node, &target), ["a"]);
    });
}

#[test]
fn read_is_bounded() {
    isolated(|_| {
        let node = Node::new();
        let target = node.target("vol");
        node.volumes.mount_for_provider(&target).expect("mounts");
        std::fs::File::create(target.join("huge")).and_then(|huge| huge.set_len(1 << 30)).expect("sparse");
        node.volumes.commit_provider_written(&target, &record(&[])).expect("commits");
        let error = node.volumes.read_files(&target).err().expect("too large").report();
        assert!(error.starts_with("failed to get mounted files of /"), "{error}");
        assert!(error.contains("more than 16777216 bytes"), "{error}");
    });
}
