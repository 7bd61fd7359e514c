use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use keymount_mount_namespace::{Namespace, isolated};
use rustix::mount::{MountFlags, UnmountFlags};

use super::*;
use crate::writer::whole::{number_of, numbered, payload, record, spec};

mod attributes;
mod kills;
mod propagation;
mod provider;
mod readers;
mod removal;
mod swapped;

/// A kubelet directory on a file system of its own, which vanishes with it.
struct Node {
    directory: tempfile::TempDir,
    volumes: Volumes,
}

impl Node {
    fn new() -> Self {
        Self::with(TmpfsOptions::default())
    }

    fn with(tmpfs: TmpfsOptions) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        mount("tmpfs", directory.path());
        let pods = directory.path().join("pods");
        std::fs::create_dir(&pods).expect("directory");
        let options = VolumeOptions { guard: TargetGuard::Under(pods), tmpfs, ..VolumeOptions::default() };
        let volumes = Volumes::new(options, WallClock::system());
        Self { directory, volumes }
    }

    /// As on a kernel before 5.2.
    fn without_detached_mounts() -> Self {
        let node = Self::new();
        node.volumes.tmpfs.forget_detached_mounts();
        node
    }

    fn both_kinds() -> [Self; 2] {
        [Self::new(), Self::without_detached_mounts()]
    }

    fn target(&self, volume: &str) -> PathBuf {
        self.directory.path().join(format!("pods/uid/volumes/kubernetes.io~csi/{volume}/mount"))
    }

    /// A target that kubelet has prepared.
    fn prepared(&self, volume: &str) -> PathBuf {
        let target = self.target(volume);
        std::fs::create_dir_all(&target).expect("directories");
        target
    }

    fn publish(&self, target: &Path, number: u64) -> Result<Published, VolumeError> {
        self.volumes.publish(target, &numbered(number), &record(&[("id", "v1")]), Ownership::default())
    }

    fn replace(&self, target: &Path, number: u64) -> Result<Replaced, VolumeError> {
        self.volumes.replace(target, &numbered(number), &record(&[("id", "v1")]), Ownership::default())
    }

    fn state(&self, target: &Path) -> TargetState {
        let state = self.volumes.inspect(target).expect("inspects");
        let mounted =
            !matches!(state, TargetState::Missing | TargetState::Directory | TargetState::NotADirectory);
        let unmounted = self.volumes.inspect_unmounted(target).expect("inspects");
        assert_eq!(unmounted, (!mounted).then(|| state.clone()), "{}", target.display());
        state
    }

    fn is_committed(&self, target: &Path) -> bool {
        matches!(self.state(target), TargetState::Committed { .. })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        rustix::mount::unmount(self.directory.path(), UnmountFlags::DETACH).expect("unmounts");
    }
}

/// The number of the generation that is shown, read as one who wants all files of one generation reads.
fn number_of_shown(target: &Path) -> Option<u64> {
    number_of(&target.join(std::fs::read_link(target.join("..data")).expect("always there")))
}

/// Tells other threads to end, also when its own one panics.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// As the Go driver mounts: without options.
fn mount(filesystem: &str, target: &Path) {
    rustix::mount::mount("tmpfs", target, filesystem, MountFlags::empty(), None).expect("mounts");
}

/// The lines of mountinfo for a mount point.
fn mounts_at(target: &Path) -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let at = format!(" {} ", target.display());
    text.lines().filter(|line| line.contains(&at)).map(str::to_owned).collect()
}

#[test]
fn life_of_a_volume() {
    isolated(|namespace| {
        for node in Node::both_kinds() {
            let target = node.target("vol");
            assert_eq!(node.state(&target), TargetState::Missing);
            assert!(matches!(node.replace(&target, 1), Err(VolumeError::NotMounted(_))));
            assert_eq!(node.publish(&target, 1).expect("publishes"), Published::Mounted);
            let TargetState::Committed { generation } = node.state(&target) else {
                panic!("not committed");
            };
            assert!(generation.starts_with("..20"));
            assert_eq!(number_of(&target), Some(1));
            assert_eq!(std::fs::metadata(&target).expect("exists").permissions().mode() & 0o7777, 0o755);
            assert_eq!(node.volumes.record(&target).expect("recorded").record, record(&[("id", "v1")]));
            let memory = node.volumes.memory_of(&target).expect("known");
            assert_eq!(memory, numbered(1).allocated_bytes());
            let files = node.volumes.read_files(&target).expect("reads");
            assert_eq!(files.keys().collect::<Vec<_>>(), ["first", "nested/deep/second", "nested/third"]);
            assert_eq!(files["first"].expose(), b"1");

            assert_eq!(node.replace(&target, 1).expect("replaces"), Replaced::Unchanged);
            assert_eq!(node.replace(&target, 2).expect("replaces"), Replaced::Written);
            assert_eq!(number_of(&target), Some(2));
            assert_eq!(
                node.publish(&target, 2).expect("publishes"),
                Published::AlreadyMounted(Replaced::Unchanged)
            );
            assert_eq!(mounts_at(&target).len(), 1);
            println!("{namespace:?}: {}", mounts_at(&target)[0]);

            assert_eq!(node.volumes.unpublish(&target).expect("goes"), Unpublished::Removed { mounts: 1 });
            assert_eq!(node.volumes.unpublish(&target).expect("is gone"), Unpublished::AlreadyGone);
            assert!(!target.exists() && target.parent().expect("a parent").exists());
            assert!(mounts_at(&target).is_empty());
        }
    });
}

#[test]
fn options_of_the_mount() {
    isolated(|namespace| {
        for (noexec, detached) in [(true, true), (false, true), (true, false), (false, false)] {
            let node =
                Node::with(TmpfsOptions { size_limit: 8 << 20, inode_limit: 999, noexec, root_mode: 0o711 });
            if !detached {
                node.volumes.tmpfs.forget_detached_mounts();
            }
            let target = node.prepared("vol");
            node.publish(&target, 1).expect("publishes");
            let line = mounts_at(&target).concat();
            let (mount_options, superblock) =
                line.split_once(" - tmpfs tmpfs ").expect("a tmpfs named tmpfs");
            let has = |options: &str, option: &str| options.split([',', ' ']).any(|word| word == option);
            assert!(has(mount_options, "nosuid") && has(mount_options, "nodev"), "{line}");
            assert_eq!(has(mount_options, "noexec"), noexec, "{line}");
            assert!(has(superblock, "size=8192k") && has(superblock, "nr_inodes=999"), "{line}");
            assert!(has(superblock, "mode=711"), "{line}");
            match namespace {
                Namespace::Root => assert!(has(superblock, "noswap"), "{line} (Linux before 6.4?)"),
                Namespace::User => println!("skipped: a user namespace cannot mount with noswap"),
            }
        }
    });
}

/// A driver was killed between its mount and its first files (the Go driver accepts this volume for good).
#[test]
fn issue_1051_i1_empty_mount_is_completed_where_it_is() {
    isolated(|_| {
        let node = Node::new();
        let target = node.prepared("vol");
        mount("tmpfs", &target);
        let seen_by_container = node.directory.path().join("container");
        std::fs::create_dir(&seen_by_container).expect("directory");
        rustix::mount::mount_bind(&target, &seen_by_container).expect("binds");
        assert_eq!(node.state(&target), TargetState::Uncommitted);
        assert!(matches!(node.volumes.read_files(&target), Err(VolumeError::NotMounted(_))));
        assert_eq!(node.volumes.record(&target), None);
        assert_eq!(node.publish(&target, 1).expect("publishes"), Published::Completed);
        assert!(node.is_committed(&target));
        assert_eq!(number_of(&seen_by_container), Some(1));
        assert_eq!(std::fs::metadata(&target).expect("exists").permissions().mode() & 0o7777, 0o755);
    });
}

#[test]
fn i1_failed_publish_leaves_nothing() {
    isolated(|_| {
        // A path that fits the rules and no system call.
        let long = ["d".repeat(200).as_str(); 21].join("/");
        let files = vec![spec("fresh", 0o644, b"x"), spec(&long[..4096], 0o644, b"x")];
        let files = Payload::validate(files, &Limits::default()).expect("valid");
        for node in Node::both_kinds() {
            let fails = |target: &Path| {
                let failed = node.volumes.publish(target, &files, &Record::default(), Ownership::default());
                assert!(matches!(failed, Err(VolumeError::Write { .. })), "{failed:?}");
                assert!(mounts_at(target).is_empty());
            };
            fails(&node.target("missing"));
            assert_eq!(node.state(&node.target("missing")), TargetState::Missing);
            fails(&node.prepared("prepared"));
            assert_eq!(node.state(&node.target("prepared")), TargetState::Directory);
            let incomplete = node.prepared("incomplete");
            mount("tmpfs", &incomplete);
            fails(&incomplete);
            // A complete volume keeps what it shows.
            let complete = node.target("complete");
            node.publish(&complete, 1).expect("publishes");
            let failed = node.volumes.publish(&complete, &files, &Record::default(), Ownership::default());
            assert!(matches!(failed, Err(VolumeError::Write { .. })));
            assert_eq!(number_of(&complete), Some(1));
        }
    });
}

#[test]
fn limits_of_a_volume() {
    isolated(|_| {
        let node =
            Node::with(TmpfsOptions { size_limit: 64 << 10, inode_limit: 40, ..TmpfsOptions::default() });
        let target = node.target("vol");
        let publish = |files: &[(&str, i32, &str)]| {
            node.volumes.publish(&target, &payload(files), &Record::default(), Ownership::default())
        };
        let large = "x".repeat((32 << 10) + 1);
        let error = publish(&[("a", 0o644, &large)]).expect_err("too large");
        assert!(
            error
                .report()
                .starts_with("the files need 73728 bytes while they are rotated, a volume has 65536")
        );
        let names: Vec<_> = (0..12).map(|name| name.to_string()).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), 0o644, "")).collect();
        let error = publish(&many).expect_err("too many");
        assert!(error.to_string().starts_with("the files need 57 inodes"), "{error}");
        assert_eq!(node.state(&target), TargetState::Missing);

        // What somebody else put into the volume takes the room.
        publish(&[("a", 0o644, "1")]).expect("publishes");
        std::fs::write(target.join("..junk"), "x".repeat(60 << 10)).expect("fits");
        let medium = "x".repeat(20 << 10);
        publish(&[("a", 0o644, &medium), ("d/b", 0o644, "")]).expect("leftovers make room");
        let directory = std::fs::canonicalize(target.join("d")).expect("exists");
        std::fs::write(directory.join("junk"), "x".repeat(40 << 10)).expect("fits");
        let error = publish(&[("a", 0o644, &"y".repeat(20 << 10))]).expect_err("full");
        let report = error.report();
        assert!(report.contains("is full: its size limit of 65536 bytes is reached"), "{report}");
        assert!(report.contains("failed to write file a: No space left on device"), "{report}");
        std::fs::remove_file(directory.join("junk")).expect("removes");
        assert_eq!(std::fs::read_to_string(target.join("a")).expect("reads"), medium);

        for name in 0.. {
            if std::fs::write(directory.join(format!("junk{name}")), "").is_err() {
                break;
            }
        }
        let error = publish(&[("b", 0o644, "2")]).expect_err("full");
        let report = error.report();
        assert!(report.contains("its limit of 40 inodes is reached"), "{report}");
        assert_eq!(std::fs::read_to_string(target.join("a")).expect("reads"), medium);
    });
}

#[test]
fn memory_is_counted_as_the_kernel_counts() {
    isolated(|_| {
        let node = Node::new();
        let target = node.target("vol");
        let names = [119, 120, 121, 200, 255].map(|length| "n".repeat(length));
        let contents = ["", "x", &"x".repeat(4096), &"x".repeat(4097), "x"];
        let files: Vec<_> =
            names.iter().zip(contents).map(|(name, contents)| (name.as_str(), 0o644, contents)).collect();
        let files = payload(&files);
        node.volumes.publish(&target, &files, &Record::default(), Ownership::default()).expect("publishes");
        assert_eq!(node.volumes.memory_of(&target).expect("known"), files.allocated_bytes());
        assert!(matches!(node.volumes.memory_of(&node.target("other")), Err(VolumeError::NotMounted(_))));
    });
}

#[test]
fn what_is_no_volume_is_left_alone() {
    isolated(|_| {
        let node = Node::new();
        let foreign = node.prepared("foreign");
        mount("ramfs", &foreign);
        std::fs::write(foreign.join("file"), "kept").expect("file");
        assert_eq!(node.state(&foreign), TargetState::Foreign);
        let file = node.target("file");
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("directories");
        std::fs::write(&file, "kept").expect("file");
        let link = node.target("link");
        std::fs::create_dir_all(link.parent().expect("a parent")).expect("directories");
        symlink(node.prepared("other"), &link).expect("link");
        for target in [&file, &link] {
            assert_eq!(node.state(target), TargetState::NotADirectory);
            assert!(matches!(node.publish(target, 1), Err(VolumeError::NotADirectory(_))));
        }
        assert!(matches!(node.publish(&foreign, 1), Err(VolumeError::Foreign(_))));
        assert!(matches!(node.volumes.mount_for_provider(&foreign), Err(VolumeError::Foreign(_))));
        assert!(matches!(node.replace(&foreign, 1), Err(VolumeError::Foreign(_))));
        assert_eq!(std::fs::read_to_string(foreign.join("file")).expect("reads"), "kept");
        assert_eq!(std::fs::read_to_string(&file).expect("reads"), "kept");
        assert_eq!(node.state(&node.target("other")), TargetState::Directory);
    });
}

#[test]
fn found_again_after_a_restart() {
    isolated(|_| {
        let node = Node::new();
        let volume = |name: &str, driver: Option<&str>| {
            let target = node.prepared(name);
            if let Some(driver) = driver {
                let data = target.parent().expect("a parent").join("vol_data.json");
                let text = format!(r#"{{"driverName":"{driver}","volumeLifecycleMode":"Ephemeral"}}"#);
                std::fs::write(data, text).expect("file");
            }
            target
        };
        let ours = Some("secrets-store.csi.k8s.io");
        node.publish(&volume("a b", ours), 1).expect("publishes");
        node.publish(&volume("unknown", None), 1).expect("publishes");
        node.publish(&volume("other", Some("csi.spiffe.io")), 1).expect("publishes");
        mount("tmpfs", &volume("empty", ours));
        mount("tmpfs", &volume("empty-unknown", None));
        mount("ramfs", &volume("foreign", ours));
        volume("directory", ours);
        let seen: Vec<_> = node
            .volumes
            .mounted()
            .expect("lists")
            .into_iter()
            .map(|volume| {
                assert_eq!(volume.identity.pod_uid, "uid");
                assert_eq!(volume.target, node.target(&volume.identity.volume_name));
                (volume.identity.volume_name, volume.state == TargetState::Uncommitted)
            })
            .collect();
        assert_eq!(
            seen,
            [("a b".to_owned(), false), ("empty".to_owned(), true), ("unknown".to_owned(), false)]
        );

        // Kubelet's directory behind a link: the kernel lists real paths, kubelet uses its own.
        symlink(".", node.directory.path().join("linked")).expect("link");
        let linked = node.directory.path().join("linked/pods");
        let guard = TargetGuard::Under(linked.clone());
        let options = VolumeOptions { guard, ..VolumeOptions::default() };
        let found = Volumes::new(options, WallClock::system()).mounted().expect("lists");
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|volume| volume.target.starts_with(&linked)));
    });
}
