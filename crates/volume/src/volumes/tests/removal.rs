//! Unpublish.

use super::*;

#[test]
fn nothing_is_readable_through_a_leaked_mount() {
    isolated(|_| {
        let node = Node::new();
        let target = node.target("vol");
        let leaked = node.directory.path().join("leaked");
        std::fs::create_dir(&leaked).expect("directory");
        node.publish(&target, 1).expect("publishes");
        rustix::mount::mount_bind(&target, &leaked).expect("binds");
        let busy = std::fs::File::open(target.join("first")).expect("opens");
        assert_eq!(node.volumes.unpublish(&target).expect("goes"), Unpublished::Removed { mounts: 1 });
        assert_eq!(std::fs::read_dir(&leaked).expect("lists").count(), 0);
        drop(busy);
    });
}

#[test]
fn stacked_and_foreign_mounts_are_detached_and_not_emptied() {
    isolated(|_| {
        let node = Node::new();
        let target = node.target("vol");
        let elsewhere = node.directory.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).expect("directory");
        // A whole tmpfs that is somebody's, shown at the target too.
        mount("tmpfs", &elsewhere);
        std::fs::write(elsewhere.join("file"), "kept").expect("file");
        node.publish(&target, 1).expect("publishes");
        rustix::mount::mount_bind(&elsewhere, &target).expect("binds");
        mount("ramfs", &target);
        assert_eq!(mounts_at(&target).len(), 3);
        assert_eq!(node.volumes.unpublish(&target).expect("goes"), Unpublished::Removed { mounts: 3 });
        assert_eq!(std::fs::read_to_string(elsewhere.join("file")).expect("reads"), "kept");
    });
}

#[test]
fn mount_inside_a_volume_goes_with_it() {
    isolated(|_| {
        let node = Node::new();
        let target = node.target("vol");
        let elsewhere = node.directory.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).expect("directory");
        std::fs::write(elsewhere.join("file"), "kept").expect("file");
        node.publish(&target, 1).expect("publishes");
        let inside = std::fs::canonicalize(target.join("nested/deep")).expect("exists");
        rustix::mount::mount_bind(&elsewhere, &inside).expect("binds");
        assert_eq!(node.volumes.unpublish(&target).expect("goes"), Unpublished::Removed { mounts: 1 });
        assert!(mounts_at(&inside).is_empty());
        assert_eq!(std::fs::read_to_string(elsewhere.join("file")).expect("reads"), "kept");
    });
}

#[test]
fn plain_directory_links_and_files() {
    isolated(|_| {
        let node = Node::new();
        let kept = node.directory.path().join("kept");
        std::fs::create_dir(&kept).expect("directory");
        std::fs::write(kept.join("file"), "kept").expect("file");

        // Files on the node's disk: the Go driver answers OK for a directory that is not mounted.
        let target = node.prepared("full");
        std::fs::create_dir_all(target.join("a/b")).expect("directories");
        symlink(&kept, target.join("a/link")).expect("link");
        std::fs::write(target.join("a/b/file"), "x").expect("file");
        assert_eq!(node.volumes.unpublish(&target).expect("goes"), Unpublished::Removed { mounts: 0 });

        let target = node.target("link");
        std::fs::create_dir_all(target.parent().expect("a parent")).expect("directories");
        symlink(&kept, &target).expect("link");
        assert_eq!(node.volumes.unpublish(&target).expect("goes"), Unpublished::Removed { mounts: 0 });
        std::fs::write(&target, "x").expect("file");
        assert_eq!(node.volumes.unpublish(&target).expect("goes"), Unpublished::Removed { mounts: 0 });

        let target = node.prepared("nested");
        std::fs::create_dir_all(target.join("a/b")).expect("directories");
        rustix::mount::mount_bind(&kept, target.join("a/b")).expect("binds");
        let report = node.volumes.unpublish(&target).expect_err("busy").report();
        assert!(report.starts_with("failed to cleanup mount point /"), "{report}");
        assert!(report.contains("findmnt"), "{report}");

        assert_eq!(std::fs::read_to_string(kept.join("file")).expect("reads"), "kept");
    });
}

#[test]
fn other_directories_must_be_empty() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let volumes = Volumes::new(VolumeOptions::default(), WallClock::system());
    let target = directory.path().join("target");
    std::fs::create_dir(&target).expect("directory");
    std::fs::write(target.join("file"), "kept").expect("file");
    let report = volumes.unpublish(&target).expect_err("not empty").report();
    assert!(report.ends_with("remove them on the node"), "{report}");
    std::fs::remove_file(target.join("file")).expect("removes");
    assert_eq!(volumes.unpublish(&target).expect("goes"), Unpublished::Removed { mounts: 0 });
    assert_eq!(volumes.unpublish(&target.join("deeper")).expect("is gone"), Unpublished::AlreadyGone);
}
