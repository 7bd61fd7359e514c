//! The stage of one test: a namespace, a driver as a process of its own, a provider, pods. Every test has a
//! driver with a name of its own, so that tests do not meet.

mod audit;
mod cluster;
mod container;
mod driver;
mod environment;
mod objects;
mod provider;
mod registrar;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

pub use audit::{Audit, Requests};
pub use cluster::{
    CLASSES, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CONFIG_MAPS, CSI_DRIVERS, CSI_NODES, Cluster, DEFINITIONS,
    DEPLOYMENTS, EVENTS, NAMESPACES, NODES, OLD_CLASSES, PATIENCE, PODS, ROLE_BINDINGS, Resource, SECRETS,
    SERVICE_ACCOUNTS, STATUSES, text,
};
pub use container::Containers;
pub use driver::{Driver, Setup};
pub use environment::{Environment, Program};
pub use objects::{DRIVER_NAME, class, cluster_role, csi_driver, pod_spec, rules, with};
pub use provider::{Call, Provider, Reply, files};
pub use registrar::Registrar;

/// The service account of the driver.
pub const SERVICE_ACCOUNT: &str = "secrets-store-csi-driver";

/// How a stage is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Flags of the driver.
    pub flags: Vec<String>,
    /// Flags that only our driver has.
    pub own_flags: Vec<String>,
    /// Name of the provider; `test`, if none is given.
    pub provider: Option<String>,
    /// The driver's name; one of its own, if none is given.
    pub driver_name: Option<String>,
    /// Fields of the CSIDriver object other than those of driver v1.6.0's chart.
    pub csi_driver: Value,
    /// The program, if not the one that is under test.
    pub program: Option<Program>,
}

impl Options {
    /// A driver with these flags.
    #[must_use]
    pub fn flags(flags: &[&str]) -> Self {
        Self { flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), ..Self::default() }
    }

    /// A driver with flags that only ours has.
    #[must_use]
    pub fn own_flags(flags: &[&str]) -> Self {
        Self { own_flags: flags.iter().map(|flag| (*flag).to_owned()).collect(), ..Self::default() }
    }

    /// A driver that rotates at this interval, a Go duration.
    #[must_use]
    pub fn rotating(interval: &str) -> Self {
        Self::flags(&["--enable-secret-rotation", &format!("--rotation-poll-interval={interval}")])
    }
}

/// A stage.
pub struct Stage {
    /// What the scripts say.
    pub environment: Environment,
    /// The API as the administrator sees it.
    pub cluster: Cluster,
    /// Namespace of the test.
    pub namespace: String,
    /// The provider.
    pub provider: Provider,
    /// How the driver is started.
    pub setup: Setup,
    /// What containers see.
    pub containers: Containers,
    /// Directory of the test: logs, sockets.
    pub directory: PathBuf,
    driver: Option<Driver>,
}

/// A pod of the test.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Stage {
    /// Sets a stage with everything but a running driver, for a kubelet with this root directory.
    ///
    /// # Panics
    /// If something cannot be made.
    pub async fn set(test: &str, options: Options, kubelet_root: &Path) -> Self {
        let environment = Environment::read();
        let cluster = Cluster::as_administrator().await;
        let namespace = format!("{test}-{:06x}", rand::random::<u32>() & 0x00ff_ffff);
        let directory = environment.run.join("tests").join(&namespace);
        let providers = directory.join("providers");
        std::fs::create_dir_all(&providers).expect("a directory");

        let meta = json!({"metadata": {"name": namespace}});
        cluster.create(&with(json!({"apiVersion": "v1", "kind": "Namespace"}), &meta)).await;
        let account = json!({"name": SERVICE_ACCOUNT, "namespace": namespace});
        cluster.create(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})).await;
        let driver_name = options.driver_name.unwrap_or_else(|| format!("{namespace}.csi.keymount.test"));
        for object in cluster_role(&driver_name, &rules(&driver_name), &namespace, SERVICE_ACCOUNT) {
            cluster.create(&object).await;
        }
        cluster.create(&with(csi_driver(&driver_name), &json!({"spec": options.csi_driver}))).await;

        let kubeconfig = directory.join("kubeconfig");
        let access = kubeconfig_of(&cluster, &namespace, SERVICE_ACCOUNT).await;
        std::fs::write(&kubeconfig, access).expect("a kubeconfig");
        let program = options.program.unwrap_or_else(|| environment.driver.clone());
        let mut flags = options.flags;
        if program.is_ours {
            flags.extend(options.own_flags);
        }
        let setup = Setup {
            program,
            name: driver_name,
            kubelet_root: kubelet_root.to_owned(),
            providers: providers.clone(),
            kubeconfig,
            node: environment.node_name.clone(),
            flags,
            logs: directory.clone(),
        };
        let provider = Provider::start(&providers, options.provider.as_deref().unwrap_or("test"));
        let containers = Containers::listen(directory.join("looks"));
        Self { environment, cluster, namespace, provider, setup, containers, directory, driver: None }
    }

    /// Sets a stage on the node, with its driver running and registered with kubelet.
    ///
    /// # Panics
    /// If something cannot be made.
    pub async fn on_node(test: &str, options: Options) -> Self {
        let root = Environment::read().kubelet_root.expect("KUBELET_ROOT is set by run-node.sh");
        let mut stage = Self::set(test, options, &root).await;
        // The controller manager makes it, and kubelet does without pods whose account is missing.
        stage.until(SERVICE_ACCOUNTS, "default", |account| !account.is_null()).await;
        install_definitions(&stage.cluster).await;
        stage.start_driver().await;
        stage
    }

    /// Starts the driver.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn run_driver(&mut self) {
        self.driver = Some(self.setup.start().await);
    }

    /// The requests of the driver to the API server, all of them since it first started.
    ///
    /// # Panics
    /// If the API server writes no audit log.
    #[must_use]
    pub fn audit(&self) -> Audit {
        let log = self.environment.audit_log.clone().expect("KEYMOUNT_AUDIT_LOG is set by run-api.sh");
        Audit::new(log, format!("system:serviceaccount:{}:{SERVICE_ACCOUNT}", self.namespace))
    }

    /// Starts the driver, and waits until kubelet knows it.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_driver(&mut self) {
        self.run_driver().await;
        let name = &self.setup.name;
        let registered = |node: &Value| {
            let drivers = node.pointer("/spec/drivers").and_then(Value::as_array);
            drivers.is_some_and(|drivers| drivers.iter().any(|driver| driver["name"] == **name))
        };
        self.cluster.until(CSI_NODES, "", &self.setup.node, registered).await;
    }

    /// The running driver.
    ///
    /// # Panics
    /// If none runs.
    pub fn driver(&mut self) -> &mut Driver {
        self.driver.as_mut().expect("a running driver")
    }

    /// Takes the driver, to end it.
    ///
    /// # Panics
    /// If none runs.
    pub fn take_driver(&mut self) -> Driver {
        self.driver.take().expect("a running driver")
    }

    /// Makes a class for this stage's provider, with further fields of its `spec`.
    pub async fn class(&self, name: &str, spec: &Value) {
        self.cluster.create(&class(&self.namespace, name, self.provider.name(), spec)).await;
    }

    /// The `spec` of a pod that looks at volumes, each a name, mounted at `/<name>`, and a class.
    #[must_use]
    pub fn pod_spec(&self, volumes: &[(&str, &str)]) -> Value {
        let looks = self.containers.directory().display().to_string();
        let spec = pod_spec(&self.setup.name, &self.environment.image, &looks, volumes);
        // Where the scheduler has nothing to do with the test it does not take part.
        with(spec, &json!({"nodeName": self.setup.node}))
    }

    /// Makes a pod with one volume, mounted at `/secrets`.
    pub async fn pod(&self, name: &str, class: &str) -> Pod {
        self.pod_of(name, &self.pod_spec(&[("secrets", class)])).await
    }

    /// Makes a pod.
    pub async fn pod_of(&self, name: &str, spec: &Value) -> Pod {
        let meta = json!({"name": name, "namespace": self.namespace});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec});
        let made = self.cluster.create(&pod).await;
        Pod { name: name.to_owned(), uid: text(&made, "/metadata/uid").to_owned() }
    }

    /// Waits until the container of a pod has looked for the first time, and tells what it saw.
    pub async fn first_look(&self, pod: &Pod) -> crate::look::Look {
        self.containers.look(&pod.uid, |look| look.number == 0).await
    }

    /// Waits until a pod is ready.
    pub async fn ready(&self, pod: &Pod) {
        self.until(PODS, &pod.name, is_ready).await;
    }

    /// Makes a Deployment and waits until all its pods are ready.
    ///
    /// # Panics
    /// If they do not come.
    pub async fn deployment(&self, name: &str, replicas: usize, spec: &Value) -> Vec<Pod> {
        let labels = json!({"app": name});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        });
        self.cluster.create(&deployment).await;
        self.until(DEPLOYMENTS, name, |found| found["status"]["readyReplicas"] == replicas).await;
        let pods = self.cluster.list(PODS, &self.namespace, &format!("app={name}")).await.expect("a list");
        let field = |pod: &Value, pointer| text(pod, pointer).to_owned();
        pods.iter()
            .map(|pod| Pod { name: field(pod, "/metadata/name"), uid: field(pod, "/metadata/uid") })
            .collect()
    }

    /// Waits until the container of a pod sees this text in a file of `/secrets`.
    pub async fn sees(&self, pod: &Pod, file: &str, content: &str) {
        self.containers.look(&pod.uid, |look| look.text("/secrets", file) == Some(content)).await;
    }

    /// [`Cluster::until`] in the namespace of the test.
    pub async fn until(&self, resource: Resource, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.cluster.until(resource, &self.namespace, name, condition).await
    }

    /// Waits for an event on a pod with this reason and this in its message, and gives the message. Kubelet has
    /// failures of its own to tell, of the pod's other volumes.
    pub async fn event(&self, pod: &Pod, reason: &str, part: &str) -> String {
        let is_it = |event: &Value| {
            text(event, "/involvedObject/uid") == pod.uid
                && text(event, "/reason") == reason
                && text(event, "/message").contains(part)
        };
        text(&self.cluster.event(&self.namespace, is_it).await, "/message").to_owned()
    }

    /// Waits until the status object of a pod and a class is as the condition says.
    pub async fn status(&self, pod: &Pod, class: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let name = format!("{}-{}-{class}", pod.name, self.namespace);
        self.until(STATUSES, &name, |status| !status.is_null() && condition(&status["status"])).await
    }

    /// Deletes a pod and waits until it is gone; nothing of it is mounted then.
    ///
    /// # Panics
    /// If something is.
    pub async fn delete_pod(&self, pod: &Pod) {
        self.cluster.delete(PODS, &self.namespace, &pod.name).await;
        self.until(PODS, &pod.name, |found| text(found, "/metadata/uid") != pod.uid).await;
        let left = mounts(&format!("/pods/{}/", pod.uid));
        assert!(left.is_empty(), "{left:?}");
    }

    /// Takes everything down in good order. A driver that is not well by now fails the test.
    ///
    /// # Panics
    /// If pods or volumes stay, or the driver has ended before, or ends with an error.
    pub async fn clear(mut self) {
        for deployment in self.cluster.list(DEPLOYMENTS, &self.namespace, "").await.expect("a list") {
            self.cluster.delete(DEPLOYMENTS, &self.namespace, text(&deployment, "/metadata/name")).await;
        }
        for pod in self.cluster.list(PODS, &self.namespace, "").await.expect("a list") {
            let field = |pointer| text(&pod, pointer).to_owned();
            self.delete_pod(&Pod { name: field("/metadata/name"), uid: field("/metadata/uid") }).await;
        }
        assert!(self.driver().is_running(), "the driver has ended by itself");
        let status = self.take_driver().stop(Duration::from_secs(30)).await;
        assert!(status.success(), "the driver ended with {status}");
        self.cluster.delete(CSI_DRIVERS, "", &self.setup.name).await;
        self.cluster.delete(CLUSTER_ROLES, "", &self.setup.name).await;
        self.cluster.delete(CLUSTER_ROLE_BINDINGS, "", &self.setup.name).await;
        self.cluster.delete(NAMESPACES, "", &self.namespace).await;
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let is_it = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    conditions.is_some_and(|conditions| conditions.iter().any(is_it))
}

/// Installs our definitions of the custom resources, unless they are there, and waits until they are served.
///
/// # Panics
/// If they are refused.
pub async fn install_definitions(cluster: &Cluster) {
    for definition in keymount_api::custom_resource_definitions() {
        let kind = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"});
        let definition = with(serde_json::to_value(definition).expect("JSON"), &kind);
        // Other tests install the same.
        let _ = cluster.try_create(&definition).await;
        let established = |found: &Value| {
            let conditions = found.pointer("/status/conditions").and_then(Value::as_array);
            let is_it =
                |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
            conditions.is_some_and(|conditions| conditions.iter().any(is_it))
        };
        cluster.until(DEFINITIONS, "", text(&definition, "/metadata/name"), established).await;
    }
}

/// A kubeconfig with a token of a service account, good for four hours.
///
/// # Panics
/// If there is no such account.
pub async fn kubeconfig_of(cluster: &Cluster, namespace: &str, account: &str) -> String {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 14_400},
    });
    let request = http::Request::post(path).header("content-type", "application/json");
    let request = request.body(body.to_string().into_bytes());
    let answer: Value = cluster.client.request(request.expect("a request")).await.expect("a token");
    let admin = kube::config::Kubeconfig::read().expect("KUBECONFIG");
    let token = text(&answer, "/status/token");
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": admin.clusters,
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": admin.clusters[0].name, "user": account}}],
    })
    .to_string()
}

/// Where file systems are mounted whose path holds this text.
///
/// # Panics
/// If the kernel does not say.
#[must_use]
pub fn mounts(path: &str) -> Vec<String> {
    let all = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let points = all.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|at| at.contains(path)).map(str::to_owned).collect()
}
