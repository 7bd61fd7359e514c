//! A node whose driver dies again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keymount_api::annotations;
use keymount_daemon::grpc::channel;
use keymount_emulator::kubernetes::Options;
use keymount_proto::csi::NodeUnpublishVolumeRequest;
use keymount_proto::csi::node_client::NodeClient;
use keymount_stack_tests::{Cluster, Mount, Provider, STATUSES, data, reply};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tonic::Status;

use super::readers::{FILES, Readers, Watched};
use crate::program::{LISTENING, Place, Program};

const FLAGS: [&str; 7] = [
    "--enable-secret-rotation",
    // Rotations are asked for, so that they happen when the test expects them.
    "--rotation-poll-interval=1h",
    "--rotation-min-interval=1s",
    "--kube-api-qps=1000",
    "--kube-api-burst=1000",
    "--secret-repair-interval=0",
    "-v=5",
];

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the life of a driver ends.
pub(crate) enum Kill {
    Never,
    /// At a moment.
    After(Duration),
    /// Before the n-th such system call of one of its threads.
    BeforeCall {
        call: &'static str,
        number: usize,
    },
}

/// What became of one life.
pub(crate) struct Life {
    pub(crate) killed: bool,
    pub(crate) took: Duration,
}

/// What kubelet wants of the volume that comes and goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    There,
    Gone,
}

pub(crate) struct Scene {
    place: Place,
    cluster: Cluster,
    provider: Provider,
    generation: Arc<AtomicU64>,
    readers: Readers,
    /// Mounted in the beginning; no driver after the first is told of it.
    forgotten: Mount,
    /// Mounted all the time, and rotated.
    kept: Mount,
    kept_watched: Arc<Watched>,
    coming: Arc<Watched>,
    lives: usize,
}

impl Scene {
    /// A cluster, a provider whose files all hold the number of their generation, and two volumes.
    pub(crate) async fn begin() -> Self {
        let place = Place::new();
        let cluster = Cluster::start(Options::default()).await;
        place.write_kubeconfig("kubeconfig", cluster.api.url());
        cluster.put_class(
            "web",
            &json!([{"secretName": "s", "type": "Opaque", "data": [{"objectName": "first", "key": "p"}]}]),
        );
        let generation = Arc::new(AtomicU64::new(1));
        let number = Arc::clone(&generation);
        let provider = Provider::start(&place.path("providers"), "test", move |_| {
            let text = number.load(Ordering::SeqCst).to_string();
            let files = FILES.map(|name| (name, text.as_str()));
            reply(&text, &files)
        })
        .await;
        let mount = |name: &str| Mount::new(name, &cluster.put_pod(name));
        let (forgotten, kept) = (mount("forgotten"), mount("kept"));
        let watched = |mount: &Mount| Watched::new(mount.target(&place.path("pods")));
        let (forgotten_watched, kept_watched) = (watched(&forgotten), watched(&kept));
        let coming = Watched::new(place.path("nowhere"));
        let readers = Readers::start(vec![
            Arc::clone(&forgotten_watched),
            Arc::clone(&kept_watched),
            Arc::clone(&coming),
        ]);
        let scene = Self {
            place,
            cluster,
            provider,
            generation,
            readers,
            forgotten,
            kept,
            kept_watched,
            coming,
            lives: 0,
        };
        let program = scene.place.serve(&FLAGS).await;
        for mount in [&scene.forgotten, &scene.kept] {
            scene.publish(mount).await.expect("a mount");
            scene.told(&mount.pod, 1).await;
        }
        forgotten_watched.expect(true);
        scene.kept_watched.expect(true);
        program.signal(Signal::KILL);
        program.ended().await;
        scene
    }

    /// One life that ends as told, and another after it in which everything has to be right.
    pub(crate) async fn life_and_recovery(&mut self, kill: &Kill) -> Life {
        self.lives += 1;
        let name = format!("pod-{}", self.lives);
        let fresh = Mount::new(&name, &self.cluster.put_pod(&name));
        self.coming.look_at(self.target(&fresh));
        let (mut wanted, began) = (Wanted::There, Instant::now());
        let mut victim = self.start(kill);
        let death = victim.death();
        let living = async {
            tokio::select! {
                biased;
                () = death => true,
                () = moment(kill) => true,
                () = self.live(&mut victim, &fresh, &mut wanted) => false,
            }
        };
        let Ok(killed) = timeout(PATIENCE, living).await else {
            panic!("life {} does not come to its end: {}", self.lives, self.state(&victim, &fresh));
        };
        let took = began.elapsed();
        victim.kill_all();
        drop(victim);
        let program = self.place.serve(&FLAGS).await;
        if timeout(PATIENCE, self.recover(&fresh, wanted)).await.is_err() {
            panic!("no recovery after life {}: {}", self.lives, self.state(&program, &fresh));
        }
        program.signal(Signal::TERM);
        let ended = program.ended().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        self.nothing_left(&fresh).await;
        Life { killed, took }
    }

    fn start(&self, kill: &Kill) -> Program {
        let under = match kill {
            Kill::Never | Kill::After(_) => Vec::new(),
            Kill::BeforeCall { call, number } => [
                "/usr/bin/strace",
                "--follow-forks",
                "--quiet=all",
                "--output=/dev/null",
                "--signal=none",
                &format!("--trace={call}"),
                &format!("--inject={call}:signal=SIGKILL:when={number}"),
            ]
            .map(str::to_owned)
            .into(),
        };
        Program::start_under(&under, &self.place.arguments(&FLAGS), &[])
    }

    /// What happens in a life. Does not return if the driver dies meanwhile.
    async fn live(&self, driver: &mut Program, fresh: &Mount, wanted: &mut Wanted) {
        if driver.logged_if_it_lives(LISTENING).await.is_none() {
            return std::future::pending().await;
        }
        for mount in [fresh, &self.kept] {
            if let Err(error) = self.publish(mount).await {
                return self.died(driver, &error).await;
            }
            self.coming.expect(true);
        }
        let generation = self.next_generation();
        self.told(&fresh.pod, generation).await;
        self.told(&self.kept.pod, generation).await;
        self.synced(generation).await;
        self.coming.expect(false);
        *wanted = Wanted::Gone;
        if let Err(error) = self.unpublish(fresh).await {
            self.died(driver, &error).await;
        }
    }

    /// A call failed: that has to be because the driver is dead.
    async fn died(&self, driver: &Program, error: &Status) {
        let dead = timeout(PATIENCE, driver.death()).await;
        assert!(dead.is_ok(), "a driver that lives answered {error}: {:#?}", driver.lines());
        std::future::pending().await
    }

    /// The next driver: kubelet repeats what it wants, and after that everything is as it should be.
    async fn recover(&self, fresh: &Mount, wanted: Wanted) {
        self.nothing_wrong();
        if wanted == Wanted::Gone {
            self.unpublish(fresh).await.expect("an unpublish can be repeated");
            assert!(!self.target(fresh).exists(), "an unpublished volume is gone");
        }
        for mount in [fresh, &self.kept] {
            self.publish(mount).await.expect("a publish can be repeated");
            let texts = FILES.map(|name| std::fs::read_to_string(self.target(mount).join(name)).ok());
            assert!(texts.iter().all(|text| text.is_some() && *text == texts[0]), "{texts:?}");
        }
        self.coming.expect(true);
        let generation = self.next_generation();
        for mount in [fresh, &self.kept] {
            self.told(&mount.pod, generation).await;
            let first = std::fs::read_to_string(self.target(mount).join(FILES[0]));
            assert_eq!(first.expect("a file"), generation.to_string());
        }
        self.synced(generation).await;
        self.coming.expect(false);
        self.unpublish(fresh).await.expect("an unpublish");
        self.cluster.api.delete("pods", "default", &fresh.pod).expect("a pod");
    }

    /// What there is to know when something is not as it should be.
    fn state(&self, driver: &Program, fresh: &Mount) -> String {
        let status = |mount: &Mount| {
            let found = self.cluster.api.get(STATUSES, "default", &format!("{}-default-web", mount.pod));
            found.unwrap_or_default()["status"].to_string()
        };
        let shown = |mount: &Mount| std::fs::read_to_string(self.target(mount).join(FILES[0]));
        let [fresh, kept] = [fresh, &self.kept].map(|mount| (shown(mount), status(mount)));
        let (generation, secret) = (self.generation.load(Ordering::SeqCst), self.cluster.secret_data("s"));
        let (calls, log) = (self.provider.count(), driver.lines());
        format!(
            "generation {generation}, fresh {fresh:?}, kept {kept:?}, Secret {secret:?}, calls {calls}, log {log:#?}"
        )
    }

    fn next_generation(&self) -> u64 {
        let generation = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        self.cluster.annotate_class("web", annotations::REFRESH, &generation.to_string());
        generation
    }

    /// Returns when the pod's status object tells of this generation.
    async fn told(&self, pod: &str, generation: u64) {
        let version = json!(generation.to_string());
        let is_new = |status: &Value| {
            let objects = status["status"]["objects"].as_array();
            status["status"]["mounted"] == true
                && objects.is_some_and(|objects| objects.iter().all(|object| object["version"] == version))
        };
        self.cluster.status(pod, "web", is_new).await;
    }

    /// Returns when the Secret holds this generation.
    async fn synced(&self, generation: u64) {
        let text = generation.to_string();
        self.cluster.secret("s", |secret| data(secret).get("p") == Some(&text)).await;
    }

    fn nothing_wrong(&self) {
        let wrong = self.readers.wrong();
        assert!(wrong.is_empty(), "life {}: {wrong:#?}", self.lives);
    }

    /// Nothing is left of the volume that went, and nothing grows in the one that stays.
    async fn nothing_left(&self, fresh: &Mount) {
        self.nothing_wrong();
        let pods = self.place.path("pods");
        let mut expected = [&self.forgotten, &self.kept].map(|mount| self.target(mount));
        expected.sort();
        assert_eq!(mounts_below(&pods), expected, "stale mounts");
        assert!(!self.target(fresh).exists());
        std::fs::remove_dir_all(pods.join(&fresh.uid)).expect("kubelet removes the pod's directory");
        for mount in [&self.forgotten, &self.kept] {
            let mut hidden = names(&self.target(mount));
            hidden.retain(|name| name.starts_with(".."));
            // `..data`, what it shows, and for a moment what it showed before.
            assert!(hidden.len() <= 3, "{hidden:?}");
        }
        let others = |name: &String| ![&self.forgotten.uid, &self.kept.uid].contains(&name);
        assert_eq!(names(&pods).into_iter().filter(others).count(), 0);
        let status = format!("{}-default-web", fresh.pod);
        let gone = self.cluster.wait_for(STATUSES, &status, Value::is_null);
        timeout(PATIENCE, gone).await.expect("the collector takes the status object of a pod that is gone");
    }

    /// Asserts that there was something to see.
    #[allow(clippy::print_stdout, reason = "the figures of a run")]
    pub(crate) async fn end(self, kills: usize) {
        let whole = self.readers.whole();
        println!(
            "{kills} kills in {} lives, {} generations, {whole} whole reads",
            self.lives,
            self.generation.load(Ordering::SeqCst)
        );
        assert!(whole > self.lives, "{whole}");
    }

    async fn publish(&self, mount: &Mount) -> Result<(), Status> {
        let request = mount.request(&self.place.path("pods"));
        self.csi().node_publish_volume(request).await.map(drop)
    }

    async fn unpublish(&self, mount: &Mount) -> Result<(), Status> {
        let target_path = self.target(mount).display().to_string();
        let request = NodeUnpublishVolumeRequest { volume_id: "csi-1".to_owned(), target_path };
        self.csi().node_unpublish_volume(request).await.map(drop)
    }

    fn csi(&self) -> NodeClient<tonic::transport::Channel> {
        NodeClient::new(channel(&self.place.path("csi.sock")))
    }

    fn target(&self, mount: &Mount) -> PathBuf {
        mount.target(&self.place.path("pods"))
    }
}

async fn moment(kill: &Kill) {
    match kill {
        Kill::After(time) => tokio::time::sleep(*time).await,
        Kill::Never | Kill::BeforeCall { .. } => std::future::pending().await,
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn mounts_below(directory: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let points = all.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let mut below: Vec<_> = points.filter(|point| point.starts_with(directory)).collect();
    below.sort();
    below
}
