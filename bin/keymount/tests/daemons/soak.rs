//! The whole stack for a long time: up to 200 volumes, rotations every five seconds, a fault every few seconds, and readers
//! that never see anything but whole generations.
//!
//! In the first half of the time daemons are killed, too. In the second half they are not, so that what leaks shows:
//! memory and file descriptors are compared between its beginning and its end, each time with everything healed and
//! converged.

#![allow(clippy::print_stdout, reason = "the figures of a run")]

mod faults;
mod figures;
mod kubelet;
mod readers;

use std::sync::Arc;
use std::time::Duration;

use keymount_mount_namespace::isolated;
use keymount_stack_tests::STATUSES;
use serde_json::json;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::azure::{APPLICATION, MACHINE};
use crate::place::{Place, class};
use faults::Trouble;
use figures::{Sample, Samples};
use kubelet::Kubelet;
use readers::Readers;

/// Volumes of the node, if nothing else is said.
const VOLUMES: u64 = 200;
/// Classes of each kind of identity, each with a Secret.
const CLASSES: usize = 10;
/// How long everything may take to be right once nothing is wrong any more: attempts that failed in a row are up to
/// two minutes apart.
const CONVERGENCE: Duration = Duration::from_secs(900);

/// A number from the environment.
#[allow(clippy::disallowed_methods, reason = "how long a test takes is told by its environment")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

#[test]
#[ignore = "takes a minute or an hour: .ci/run soak"]
fn i1_i2_i9_i10_two_hundred_volumes_under_random_faults() {
    isolated(|_| {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(soak());
    });
}

async fn soak() {
    let (seconds, seed) = (setting("KEYMOUNT_SOAK_SECONDS", 60), setting("KEYMOUNT_SOAK_SEED", 1));
    let volumes = usize::try_from(setting("KEYMOUNT_SOAK_VOLUMES", VOLUMES)).expect("a few hundred");
    println!("{seconds} s, {volumes} volumes, KEYMOUNT_SOAK_SEED={seed}");
    let half = Duration::from_secs(seconds) / 2;
    let place = Arc::new(Place::new().await);
    let kubelet = Arc::new(Kubelet::new(&place, volumes, classes(&place)));
    let mut trouble = Trouble::new(&kubelet, seed).await;
    let watched = kubelet.slots.iter().map(|slot| Arc::clone(&slot.watched)).collect();
    let readers = Readers::start(watched, &kubelet.seen);
    let stop = CancellationToken::new();
    let pods: Vec<_> =
        (0..volumes).map(|slot| tokio::spawn(Arc::clone(&kubelet).run(slot, stop.clone()))).collect();

    let mut samples = Samples::default();
    trouble.make(half, true, &mut samples).await;
    converge(&trouble, &kubelet).await;
    println!("half: {trouble}{samples}");
    trouble.first_storm().await;
    converge(&trouble, &kubelet).await;
    let (before, mut samples) = (Sample::settled(&trouble).await, Samples::default());
    let held = trouble.driver.kinds_of_descriptors();
    trouble.make(half, false, &mut samples).await;
    converge(&trouble, &kubelet).await;
    let after = Sample::settled(&trouble).await;
    println!("end: {trouble}{samples}{before:?}\n{after:?}");
    println!("then: {held:#?}\nnow: {:#?}", trouble.driver.kinds_of_descriptors());

    stop.cancel();
    for pod in pods {
        timeout(CONVERGENCE, pod).await.expect("a pod goes").expect("no panic");
    }
    drop(readers);
    assert_eq!(kubelet.seen.all_wrong(), Vec::<String>::new());
    nothing_left(&place).await;
    after.is_no_more_than(&before);
}

/// Makes the classes, gives their names.
fn classes(place: &Place) -> Vec<String> {
    let workload = json!({"clientID": APPLICATION});
    let machine = json!({"useVMManagedIdentity": "true", "userAssignedIdentityID": MACHINE});
    let mut names = Vec::new();
    for number in 0..CLASSES {
        for (kind, identity) in [("workload", &workload), ("machine", &machine)] {
            let name = format!("{kind}-{number}");
            place.put(&class(&name, identity));
            names.push(name);
        }
    }
    names
}

/// Waits until every volume, status object and Secret shows the newest version, and nothing else is mounted.
async fn converge(trouble: &Trouble, kubelet: &Kubelet) {
    let began = Instant::now();
    let done = async {
        loop {
            let late = late(trouble, kubelet);
            if late.is_empty() {
                return;
            }
            if began.elapsed() > CONVERGENCE {
                panic!("not converged: {late:#?}\n{:#?}", trouble.driver.log().lines);
            }
            // What is waited for is on the side of the reader, too, which has no event.
            sleep(Duration::from_millis(500)).await;
        }
    };
    done.await;
    println!("converged after {:.1} s", began.elapsed().as_secs_f64());
}

/// What does not show the newest version yet.
fn late(trouble: &Trouble, kubelet: &Kubelet) -> Vec<String> {
    let (place, number) = (&kubelet.place, trouble.number);
    let mut late = Vec::new();
    let mut versions = std::collections::BTreeSet::new();
    for (slot, state) in kubelet.slots.iter().enumerate() {
        let (pod, shown) = (state.pod(), state.watched.number());
        if shown != Some(number) {
            late.push(format!("{pod} shows {shown:?}, not {number}"));
        }
        let status = format!("{pod}-default-{}", kubelet.class(slot));
        let status = place.api().get(STATUSES, "default", &status).unwrap_or_default();
        if status["status"]["mounted"] != true {
            late.push(format!("{pod} has no status"));
        }
        versions.insert(status["status"]["objects"].to_string());
    }
    // All volumes hold the same objects.
    if versions.len() != 1 {
        late.push(format!("{} different status objects", versions.len()));
    }
    let statuses = place.api().list(STATUSES, "default").len();
    if statuses != kubelet.slots.len() {
        late.push(format!("{statuses} status objects"));
    }
    for slot in 0..(2 * CLASSES).min(kubelet.slots.len()) {
        let secret = place.api().get("secrets", "default", kubelet.class(slot)).unwrap_or_default();
        let data = keymount_stack_tests::data(&secret);
        if data.get("number") != Some(&number.to_string()) {
            late.push(format!("Secret {} holds {data:?}", kubelet.class(slot)));
        }
    }
    let mounts = mounts(place);
    if mounts != kubelet.slots.len() {
        late.push(format!("{mounts} mounts"));
    }
    late
}

fn mounts(place: &Place) -> usize {
    let (all, pods) = (std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo"), place.pods());
    let points = all.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| std::path::Path::new(point).starts_with(&pods)).count()
}

/// With all pods gone nothing of them is left, on the node and in the cluster.
async fn nothing_left(place: &Place) {
    assert_eq!(mounts(place), 0);
    let pods: Vec<_> = std::fs::read_dir(place.pods()).expect("a directory").collect();
    assert!(pods.is_empty(), "{pods:?}");
    for resource in [STATUSES, "secrets"] {
        let gone = async {
            loop {
                let revision = place.api().revision();
                if place.api().list(resource, "default").is_empty() {
                    return;
                }
                place.api().changed_after(revision).await;
            }
        };
        let gone = timeout(Duration::from_secs(60), gone).await.is_ok();
        assert!(gone, "{resource} that nobody owns: {:#?}", place.api().list(resource, "default"));
    }
}
