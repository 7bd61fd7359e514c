//! SIGKILL of the driver's process at any moment of its life, while readers look on: what it leaves is whole,
//! and its successor makes everything right (I1, I2).
//!
//! A life is: start, a first mount, the take-over of a mounted volume, a rotation of both with status objects and a
//! Secret, an unpublish. Two ways to end it: before the n-th system call that changes anything (strace counts, per
//! thread), for every n there is; and after a random time.

mod readers;
mod scene;

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use keymount_stack_tests::stack_test;

use scene::{Kill, Scene};

/// System calls that change a volume or a mount, and `write`, which also tells kubelet, the provider and the API
/// server something. Strace counts each of them by itself, by thread. A call that a life does not make costs one life.
const CALLS: [&str; 14] = [
    "mkdirat",
    "symlinkat",
    "renameat",
    "unlinkat",
    "write",
    "fchmod",
    "fchown",
    "fsetxattr",
    "fsopen",
    "fsconfig",
    "fsmount",
    "move_mount",
    "umount2",
    "sendto",
];

/// Lives that one sweep of one call takes at most.
const MOST_CALLS: usize = 500;

/// Kills of one run; CI's step for crashes sets more than the default.
#[allow(clippy::disallowed_methods, reason = "how long a test takes is told by its environment")]
fn wanted_kills(default: usize) -> usize {
    std::env::var("KEYMOUNT_CRASH_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(default)
}

fn random(below: u64) -> u64 {
    RandomState::new().hash_one(below) % below
}

stack_test!(i2_driver_killed_at_random_moments_under_readers, |_| async {
    let mut scene = Scene::begin().await;
    // One life without a kill tells how long it takes.
    let whole = scene.life_and_recovery(&Kill::Never).await.took;
    let mut kills = 0;
    while kills < 25 {
        let after = Duration::from_micros(random(u64::try_from(whole.as_micros()).expect("minutes at most")));
        kills += usize::from(scene.life_and_recovery(&Kill::After(after)).await.killed);
    }
    scene.end(kills).await;
});

stack_test!(
    #[ignore = "needs strace: .ci/run crashes"]
    i1_i2_driver_killed_before_each_system_call_under_readers,
    |_| async {
        let mut scene = Scene::begin().await;
        let (wanted, mut kills) = (wanted_kills(1000), 0);
        // A short run takes some calls of each kind, others each time.
        let stride = if wanted < 500 { 3 } else { 1 };
        while kills < wanted {
            let before = kills;
            for call in CALLS {
                let first = 1 + usize::try_from(random(stride)).expect("a few");
                for number in (first..MOST_CALLS).step_by(usize::try_from(stride).expect("a few")) {
                    if kills == wanted
                        || !scene.life_and_recovery(&Kill::BeforeCall { call, number }).await.killed
                    {
                        break;
                    }
                    kills += 1;
                }
                println!("{kills} kills; {call}");
            }
            assert!(kills > before, "a sweep that kills nobody");
        }
        scene.end(kills).await;
    }
);
