//! A driver and its provider on a node of a cluster.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use keymount_clock::WallClock;
use keymount_daemon::flags::Flags;
use keymount_daemon::grpc::channel;
use keymount_daemon::metrics::Registry;
use keymount_driver::flags::FLAGS;
use keymount_driver::{Config, Driver};
use keymount_emulator::kubernetes::Options;
use keymount_proto::csi::node_client::NodeClient;
use keymount_proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::mount::Mount;
use crate::provider::{Provider, Reply, reply};

/// How a [`Node`] is set up.
pub struct NodeOptions {
    /// Flags of the driver beyond those that every test has.
    pub flags: Vec<String>,
    /// How the API server is set up, where the node starts a cluster of its own.
    pub api: Options,
    /// Bearer token of the driver at the API server; none makes it the administrator.
    pub token: Option<String>,
    /// The node's own time of day; none is that of the cluster.
    pub clock: Option<WallClock>,
    /// Whether the driver can be killed: it then has a runtime of its own, which is incompatible with
    /// paused time.
    pub killable: bool,
}

impl Default for NodeOptions {
    fn default() -> Self {
        let api = Options { controllers: false, ..Options::default() };
        Self { flags: Vec::new(), api, token: None, clock: None, killable: false }
    }
}

impl NodeOptions {
    /// A driver with these flags.
    #[must_use]
    pub fn flags(flags: &[&str]) -> Self {
        Self { flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), ..Self::default() }
    }

    /// A driver that rotates, with these flags.
    #[must_use]
    pub fn rotating(flags: &[&str]) -> Self {
        let mut options = Self::flags(flags);
        options.flags.push("--enable-secret-rotation".to_owned());
        options
    }

    /// A driver that can be killed.
    #[must_use]
    pub fn killable(self) -> Self {
        Self { killable: true, ..self }
    }

    /// With the controllers of a cluster: garbage collection among others.
    #[must_use]
    pub fn with_controllers(mut self) -> Self {
        self.api.controllers = true;
        self
    }
}

/// A driver with a provider named `test`, in a [`Cluster`].
pub struct Node {
    directory: TempDir,
    name: String,
    flags: Vec<String>,
    token: Option<String>,
    clock: WallClock,
    killable: bool,
    /// The cluster; its fields and methods are also the node's.
    pub cluster: Cluster,
    /// The provider; it answers with a file `password` until told otherwise.
    pub provider: Provider,
    /// UID of the pod `web`.
    pub pod_uid: String,
    driver: Option<Running>,
    metrics: Arc<Mutex<Option<Registry>>>,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
    runtime: Option<Runtime>,
}

impl Node {
    /// Starts everything.
    pub async fn start(options: NodeOptions) -> Self {
        let cluster = Cluster::start(options.api.clone()).await;
        Self::join(&cluster, "node-1", options).await
    }

    /// Starts a node of a cluster that is there.
    ///
    /// # Panics
    /// If the test cannot be set up.
    pub async fn join(cluster: &Cluster, name: &str, options: NodeOptions) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        for name in ["pods", "providers"] {
            std::fs::create_dir(directory.path().join(name)).expect("a directory for the test");
        }
        let provider = Provider::start(&directory.path().join("providers"), "test", first_content).await;
        let NodeOptions { flags, killable, token, clock, .. } = options;
        let mut node = Self {
            directory,
            name: name.to_owned(),
            flags,
            token,
            clock: clock.unwrap_or_else(|| cluster.clock.clone()),
            killable,
            cluster: cluster.clone(),
            provider,
            pod_uid: cluster.pod_uid("web"),
            driver: None,
            metrics: Arc::default(),
        };
        node.start_driver().await;
        node
    }

    /// Starts the driver, as after a restart: nothing is remembered but what is mounted.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_driver(&mut self) {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let arguments = [
            format!("--endpoint=unix://{}", path("csi.sock")),
            format!("--provider-volume={}", path("providers")),
            format!("--kubelet-pods-dir={}", path("pods")),
            "--additional-provider-volume-paths=".to_owned(),
            format!("--nodeid={}", self.name),
            "--metrics-addr=127.0.0.1:0".to_owned(),
        ];
        let flags = Flags::parse("driver", FLAGS, arguments.into_iter().chain(self.flags.clone()));
        let config = Config::from_flags(&flags.expect("flags")).expect("settings");
        let mut access = kube::Config::new(self.api.url().parse().expect("a URL"));
        // As the driver's own client is set up.
        access.default_retry = false;
        access.auth_info.token = self.token.clone().map(Into::into);
        let (stop, listening) = (CancellationToken::new(), Arc::new(Notify::new()));
        let (stopped, opened, clock) = (stop.clone(), Arc::clone(&listening), self.clock.clone());
        let metrics = Arc::clone(&self.metrics);
        let serving = async move {
            let client = kube::Client::try_from(access).expect("a client");
            let driver = Driver::assemble(config, client, clock).await.expect("a driver");
            *metrics.lock().unwrap_or_else(PoisonError::into_inner) = Some(driver.metrics());
            opened.notify_one();
            driver.run(stopped).await.expect("the driver's servers");
        };
        let runtime = self
            .killable
            .then(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));
        let task = match &runtime {
            Some(runtime) => runtime.spawn(serving),
            None => tokio::spawn(serving),
        };
        listening.notified().await;
        self.driver = Some(Running { stop, task, runtime });
    }

    /// Sets the flags with which the driver starts next.
    pub fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// Ends the driver as SIGTERM does.
    ///
    /// # Panics
    /// If the driver panicked.
    pub async fn stop_driver(&mut self) {
        if let Some(Running { stop, task, runtime }) = self.driver.take() {
            stop.cancel();
            task.await.expect("the driver's task");
            if let Some(runtime) = runtime {
                runtime.shutdown_background();
            }
        }
    }

    /// Ends a killable driver as SIGKILL does, as far as one process can: nothing that it was waiting for
    /// goes on, and its connections break.
    ///
    /// # Panics
    /// If it is not killable.
    pub fn kill_driver(&mut self) {
        let Some(running) = self.driver.take() else { return };
        running.runtime.expect("a killable driver").shutdown_background();
    }

    /// What `/metrics` says.
    ///
    /// # Panics
    /// If the driver has never been started.
    #[must_use]
    pub fn metrics(&self) -> String {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.as_ref().expect("a driver").text()
    }

    /// Sum of all series of a metric whose labels hold this text.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        self.metrics()
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")))
            .filter(|line| line.contains(labels))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// A client of the driver's socket.
    #[must_use]
    pub fn csi(&self) -> NodeClient<Channel> {
        NodeClient::new(channel(&self.path("csi.sock")))
    }

    /// Publishes the volume of the pod `web`.
    ///
    /// # Errors
    /// The driver's answer.
    pub async fn publish(&self) -> Result<(), Status> {
        self.publish_as(self.request()).await
    }

    /// Publishes a volume.
    ///
    /// # Errors
    /// The driver's answer.
    pub async fn publish_mount(&self, mount: &Mount) -> Result<(), Status> {
        self.publish_as(mount.request(&self.pods())).await
    }

    /// Publishes what the request asks for.
    ///
    /// # Errors
    /// The driver's answer.
    pub async fn publish_as(&self, request: NodePublishVolumeRequest) -> Result<(), Status> {
        self.csi().node_publish_volume(request).await.map(drop)
    }

    /// Unpublishes the volume of the pod `web`.
    ///
    /// # Errors
    /// The driver's answer.
    pub async fn unpublish(&self) -> Result<(), Status> {
        self.unpublish_at(&self.target()).await
    }

    /// Unpublishes a volume.
    ///
    /// # Errors
    /// The driver's answer.
    pub async fn unpublish_mount(&self, mount: &Mount) -> Result<(), Status> {
        self.unpublish_at(&mount.target(&self.pods())).await
    }

    /// Unpublishes what is at a target path.
    ///
    /// # Errors
    /// The driver's answer.
    pub async fn unpublish_at(&self, target: &Path) -> Result<(), Status> {
        let target_path = target.display().to_string();
        let request =
            NodeUnpublishVolumeRequest { volume_id: "csi-0123456789abcdef".to_owned(), target_path };
        self.csi().node_unpublish_volume(request).await.map(drop)
    }

    /// The volume of the pod `web`.
    #[must_use]
    pub fn mount(&self) -> Mount {
        Mount::new("web", &self.pod_uid)
    }

    /// What kubelet sends for the pod `web`.
    #[must_use]
    pub fn request(&self) -> NodePublishVolumeRequest {
        self.mount().request(&self.pods())
    }

    /// Where the volume of the pod `web` is.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        self.mount().target(&self.pods())
    }

    /// Content of a file of the volume of the pod `web`.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        self.read_in(&self.mount(), name)
    }

    /// Content of a file of a volume.
    #[must_use]
    pub fn read_in(&self, mount: &Mount, name: &str) -> Option<String> {
        std::fs::read_to_string(mount.target(&self.pods()).join(name)).ok()
    }

    /// File systems that are mounted in the node's directory.
    ///
    /// # Panics
    /// If the kernel does not list its mounts.
    #[must_use]
    pub fn mounts(&self) -> Vec<String> {
        let all = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        let root = self.directory.path().display().to_string();
        all.lines()
            .filter_map(|line| line.split(' ').nth(4))
            .filter(|at| at.starts_with(&root))
            .map(str::to_owned)
            .collect()
    }

    /// A path in the node's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Kubelet's pods directory.
    #[must_use]
    pub fn pods(&self) -> PathBuf {
        self.path("pods")
    }

    /// Waits until the status object of the pod `web` is as the condition says, and gives it.
    pub async fn status(&self, condition: impl Fn(&Value) -> bool) -> Value {
        self.cluster.status("web", "web", condition).await
    }
}

impl Deref for Node {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(Running { task, runtime, .. }) = self.driver.take() {
            task.abort();
            if let Some(runtime) = runtime {
                runtime.shutdown_background();
            }
        }
    }
}

fn first_content(_: &keymount_proto::provider::MountRequest) -> Reply {
    reply("v1", &[("password", "first")])
}
