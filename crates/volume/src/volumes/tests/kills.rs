//! SIGKILL before every step that changes a volume, and at random moments while readers look on.

use std::hash::{BuildHasher, RandomState};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::kill_point::kill_before_step;

/// Tells a victim what to do: `<operation> <number> <has detached mounts> <kubelet's pods directory>`.
const ORDER: &str = "KEYMOUNT_KILL_ORDER";
/// More steps than any operation has, so that a sweep ends.
const MOST_STEPS: u64 = 500;

/// Not a test of its own: the process that is killed. `number` is the step before which it is to happen.
#[test]
#[ignore = "started by the tests of this module"]
#[allow(clippy::disallowed_methods, reason = "the environment is how this process is told what to do")]
fn victim() {
    let order = std::env::var(ORDER).expect("an order");
    let mut words = order.splitn(4, ' ');
    let mut word = || words.next().expect("a word");
    let (operation, number, detached, pods) = (word(), word(), word(), PathBuf::from(word()));
    let number: u64 = number.parse().expect("a number");
    let target = pods.join("uid/volumes/kubernetes.io~csi/vol/mount");
    let options = VolumeOptions { guard: TargetGuard::Under(pods), ..VolumeOptions::default() };
    let volumes = Volumes::new(options, WallClock::system());
    if detached == "false" {
        volumes.tmpfs.forget_detached_mounts();
    }
    let replace = |number| {
        volumes
            .replace(&target, &numbered(number), &Record::default(), Ownership::default())
            .expect("replaces");
    };
    if operation == "rotate" {
        // Many more than anybody waits for, and an end if nobody kills.
        (number..number + 100_000).for_each(replace);
        return;
    }
    kill_before_step(number);
    match operation {
        "publish" => {
            let published = volumes.publish(&target, &numbered(1), &Record::default(), Ownership::default());
            published.map(drop).expect("publishes");
        }
        "provider" => {
            volumes.mount_for_provider(&target).expect("mounts");
            provider_writes(&target);
            volumes.commit_provider_written(&target, &Record::default()).expect("commits");
        }
        "grow" => replace(2),
        "shrink" => replace(1),
        "unpublish" => volumes.unpublish(&target).map(drop).expect("goes"),
        other => panic!("{other}?"),
    }
}

fn publish_1(node: &Node, target: &Path) {
    node.publish(target, 1).expect("publishes");
}

fn publish_2(node: &Node, target: &Path) {
    node.publish(target, 2).expect("publishes");
}

fn commit_provider_written(node: &Node, target: &Path) {
    node.volumes.mount_for_provider(target).expect("mounts");
    provider_writes(target);
    node.volumes.commit_provider_written(target, &Record::default()).expect("commits");
}

fn provider_writes(target: &Path) {
    std::fs::create_dir(target.join("nested")).expect("directory");
    for name in ["first", "b", "nested/third"] {
        std::fs::write(target.join(name), "provider").expect("file");
    }
}

fn start_victim(node: &Node, operation: &str, number: u64, detached: bool) -> Child {
    let pods = node.directory.path().join("pods");
    Command::new(std::env::current_exe().expect("a running test"))
        .args(["volumes::tests::kills::victim", "--exact", "--ignored"])
        .env(ORDER, format!("{operation} {number} {detached} {}", pods.display()))
        .stdout(Stdio::null())
        .spawn()
        .expect("starts")
}

/// Kills an operation before its first step, its second, and so on until it is done before it could be killed.
/// Each time the volume is prepared anew and checked afterwards.
fn sweep(operation: &str, prepare: fn(&Node, &Path), check: fn(&Node, &Path, bool)) {
    for detached in [true, false] {
        let killed = (1..MOST_STEPS).take_while(|step| {
            let node = if detached { Node::new() } else { Node::without_detached_mounts() };
            let target = node.target("vol");
            std::fs::create_dir_all(target.parent().expect("a parent")).expect("directories");
            prepare(&node, &target);
            let status = start_victim(&node, operation, *step, detached).wait().expect("ends");
            let killed = status.signal() == Some(9);
            assert!(killed || status.success(), "{operation}, step {step}: {status}");
            check(&node, &target, detached);
            node.volumes.unpublish(&target).expect("goes");
            assert_eq!(node.state(&target), TargetState::Missing);
            killed
        });
        let steps = killed.count();
        println!("{operation}, detached {detached}: killed before each of {steps} steps");
        assert!(steps > 2);
    }
}

/// The next write repairs whatever a kill left.
fn assert_repairable(node: &Node, target: &Path) {
    node.publish(target, 4).expect("publishes");
    assert_eq!(number_of(target), Some(4));
    node.volumes.sweep(target, Ownership::default()).expect("sweeps");
    assert_eq!(number_of(target), Some(4));
    let names = std::fs::read_dir(target).expect("lists").map(|entry| entry.expect("an entry").file_name());
    assert_eq!(names.filter(|name| crate::layout::is_hidden(name)).count(), 2);
}

#[test]
fn i1_killed_publish() {
    isolated(|_| {
        sweep(
            "publish",
            |_, _| {},
            |node, target, detached| {
                match node.state(target) {
                    TargetState::Missing | TargetState::Directory => assert!(mounts_at(target).is_empty()),
                    TargetState::Committed { .. } => assert_eq!(number_of(target), Some(1)),
                    TargetState::Uncommitted => assert!(!detached),
                    other => panic!("{other:?}"),
                }
                assert_repairable(node, target);
            },
        );
    });
}

/// The provider turned out to send files, for a volume that was mounted for it to write to.
#[test]
fn i1_killed_publish_after_mount_for_provider() {
    isolated(|_| {
        sweep(
            "publish",
            |node, target| {
                node.volumes.mount_for_provider(target).expect("mounts");
                provider_writes(target);
            },
            |node, target, detached| {
                match node.state(target) {
                    TargetState::Directory => assert!(mounts_at(target).is_empty()),
                    TargetState::Committed { .. } => assert_eq!(number_of(target), Some(1)),
                    // In the step before it is detached, or mounted before it is filled.
                    TargetState::Uncommitted => {
                        assert!(!detached || target.join("first").exists());
                    }
                    other => panic!("{other:?}"),
                }
                assert_repairable(node, target);
            },
        );
    });
}

#[test]
fn i1_killed_mount_for_provider() {
    isolated(|_| {
        sweep(
            "provider",
            |_, _| {},
            |node, target, _| {
                match node.state(target) {
                    TargetState::Missing | TargetState::Directory | TargetState::Uncommitted => {}
                    TargetState::ProviderWritten { committed: true } => {
                        assert_eq!(node.volumes.read_files(target).expect("reads").len(), 3);
                    }
                    other => panic!("{other:?}"),
                }
                assert_repairable(node, target);
            },
        );
    });
}

#[test]
fn i2_killed_replace() {
    isolated(|_| {
        for (operation, prepare) in [("grow", publish_1 as fn(&Node, &Path)), ("shrink", publish_2)] {
            sweep(operation, prepare, |node, target, _| {
                assert!(node.is_committed(target));
                assert!(matches!(number_of(target), Some(1 | 2)));
                assert_repairable(node, target);
            });
        }
    });
}

#[test]
fn i2_killed_replace_of_provider_written_files() {
    isolated(|_| {
        sweep("grow", commit_provider_written, |node, target, _| {
            for name in ["first", "nested/third"] {
                let text = std::fs::read_to_string(target.join(name)).expect("never missing");
                assert!(text == "provider" || text == "2", "{name}: {text}");
            }
            let state = node.state(target);
            assert!(!matches!(state, TargetState::Uncommitted), "{state:?}");
            assert_repairable(node, target);
        });
    });
}

#[test]
fn i1_killed_unpublish() {
    isolated(|_| {
        sweep("unpublish", publish_1, |node, target, _| {
            if node.is_committed(target) {
                assert_eq!(number_of(target), Some(1));
            }
        });
        sweep("unpublish", commit_provider_written, |node, target, _| {
            let state = node.state(target);
            if let TargetState::ProviderWritten { committed } = state {
                assert!(committed);
                assert_eq!(node.volumes.read_files(target).expect("reads").len(), 3);
            }
        });
    });
}

#[test]
fn i2_random_kills_under_readers() {
    isolated(|_| {
        let node = Node::new();
        let target = node.target("vol");
        node.publish(&target, 0).expect("publishes");
        let mut newest = 0;
        for round in 0..20 {
            let wait_for = newest + RandomState::new().hash_one(round) % 40;
            let mut victim = start_victim(&node, "rotate", newest + 1, true);
            while newest <= wait_for {
                assert!(victim.try_wait().expect("is ours").is_none(), "the writer ended by itself");
                // `None`: the generation was replaced between two files.
                if let Some(number) = number_of_shown(&target) {
                    assert!(number >= newest, "{number} after {newest}");
                    newest = number;
                }
            }
            victim.kill().expect("is ours");
            victim.wait().expect("ends");
            assert!(node.is_committed(&target));
            newest = number_of(&target).expect("whole");
        }
        assert_repairable(&node, &target);
        println!("{newest} generations, 20 kills");
    });
}
