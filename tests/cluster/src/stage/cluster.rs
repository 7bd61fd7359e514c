//! The objects of the cluster, as JSON.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, future};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Config};
use serde_json::Value;

/// How long a test waits for something that has to come.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A resource of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `apiVersion` of its objects.
    pub api_version: &'static str,
    /// `kind` of its objects.
    pub kind: &'static str,
    plural: &'static str,
    namespaced: bool,
}

macro_rules! resources {
    ($($name:ident: $api_version:literal $kind:literal $plural:literal $namespaced:literal)+) => {
        $(#[doc = concat!("`", $plural, "`")]
        pub const $name: Resource = Resource {
            api_version: $api_version, kind: $kind, plural: $plural, namespaced: $namespaced,
        };)+
        const ALL: &[Resource] = &[$($name),+];
    };
}

resources! {
    CLASSES: "secrets-store.csi.x-k8s.io/v1" "SecretProviderClass" "secretproviderclasses" true
    OLD_CLASSES: "secrets-store.csi.x-k8s.io/v1alpha1" "SecretProviderClass" "secretproviderclasses" true
    STATUSES: "secrets-store.csi.x-k8s.io/v1" "SecretProviderClassPodStatus" "secretproviderclasspodstatuses" true
    DEFINITIONS: "apiextensions.k8s.io/v1" "CustomResourceDefinition" "customresourcedefinitions" false
    PODS: "v1" "Pod" "pods" true
    SECRETS: "v1" "Secret" "secrets" true
    CONFIG_MAPS: "v1" "ConfigMap" "configmaps" true
    EVENTS: "v1" "Event" "events" true
    NAMESPACES: "v1" "Namespace" "namespaces" false
    NODES: "v1" "Node" "nodes" false
    SERVICE_ACCOUNTS: "v1" "ServiceAccount" "serviceaccounts" true
    DEPLOYMENTS: "apps/v1" "Deployment" "deployments" true
    CSI_DRIVERS: "storage.k8s.io/v1" "CSIDriver" "csidrivers" false
    CSI_NODES: "storage.k8s.io/v1" "CSINode" "csinodes" false
    CLUSTER_ROLES: "rbac.authorization.k8s.io/v1" "ClusterRole" "clusterroles" false
    CLUSTER_ROLE_BINDINGS: "rbac.authorization.k8s.io/v1" "ClusterRoleBinding" "clusterrolebindings" false
    ROLE_BINDINGS: "rbac.authorization.k8s.io/v1" "RoleBinding" "rolebindings" true
}

/// The API as one user sees it.
#[derive(Clone)]
pub struct Cluster {
    /// The client behind it.
    pub client: Client,
}

impl Cluster {
    /// As the administrator, with the kubeconfig that `KUBECONFIG` names.
    ///
    /// # Panics
    /// If there is none.
    pub async fn as_administrator() -> Self {
        Self::with(Config::from_kubeconfig(&KubeConfigOptions::default()).await.expect("KUBECONFIG"))
    }

    /// As whoever the kubeconfig says.
    ///
    /// # Panics
    /// If it is unusable.
    pub async fn with_kubeconfig(yaml: &str) -> Self {
        let kubeconfig = Kubeconfig::from_yaml(yaml).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        Self::with(config.expect("a usable kubeconfig"))
    }

    fn with(mut config: Config) -> Self {
        // Tests of one process install it more than once.
        let _ = rustls::crypto::ring::default_provider().install_default();
        config.read_timeout = None;
        Self { client: Client::try_from(config).expect("a client") }
    }

    fn api(&self, resource: Resource, namespace: &str) -> Api<DynamicObject> {
        let (group, version) = resource.api_version.rsplit_once('/').unwrap_or(("", resource.api_version));
        let kind = GroupVersionKind::gvk(group, version, resource.kind);
        let kind = ApiResource::from_gvk_with_plural(&kind, resource.plural);
        match (resource.namespaced, namespace) {
            (true, "") => Api::all_with(self.client.clone(), &kind),
            (true, namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind),
            (false, _) => Api::all_with(self.client.clone(), &kind),
        }
    }

    /// Creates an object and gives it as the server has it.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn create(&self, object: &Value) -> Value {
        self.try_create(object).await.unwrap_or_else(|error| panic!("{error}: {object:#}"))
    }

    /// Creates an object.
    ///
    /// # Errors
    /// The server's.
    ///
    /// # Panics
    /// If its kind is not in the list above.
    pub async fn try_create(&self, object: &Value) -> Result<Value, kube::Error> {
        let is_of = |resource: &&Resource| {
            object["apiVersion"] == resource.api_version && object["kind"] == resource.kind
        };
        let resource = ALL.iter().find(is_of).unwrap_or_else(|| panic!("an unknown kind: {object:#}"));
        let api = self.api(*resource, text(object, "/metadata/namespace"));
        let dynamic: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
        api.create(&PostParams::default(), &dynamic).await.map(json)
    }

    /// An object; `None` if there is none.
    ///
    /// # Panics
    /// If the server does not say.
    pub async fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<Value> {
        self.api(resource, namespace).get_opt(name).await.expect("an answer").map(json)
    }

    /// Objects of a namespace (of all, if it is empty) with this label selector.
    ///
    /// # Errors
    /// The server's.
    pub async fn list(
        &self,
        resource: Resource,
        namespace: &str,
        labels: &str,
    ) -> Result<Vec<Value>, kube::Error> {
        let listed = self.api(resource, namespace).list(&ListParams::default().labels(labels)).await?;
        Ok(listed.items.into_iter().map(json).collect())
    }

    /// Merges a patch into an object.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn patch(&self, resource: Resource, namespace: &str, name: &str, patch: &Value) -> Value {
        let patched =
            self.api(resource, namespace).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.map(json).unwrap_or_else(|error| panic!("{error}: {patch:#}"))
    }

    /// Applies a JSON patch to an object.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn json_patch(&self, resource: Resource, namespace: &str, name: &str, patch: &Value) {
        let patch = serde_json::from_value(patch.clone()).expect("a JSON patch");
        let patch = Patch::Json::<DynamicObject>(patch);
        self.api(resource, namespace)
            .patch(name, &PatchParams::default(), &patch)
            .await
            .expect("a patched object");
    }

    /// Deletes an object. None there is as good.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn delete(&self, resource: Resource, namespace: &str, name: &str) {
        match self.api(resource, namespace).delete(name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until an object (`Null` if there is none) is as the condition says, and gives it. A server that
    /// is down for a while only makes it longer.
    ///
    /// # Panics
    /// If it takes longer than [`PATIENCE`].
    pub async fn until(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        let seen = watcher::watch_object(self.api(resource, namespace), name).default_backoff();
        let found = async {
            let mut seen = std::pin::pin!(seen);
            while let Some(object) = seen.next().await {
                let Ok(object) = object else { continue };
                last = object.map(json).unwrap_or_default();
                if condition(&last) {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, found).await.is_ok();
        assert!(in_time, "{} {namespace}/{name} stays {last:#}", resource.kind);
        last
    }

    /// Waits until an event in the namespace, past ones included, is as the condition says, and gives it.
    ///
    /// # Panics
    /// If it takes longer than [`PATIENCE`].
    pub async fn event(&self, namespace: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let mut others = Vec::new();
        let events = watcher(self.api(EVENTS, namespace), watcher::Config::default());
        let found = async {
            let mut events = std::pin::pin!(events.default_backoff().applied_objects());
            while let Some(event) = events.next().await {
                let Ok(event) = event else { continue };
                let event = json(event);
                if condition(&event) {
                    return event;
                }
                others.push(format!("{}: {}", text(&event, "/reason"), text(&event, "/message")));
            }
            Value::Null
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(event) => event,
            Err(_) => panic!("no such event in {namespace}, but {others:#?}"),
        }
    }

    /// Creates many objects, some at a time.
    ///
    /// # Panics
    /// If the server refuses one.
    pub async fn create_all(&self, objects: impl Iterator<Item = Value> + Send) {
        let created =
            futures::stream::iter(objects).map(|object| async move { self.try_create(&object).await });
        let created = created.buffer_unordered(32).try_for_each(|_| future::ready(Ok(())));
        created.await.expect("the server takes all");
    }
}

fn json(object: DynamicObject) -> Value {
    serde_json::to_value(object).expect("JSON")
}

/// A text in an object by its JSON pointer; empty if there is none.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
