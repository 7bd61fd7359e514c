//! Any order of publishes, republishes, rotations, unpublishes, restarts and failures: after each step the invariants
//! hold. Cases are made by proptest and made smaller when one fails; time is simulated.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keymount_clock::WallClock;
use keymount_daemon::log::{Format, Log, Options, Output};
use keymount_mount_namespace::isolated;
use keymount_proto::csi::NodePublishVolumeRequest;
use keymount_proto::provider::MountRequest;
use keymount_stack_tests::{Mount, Node, NodeOptions, Reply, STATUSES, reply};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

/// Volumes of the node.
const VOLUMES: usize = 3;
/// Seconds between two fetches of a volume.
const INTERVAL: u64 = 60;
/// Where kubelet puts tokens.
const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";
/// What every content and every token holds, and nothing that is told may hold (I5).
const CANARY: &str = "CANARY-in-between";

#[derive(Clone, Debug)]
enum Step {
    Publish(usize),
    /// Kubelet's caller goes away at once; the operation goes on.
    PublishAndLeave(usize),
    Unpublish(usize),
    /// A publish and an unpublish of one volume at once.
    Both(usize),
    /// The store has something new.
    NewVersion,
    /// The provider fails with this code from now on.
    Fail(i32),
    /// It answers again.
    Recover,
    /// It does not answer.
    Hang,
    /// Time goes by.
    Wait(u64),
    /// The API server goes away, or comes back.
    Api(bool),
    /// The driver ends as SIGTERM ends it, and starts.
    Restart,
    /// A volume of a tenant who means no good.
    Hostile(Hostility),
}

/// What is wrong with a request or with what its provider answers.
#[derive(Clone, Copy, Debug)]
enum Hostility {
    NoClass,
    NoProvider,
    BadReply,
    BadTarget,
    BadTokens,
}

const HOSTILITIES: [Hostility; 5] = [
    Hostility::NoClass,
    Hostility::NoProvider,
    Hostility::BadReply,
    Hostility::BadTarget,
    Hostility::BadTokens,
];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..VOLUMES).prop_map(Step::Publish),
        1 => (0..VOLUMES).prop_map(Step::PublishAndLeave),
        3 => (0..VOLUMES).prop_map(Step::Unpublish),
        2 => (0..VOLUMES).prop_map(Step::Both),
        3 => Just(Step::NewVersion),
        2 => (1..=16).prop_map(Step::Fail),
        3 => Just(Step::Recover),
        1 => Just(Step::Hang),
        5 => prop_oneof![1..INTERVAL, INTERVAL..20 * INTERVAL].prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Api),
        1 => Just(Step::Restart),
        2 => prop::sample::select(HOSTILITIES.as_slice()).prop_map(Step::Hostile),
    ]
}

/// What is known of a volume from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    /// A publish was answered OK and no unpublish came after it.
    mounted: bool,
    /// Newest version that was seen.
    seen: u64,
}

/// What a pod's volume holds at a version: the pod and its token are in it (I6).
fn content(pod: &str, version: &str) -> String {
    format!("{version} {pod} {}", token(pod))
}

fn token(pod: &str) -> String {
    format!("{CANARY}-token-of-{pod}")
}

/// A provider that gives each caller what is its own: the pod, by the token that came with the call.
fn own_content(request: &MountRequest, version: &str) -> Reply {
    let attributes: Value = serde_json::from_str(&request.attributes).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tokens: Value = serde_json::from_str(&text(&attributes[TOKENS])).unwrap_or_default();
    let pod = text(&attributes["csi.storage.k8s.io/pod.name"]);
    if pod == "hostile" {
        return reply(version, &[("../a", CANARY), ("a", CANARY)]);
    }
    let content = format!("{version} {pod} {}", text(&tokens["aud"]["token"]));
    reply(version, &[("a", &content), ("d/b", &content)])
}

struct World {
    log: Arc<Mutex<Vec<u8>>>,
    node: Node,
    mounts: Vec<Mount>,
    known: Vec<Known>,
    version: u64,
    api: bool,
    provider: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Files,
    Error,
    None,
}

impl World {
    async fn new(log: &Arc<Mutex<Vec<u8>>>) -> Self {
        log.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let interval = format!("--rotation-poll-interval={INTERVAL}s");
        let node = Node::start(NodeOptions::rotating(&[&interval, "--secret-repair-interval=0"])).await;
        node.put_class(
            "web",
            &json!([{"secretName": "s", "type": "Opaque", "data": [{"objectName": "a", "key": "p"}]}]),
        );
        let mount = |number: usize| {
            let name = format!("pod-{number}");
            Mount::new(&name, &node.put_pod(&name))
        };
        let mounts = (0..VOLUMES).map(mount).collect();
        let mut world = Self {
            log: Arc::clone(log),
            node,
            mounts,
            known: vec![Known::default(); VOLUMES],
            version: 1,
            api: true,
            provider: Answer::Files,
        };
        world.answer();
        world
    }

    fn answer(&mut self) {
        let text = self.version.to_string();
        self.node.provider.answer(move |request| own_content(request, &text));
    }

    /// What kubelet asks for a volume.
    fn request(&self, volume: usize) -> NodePublishVolumeRequest {
        let mount = &self.mounts[volume];
        let mut request = mount.request(&self.node.pods());
        let tokens = json!({"aud": {
            "token": token(&mount.pod), "expirationTimestamp": "2036-11-24T13:00:00Z",
        }});
        request.volume_context.insert(TOKENS.to_owned(), tokens.to_string());
        request
    }

    /// The version that a volume shows: none if nothing is there.
    ///
    /// I2: it is one version, whole. I6: it is the volume's own.
    fn shown(&self, volume: usize) -> Option<u64> {
        let mount = &self.mounts[volume];
        let a = self.node.read_in(mount, "a");
        let b = self.node.read_in(mount, "d/b");
        assert_eq!(a, b, "I2: files of one volume are of one generation");
        let a = a?;
        let version = a.split(' ').next().unwrap_or_default();
        assert_eq!(a, content(&mount.pod, version), "I6: each volume shows what is its own");
        Some(version.parse().expect("a version"))
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Publish(volume) => self.publish(volume).await,
            Step::PublishAndLeave(volume) => {
                let (mut csi, request) = (self.node.csi(), self.request(volume));
                let left = timeout(Duration::from_millis(1), csi.node_publish_volume(request)).await;
                // It may be mounted or not; the next call tells.
                self.known[volume].mounted &= !matches!(left, Ok(Err(_)));
            }
            Step::Unpublish(volume) => self.unpublish(volume).await,
            Step::Both(volume) => {
                let mount = self.mounts[volume].clone();
                let (publish, unpublish) = tokio::join!(
                    self.node.publish_as(self.request(volume)),
                    self.node.unpublish_mount(&mount)
                );
                unpublish.expect("I10: an unpublish is not kept from ending");
                drop(publish);
                self.unpublish(volume).await;
            }
            Step::NewVersion => {
                self.version += 1;
                if self.provider != Answer::Error {
                    self.answer();
                }
            }
            Step::Fail(code) => {
                self.node.provider.release();
                self.provider = Answer::Error;
                let code = Code::from_i32(code);
                self.node.provider.answer(move |_| Err(Status::new(code, "boom")));
            }
            Step::Recover => {
                self.provider = Answer::Files;
                self.answer();
                self.node.provider.release();
            }
            Step::Hang => {
                self.provider = Answer::None;
                self.answer();
                self.node.provider.hold();
            }
            Step::Wait(seconds) => self.wait(seconds).await,
            Step::Api(up) if up != self.api => {
                self.api = up;
                if up {
                    self.node.api.up().await.expect("its port");
                } else {
                    self.node.api.down().await;
                }
            }
            Step::Api(_) => {}
            Step::Restart => {
                self.node.stop_driver().await;
                self.node.start_driver().await;
            }
            Step::Hostile(hostility) => self.attack(hostility).await,
        }
        self.check();
    }

    /// I7: whatever it asks, a hostile volume gets nothing.
    async fn attack(&mut self, hostility: Hostility) {
        let mount = Mount::new("hostile", "0e000000-0000-4000-8000-000000000666");
        let mut request = mount.request(&self.node.pods());
        match hostility {
            Hostility::NoClass => drop(request.volume_context.remove("secretProviderClass")),
            Hostility::NoProvider => {
                self.node.put(&keymount_stack_tests::class("nobody", "nobody", &json!([])));
                request.volume_context.insert("secretProviderClass".to_owned(), "nobody".to_owned());
            }
            // The provider gives this pod paths that lead out.
            Hostility::BadReply => {}
            Hostility::BadTarget => {
                request.target_path = format!("{}/../escape/mount", self.node.pods().display());
            }
            Hostility::BadTokens => {
                let forged = json!({"other": {"token": CANARY}}).to_string();
                request.volume_context.insert(TOKENS.to_owned(), forged);
            }
        }
        // Nobody waits longer for it than that: the provider may hang.
        let _ = timeout(Duration::from_secs(1), self.node.publish_as(request)).await;
        self.node.unpublish_mount(&mount).await.expect("I10: an unpublish is not kept from ending");
        assert!(!mount.target(&self.node.pods()).exists());
        let _ = std::fs::remove_dir_all(self.node.pods().join(&mount.uid));
        assert!(!self.node.path("escape").exists());
    }

    /// I5: nothing secret in anything that is told.
    fn nothing_leaked(&self) {
        let log =
            String::from_utf8_lossy(&self.log.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        assert!(log.len() > 100, "there is something to search");
        let list = |resource: &str| Value::from(self.node.api.list(resource, "default")).to_string();
        for text in [log, list("events"), list(STATUSES), self.node.metrics()] {
            let line = text.lines().find(|line| line.contains(CANARY));
            assert!(line.is_none(), "I5: {line:?}");
        }
    }

    async fn publish(&mut self, volume: usize) {
        let was = (self.known[volume].mounted, self.shown(volume));
        let published = self.node.publish_as(self.request(volume)).await;
        let shown = self.shown(volume);
        match published {
            Ok(()) => {
                assert!(shown.is_some(), "I1: OK means that there are files");
                self.known[volume].mounted = true;
            }
            Err(error) => {
                assert!(!was.0, "I9, I10: a mounted volume never answers a republish with an error: {error}");
                let works = self.api && self.provider == Answer::Files;
                assert!(!works, "I8: whatever others do, a volume with nothing wrong mounts: {error}");
                let target = self.mounts[volume].target(&self.node.pods()).display().to_string();
                assert!(!self.node.mounts().contains(&target), "what failed leaves nothing mounted");
                assert!(
                    !matches!(
                        error.code(),
                        Code::Aborted | Code::DeadlineExceeded | Code::Cancelled | Code::Unavailable
                    ),
                    "kubelet has to start over: {error}"
                );
            }
        }
    }

    async fn unpublish(&mut self, volume: usize) {
        self.node.unpublish_mount(&self.mounts[volume]).await.expect("I10: whatever else is broken");
        self.known[volume].mounted = false;
        assert_eq!(self.shown(volume), None);
        assert!(!self.mounts[volume].target(&self.node.pods()).exists());
    }

    /// I3: however long, no volume is fetched more often than once an interval, give or take the jitter; and one that
    /// fails not more often than that either.
    async fn wait(&mut self, seconds: u64) {
        let before = self.node.provider.count();
        let shown: Vec<_> = (0..VOLUMES).map(|volume| self.shown(volume)).collect();
        sleep(Duration::from_secs(seconds)).await;
        let calls = u64::try_from(self.node.provider.count() - before).expect("a number");
        // Each volume: what was due already and what a restart made due, then one an interval.
        let most = u64::try_from(VOLUMES).expect("a number") * (3 + seconds * 10 / (9 * INTERVAL) + 3);
        assert!(calls <= most, "I3: {calls} calls in {seconds} s");
        if self.provider == Answer::Error {
            // One call may have been answered before the provider began to fail.
            let after: Vec<_> = (0..VOLUMES).map(|volume| self.shown(volume)).collect();
            for (before, after) in shown.iter().zip(&after) {
                assert!(before.is_none() || after.is_some(), "I9: content stays");
            }
        }
    }

    fn check(&mut self) {
        for volume in 0..VOLUMES {
            let shown = self.shown(volume);
            let known = &mut self.known[volume];
            if known.mounted {
                let version = shown.expect("I1, I9: a mounted volume shows files, whatever happened");
                assert!(version >= known.seen && version <= self.version, "{version} after {known:?}");
                known.seen = version;
            } else if let Some(version) = shown {
                known.seen = version.max(known.seen);
            }
        }
        let mounts = self.node.mounts();
        assert!(mounts.len() <= VOLUMES, "no volume is mounted twice: {mounts:?}");
        // I7: nothing but the pods' directories is there.
        let pods = std::fs::read_dir(self.node.pods()).expect("pods").count();
        assert!(pods <= VOLUMES);
    }

    /// When everything works again, everything becomes right, and then rests (I4).
    async fn end(&mut self) {
        for step in [Step::Api(true), Step::NewVersion, Step::Recover, Step::Wait(30)] {
            self.step(&step).await;
        }
        for volume in 0..VOLUMES {
            self.node.publish_as(self.request(volume)).await.expect("everything works again");
            self.known[volume].mounted = true;
        }
        // Pauses after failures are ten minutes at most.
        sleep(Duration::from_secs(1500)).await;
        for volume in 0..VOLUMES {
            assert_eq!(self.shown(volume), Some(self.version), "the newest version has come");
            let version = self.version.to_string();
            self.node
                .cluster
                .status(&format!("pod-{volume}"), "web", |status| {
                    status["status"]["objects"][0]["version"] == version
                })
                .await;
        }
        // One Secret for all of them: it holds what one of them shows.
        let newest: Vec<BTreeMap<_, _>> = (self.mounts.iter())
            .map(|mount| [("p".to_owned(), content(&mount.pod, &self.version.to_string()))].into())
            .collect();
        self.node.secret("s", |secret| newest.contains(&keymount_stack_tests::data(secret))).await;
        sleep(Duration::from_secs(120)).await;
        self.node.api.journal().reset();
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(self.node.api.journal().writes(), 0, "I4");
        self.nothing_leaked();
        for volume in 0..VOLUMES {
            self.unpublish(volume).await;
        }
        assert!(self.node.mounts().is_empty());
    }
}

/// Cases of one run; a run by hand may ask for more.
#[allow(clippy::disallowed_methods, reason = "how long a test takes is told by its environment")]
fn cases() -> u32 {
    std::env::var("KEYMOUNT_INTERLEAVINGS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(8)
}

#[test]
fn i1_i2_any_interleaving_of_calls_and_failures_keeps_the_invariants() {
    isolated(|_| {
        let log = Arc::default();
        let (output, clock) = (Output::Memory(Arc::clone(&log)), WallClock::system());
        let options = Options { format: Format::Text, verbosity: 10, skip_headers: false, output, clock };
        tracing::subscriber::set_global_default(Log::new(options))
            .expect("this test has a process of its own");
        let config =
            Config { cases: cases(), failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
        let steps = prop::collection::vec(step(), 1..40);
        let ran = TestRunner::new(config).run(&steps, |steps| {
            let runtime =
                Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
            runtime.block_on(async {
                let mut world = World::new(&log).await;
                for step in &steps {
                    world.step(step).await;
                }
                world.end().await;
            });
            Ok(())
        });
        if let Err(error) = ran {
            panic!("{error}");
        }
    });
}
