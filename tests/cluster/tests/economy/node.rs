//! A node with a driver and without containers.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use keymount_cluster_tests::stage::{
    Audit, Environment, Options, PODS, Requests, SECRETS, STATUSES, Stage, install_definitions, text, with,
};
use keymount_emulator::kubelet::{self, Kubelet, Running, Watching};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// No request for so long means that the driver is done, unless an interval brings more.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);

/// The API server keeps still until this is dropped.
pub(crate) struct Stopped(Pid);

/// A node.
pub(crate) struct Node {
    pub(crate) stage: Stage,
    pub(crate) kubelet: Kubelet,
    audit: Audit,
    _watching: Watching,
    running: Option<Running>,
}

impl Node {
    /// A node with a driver that runs. Its kubelet does nothing by itself; its volumes are published again at this
    /// interval once it does.
    pub(crate) async fn start(test: &str, options: Options, sync_interval: Duration) -> Self {
        // The paths of sockets below it may have a hundred bytes.
        let root = Environment::read().run.join(format!("{:04x}", rand::random::<u16>()));
        let mut stage = Stage::set(test, options, &root).await;
        install_definitions(&stage.cluster).await;
        // Without a controller manager nobody else makes it.
        let account = json!({"name": "default", "namespace": stage.namespace});
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account});
        stage.cluster.create(&account).await;
        // Nodes of other tests have pods too.
        stage.setup.node = stage.namespace.clone();
        let options = kubelet::Options::new(&stage.setup.node, &root, stage.cluster.client.clone());
        let kubelet = Kubelet::new(kubelet::Options { sync_interval, ..options }).expect("its directories");
        let watching = kubelet.watch_registry().expect("a registry");
        stage.run_driver().await;
        kubelet.registered(&stage.setup.name).await;
        let audit = stage.audit();
        Self { stage, kubelet, audit, _watching: watching, running: None }
    }

    /// Whether the driver under test is ours, so that it is judged.
    pub(crate) fn is_ours(&self) -> bool {
        self.stage.setup.program.is_ours
    }

    /// Lets kubelet bring up the pods of the node and publish their volumes again and again.
    pub(crate) fn run(&mut self) {
        self.running = Some(self.kubelet.run());
    }

    /// Makes a class whose file `foo` is synced to these Secrets.
    pub(crate) async fn class(&self, name: &str, secrets: &[&str]) {
        let object = |secret: &&str| json!({"secretName": secret, "type": "Opaque", "data": [{"objectName": "foo", "key": "password"}]});
        let objects: Vec<Value> = secrets.iter().map(object).collect();
        self.stage.class(name, &json!({"secretObjects": objects})).await;
    }

    /// A pod of this node with one volume of a class; nothing is published yet.
    pub(crate) fn new_pod(&self, name: &str, class: &str) -> Value {
        let meta = json!({"name": name, "namespace": self.stage.namespace});
        let spec =
            with(self.stage.pod_spec(&[("secrets", class)]), &json!({"nodeName": self.stage.setup.node}));
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    }

    /// Makes a pod.
    pub(crate) async fn pod(&self, name: &str, class: &str) -> Pod {
        let made = self.stage.cluster.create(&self.new_pod(name, class)).await;
        serde_json::from_value(made).expect("a pod")
    }

    /// Publishes the volume of a pod.
    pub(crate) async fn publish(&self, pod: &Pod) {
        self.kubelet.publish(pod).await.unwrap_or_else(|(volume, error)| panic!("{volume}: {error}"));
    }

    /// All requests of the driver, once there have been no more for a while.
    pub(crate) async fn quiet(&self) -> Requests {
        self.audit.quiet(SILENCE).await
    }

    /// All requests of the driver so far.
    pub(crate) fn requests(&self) -> Requests {
        self.audit.requests()
    }

    /// Waits until there are so many status objects, and these Secrets; each Secret with this value in base64.
    pub(crate) async fn converged(&self, statuses: usize, secrets: &[String], value: &str) {
        let cluster = &self.stage.cluster;
        let namespace = &self.stage.namespace;
        let all_told = async {
            loop {
                let found = cluster.list(STATUSES, namespace, "").await.expect("a list");
                let mounted = found.iter().filter(|found| found["status"]["mounted"] == true);
                if mounted.count() == statuses {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(180), all_told).await.expect("all status objects");
        for secret in secrets {
            self.stage.until(SECRETS, secret, |secret| secret["data"]["password"] == *value).await;
        }
    }

    /// Waits until the API shows a volume: the status of the pod, and the Secret of the name of the class with so many
    /// owners.
    pub(crate) async fn shows(&self, pod: &str, class: &str, owners: Option<usize>) {
        let status = format!("{pod}-{}-{class}", self.stage.namespace);
        self.stage.until(STATUSES, &status, |status| status["status"]["mounted"] == true).await;
        if let Some(owners) = owners {
            let owned = |secret: &Value| {
                secret["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len) == owners
            };
            self.stage.until(SECRETS, class, owned).await;
        }
    }

    /// Waits until all pods of the node run.
    pub(crate) async fn all_run(&self, pods: &BTreeSet<String>) {
        for pod in pods {
            self.stage.until(PODS, pod, |pod| text(pod, "/status/phase") == "Running").await;
        }
    }

    /// Stops the API server, which keeps its connections.
    pub(crate) fn stop_api_server(&self) -> Stopped {
        let file = self.stage.environment.run.join("pids/kube-apiserver");
        let file = std::fs::read_to_string(file).expect("the API server is of run-api.sh");
        let pid = file.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        let pid = pid.expect("a process id");
        kill_process(pid, Signal::STOP).expect("a signal");
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill_process(self.0, Signal::CONT).expect("a signal");
    }
}

/// Tells a figure to whoever runs the test.
#[expect(clippy::print_stdout, reason = "the output of a measurement")]
pub(crate) fn figure(what: &str, value: impl std::fmt::Display) {
    println!("figure: {what}: {value}");
}
