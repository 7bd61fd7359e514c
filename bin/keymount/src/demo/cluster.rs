//! The Kubernetes objects of the demo, and its kubelet.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Pod, Secret};
use keymount_api::{SecretProviderClassPodStatus, custom_resource_definitions};
use keymount_emulator::kubelet::{Kubelet, MountError, Options, Watching};
use kube::Client;
use kube::api::{Api, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::core::discovery::ApiResource;
use serde_json::{Value, json};

use super::layout::Layout;

/// The class that the demo shows.
pub(super) const CLASS: &str = include_str!("objects.yaml");

/// Namespace of everything.
const NAMESPACE: &str = "demo";

/// Longest wait for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);

/// The cluster: an API server with the stack's objects, and a kubelet.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) kubelet: Kubelet,
    _registry: Watching,
}

impl Cluster {
    /// Writes a kubeconfig, installs what the charts install, and starts the kubelet.
    pub(super) async fn start(layout: &Layout, url: &str) -> anyhow::Result<Self> {
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "demo",
            "clusters": [{"name": "demo", "cluster": {"server": url}}],
            "users": [{"name": "demo", "user": {}}],
            "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "demo", "namespace": NAMESPACE}}],
        });
        std::fs::write(layout.kubeconfig(), format!("{kubeconfig:#}\n"))?;
        let client = Client::try_from(kube::Config::new(url.parse()?))?;
        let options = Options::new("demo-node", layout.kubelet(), client.clone());
        let kubelet = Kubelet::new(options).context("the kubelet's directories")?;
        std::fs::create_dir_all(layout.csi_socket().parent().context("a socket has a directory")?)?;
        let registry = kubelet.watch_registry().context("the kubelet's plugin registry")?;
        let cluster = Self { client, kubelet, _registry: registry };
        cluster.install().await.context("installing the stack's objects")?;
        Ok(cluster)
    }

    async fn install(&self) -> anyhow::Result<()> {
        let csi_driver = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver",
            "metadata": {"name": keymount_api::DRIVER_NAME},
            "spec": {
                "podInfoOnMount": true, "attachRequired": false, "volumeLifecycleModes": ["Ephemeral"],
                "requiresRepublish": true, "tokenRequests": [{"audience": "api://AzureADTokenExchange"}],
            },
        });
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": NAMESPACE},
        });
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "demo-node"}});
        for definition in custom_resource_definitions() {
            let mut definition = serde_json::to_value(definition)?;
            definition["apiVersion"] = "apiextensions.k8s.io/v1".into();
            definition["kind"] = "CustomResourceDefinition".into();
            self.apply(&definition).await?;
        }
        for object in [csi_driver, namespace, account, node] {
            self.apply(&object).await?;
        }
        Ok(())
    }

    /// What `kubectl apply --server-side` does.
    pub(super) async fn apply(&self, object: &Value) -> anyhow::Result<()> {
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("kind")));
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        api.patch(name, &PatchParams::apply("demo").force(), &Patch::Apply(object))
            .await
            .with_context(|| name.to_owned())?;
        Ok(())
    }

    /// Creates a pod that mounts a class.
    pub(super) async fn create_pod(&self, name: &str, class: &str) -> anyhow::Result<Pod> {
        let pod = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "nodeName": "demo-node", "serviceAccountName": "app",
                "containers": [{
                    "name": "web", "image": "web",
                    "volumeMounts": [{"name": "secrets", "mountPath": "/mnt/secrets", "readOnly": true}],
                }],
                "volumes": [{"name": "secrets", "csi": {
                    "driver": keymount_api::DRIVER_NAME, "readOnly": true,
                    "volumeAttributes": {"secretProviderClass": class},
                }}],
            },
        }))?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        Ok(pods.create(&PostParams::default(), &pod).await?)
    }

    /// Publishes the pod's volume as kubelet does.
    pub(super) async fn publish(&self, pod: &Pod) -> Result<(), MountError> {
        self.kubelet.publish_volume(pod, "secrets").await
    }

    /// Where the pod's volume is.
    pub(super) fn target(&self, pod: &Pod) -> std::path::PathBuf {
        self.kubelet.target_path(pod.metadata.uid.as_deref().unwrap_or_default(), "secrets")
    }

    /// Takes the pod away as kubelet does: volumes first, then the object.
    pub(super) async fn remove_pod(&self, pod: &Pod) -> anyhow::Result<()> {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        self.kubelet.unpublish_volume(uid, "secrets").await?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let parameters = kube::api::DeleteParams { grace_period_seconds: Some(0), ..Default::default() };
        pods.delete(pod.metadata.name.as_deref().unwrap_or_default(), &parameters).await?;
        Ok(())
    }

    pub(super) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub(super) fn statuses(&self) -> Api<SecretProviderClassPodStatus> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }
}

/// Reads an object again and again until it is as wanted, for at most [`PATIENCE`]. Gives what was read
/// last.
pub(super) async fn wait_for<K>(
    api: &Api<K>,
    name: &str,
    wanted: impl Fn(Option<&K>) -> bool,
) -> anyhow::Result<Option<K>>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = api.get_opt(name).await?;
        if wanted(found.as_ref()) || tokio::time::Instant::now() > end {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
