//! A driver, its provider and its cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use keymount_api::custom_resource_definitions;
use keymount_clock::WallClock;
use keymount_daemon::flags::Flags;
use keymount_daemon::grpc::channel;
use keymount_driver::flags::FLAGS;
use keymount_driver::{Config, Driver};
use keymount_emulator::kubernetes::{ApiServer, Options};
use keymount_proto::csi::node_client::NodeClient;
use keymount_proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;

use crate::provider::{Provider, Reply, reply};
use crate::request::{publish_request, target};

/// How a [`Node`] is set up.
pub struct NodeOptions {
    /// Flags of the driver beyond those that every test has.
    pub flags: Vec<String>,
    /// How the API server is set up.
    pub api: Options,
    /// Whether the driver can be killed: it then has a runtime of its own, which is incompatible with
    /// paused time.
    pub killable: bool,
}

impl Default for NodeOptions {
    /// No flags; no controllers in the cluster, which would collect what owners that do not exist own.
    fn default() -> Self {
        Self { flags: Vec::new(), api: Options { controllers: false, ..Options::default() }, killable: false }
    }
}

impl NodeOptions {
    /// A driver with these flags.
    #[must_use]
    pub fn flags(flags: &[&str]) -> Self {
        Self { flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), ..Self::default() }
    }

    /// A driver that can be killed.
    #[must_use]
    pub fn killable(self) -> Self {
        Self { killable: true, ..self }
    }
}

/// A driver with a provider named `test`, in a cluster with a CSIDriver object, a class `web` and a pod
/// `web`.
pub struct Node {
    directory: TempDir,
    flags: Vec<String>,
    killable: bool,
    /// The cluster.
    pub api: Arc<ApiServer>,
    /// The provider; it answers with a file `password` until told otherwise.
    pub provider: Provider,
    /// UID of the pod `web`.
    pub pod_uid: String,
    driver: Option<Running>,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
    runtime: Option<Runtime>,
}

impl Node {
    /// Starts everything.
    pub async fn start(options: NodeOptions) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        for name in ["pods", "providers"] {
            std::fs::create_dir(directory.path().join(name)).expect("a directory for the test");
        }
        let api = ApiServer::start(options.api).await.expect("an API server");
        let pod_uid = seed(&api);
        let provider = Provider::start(&directory.path().join("providers"), first_content).await;
        let api = Arc::new(api);
        let NodeOptions { flags, killable, .. } = options;
        let mut node = Self { directory, flags, killable, api, provider, pod_uid, driver: None };
        node.start_driver().await;
        node
    }

    /// Starts the driver, as after a restart: nothing is remembered but what is mounted.
    pub async fn start_driver(&mut self) {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let kubeconfig = self.directory.path().join("kubeconfig");
        self.api.write_kubeconfig(&kubeconfig, None).expect("a kubeconfig");
        let arguments = [
            format!("--endpoint=unix://{}", path("csi.sock")),
            format!("--provider-volume={}", path("providers")),
            format!("--kubelet-pods-dir={}", path("pods")),
            "--additional-provider-volume-paths=".to_owned(),
            "--nodeid=node-1".to_owned(),
            "--metrics-addr=127.0.0.1:0".to_owned(),
        ];
        let flags = Flags::parse("driver", FLAGS, arguments.into_iter().chain(self.flags.clone()));
        let config = Config::from_flags(&flags.expect("flags")).expect("settings");
        let url = self.api.url().parse().expect("a URL");
        let (stop, listening) = (CancellationToken::new(), Arc::new(Notify::new()));
        let (stopped, opened) = (stop.clone(), Arc::clone(&listening));
        let serving = async move {
            let client = kube::Client::try_from(kube::Config::new(url)).expect("a client");
            let origin: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
            let driver =
                Driver::assemble(config, client, WallClock::simulated(origin)).await.expect("a driver");
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

    /// Ends the driver as SIGTERM does.
    pub async fn stop_driver(&mut self) {
        if let Some(Running { stop, task, runtime }) = self.driver.take() {
            stop.cancel();
            task.await.expect("the driver's task");
            runtime.map(Runtime::shutdown_background);
        }
    }

    /// Ends a killable driver as SIGKILL does, as far as one process can: nothing that it was waiting for
    /// goes on, and its connections break.
    pub fn kill_driver(&mut self) {
        let Some(running) = self.driver.take() else { return };
        running.runtime.expect("a killable driver").shutdown_background();
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

    /// What kubelet sends for the pod `web`.
    #[must_use]
    pub fn request(&self) -> NodePublishVolumeRequest {
        publish_request(&self.path("pods"), &self.pod_uid)
    }

    /// Where the volume of the pod `web` is.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        target(&self.path("pods"), &self.pod_uid, "secrets")
    }

    /// Content of a file of the volume.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.target().join(name)).ok()
    }

    /// File systems that are mounted in the test's directory.
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

    /// A path in the test's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts a class `web` with these `secretObjects`.
    pub fn put_class(&self, secret_objects: &Value) {
        self.api.put(&class("web", "test", secret_objects)).expect("a class");
    }

    /// Waits until the pod's status object is as the condition says, and gives it.
    pub async fn status(&self, condition: impl Fn(&Value) -> bool) -> Value {
        let found = self
            .api
            .wait_for(STATUSES, "default", "web-default-web", |object| object.is_some_and(&condition));
        found.await.expect("wait_for ends with an object")
    }

    /// Waits until a Secret is as the condition says, and gives it; null if there is none.
    pub async fn secret(&self, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let found =
            self.api.wait_for("secrets", "default", name, |object| condition(object.unwrap_or(&Value::Null)));
        found.await.unwrap_or_default()
    }

    /// Data of a Secret as text.
    #[must_use]
    pub fn secret_data(secret: &Value) -> BTreeMap<String, String> {
        let text = |value: &Value| {
            let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).expect("base64");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        secret["data"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), text(value)))
            .collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(Running { task, runtime, .. }) = self.driver.take() {
            task.abort();
            runtime.map(Runtime::shutdown_background);
        }
    }
}

/// Resource name of the status objects.
const STATUSES: &str = "secretproviderclasspodstatuses.secrets-store.csi.x-k8s.io";

fn first_content(_: &keymount_proto::provider::MountRequest) -> Reply {
    reply("v1", &[("password", "first")])
}

/// A class of the namespace `default`.
#[must_use]
pub fn class(name: &str, provider: &str, secret_objects: &Value) -> Value {
    json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"provider": provider, "parameters": {"objects": "[]"}, "secretObjects": secret_objects},
    })
}

/// A pod of the namespace `default` that a ReplicaSet of its name owns.
#[must_use]
pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "default",
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": format!("uid-of-{name}"),
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "web", "image": "web"}]},
    })
}

/// Gives the UID of the pod.
fn seed(api: &ApiServer) -> String {
    for definition in custom_resource_definitions() {
        let mut definition = serde_json::to_value(definition).expect("JSON");
        definition["apiVersion"] = "apiextensions.k8s.io/v1".into();
        definition["kind"] = "CustomResourceDefinition".into();
        api.create(&definition).expect("a definition");
    }
    let driver = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": "secrets-store.csi.k8s.io"},
        "spec": {
            "podInfoOnMount": true, "attachRequired": false, "volumeLifecycleModes": ["Ephemeral"],
            "requiresRepublish": true, "tokenRequests": [{"audience": "aud"}],
        },
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}});
    for object in [driver, account, class("web", "test", &json!([]))] {
        api.create(&object).expect("an object of the test");
    }
    let pod = api.create(&pod("web")).expect("a pod");
    pod["metadata"]["uid"].as_str().expect("a UID").to_owned()
}
