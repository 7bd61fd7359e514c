//! The kubelet against a driver that records and obeys, and the API double.

mod fake;
mod looping;
mod publishing;
mod registering;

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::*;
use crate::kubernetes::{ApiServer, Options as ApiOptions};
use fake::Fake;

/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_secs(10);

const DRIVER: &str = "fake.test";

/// An API server, a node, a kubelet.
struct World {
    api: ApiServer,
    root: tempfile::TempDir,
    kubelet: Kubelet,
}

impl World {
    async fn new() -> Self {
        Self::with(WallClock::system(), |_| {}).await
    }

    async fn with(clock: WallClock, change: impl FnOnce(&mut Options)) -> Self {
        let options = ApiOptions { clock: clock.clone(), ..ApiOptions::default() };
        let api = ApiServer::start(options).await.expect("the API server starts");
        let root = tempfile::tempdir().expect("a directory");
        let mut options = Options::new("node-1", root.path(), client(&api).await);
        options.backoff = Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(100) };
        options.clock = clock;
        change(&mut options);
        let kubelet = Kubelet::new(options).expect("a kubelet");
        api.create(&csi_driver(json!({}))).expect("created");
        Self { api, root, kubelet }
    }

    /// A driver that has registered.
    async fn driver(&self) -> Fake {
        let fake = Fake::start(self.root.path(), DRIVER).await;
        self.kubelet.register(&fake.registration).await.expect("registered");
        fake
    }

    /// A pod on this node with one volume `v`.
    fn pod(&self, name: &str, spec: &Value) -> Pod {
        serde_json::from_value(self.api.create(&pod(name, spec)).expect("created")).expect("a pod")
    }
}

async fn client(api: &ApiServer) -> kube::Client {
    // Another test of this process may have done it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    api.client(None).await.expect("a client")
}

fn csi_driver(spec: Value) -> Value {
    let mut object = json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": DRIVER},
        "spec": {"podInfoOnMount": true, "attachRequired": false, "volumeLifecycleModes": ["Ephemeral"]}});
    merge(&mut object["spec"], spec);
    object
}

fn pod(name: &str, spec: &Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "nodeName": "node-1", "containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "v", "csi": {"driver": DRIVER, "readOnly": true, "volumeAttributes": {"secretProviderClass": "web"}}}]}});
    merge(&mut object["spec"], spec.clone());
    object
}

fn merge(target: &mut Value, more: Value) {
    json_patch::merge(target, &more);
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().expect("a uid")
}

fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().exists()
}
