//! The Kubernetes API that the nodes of a test share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use keymount_api::custom_resource_definitions;
use keymount_clock::WallClock;
use keymount_emulator::faults::Faults;
use keymount_emulator::kubernetes::{ApiServer, Options};
use serde_json::{Value, json};

/// Resource name of classes.
pub const CLASSES: &str = "secretproviderclasses.secrets-store.csi.x-k8s.io";
/// Resource name of status objects.
pub const STATUSES: &str = "secretproviderclasspodstatuses.secrets-store.csi.x-k8s.io";

/// How long a test waits for the API to show something: longer than the driver's longest pause between attempts, ten
/// minutes and a tenth of that, and what follows one.
const PATIENCE: Duration = Duration::from_secs(1200);

/// A cluster with a CSIDriver object, and in namespace `default` a class `web` and a pod `web`. Clones
/// share it.
#[derive(Clone)]
pub struct Cluster {
    /// The API server.
    pub api: Arc<ApiServer>,
    /// Trouble with it.
    pub faults: Faults,
    /// The time of day on its nodes; it starts at 2026-11-24T12:00:00Z.
    pub clock: WallClock,
    controllers: bool,
}

impl Cluster {
    /// Starts one. By default no controllers run, which would collect what owners that do not exist own.
    ///
    /// # Panics
    /// If the test cannot be set up.
    pub async fn start(options: Options) -> Self {
        let origin: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
        let clock = WallClock::simulated(origin);
        let (faults, controllers) = (options.observer.faults.clone(), options.controllers);
        let options = Options { clock: clock.clone(), ..options };
        let api = Arc::new(ApiServer::start(options).await.expect("an API server"));
        let cluster = Self { api, faults, clock, controllers };
        cluster.seed();
        cluster
    }

    fn seed(&self) {
        for definition in custom_resource_definitions() {
            let mut definition = serde_json::to_value(definition).expect("JSON");
            definition["apiVersion"] = "apiextensions.k8s.io/v1".into();
            definition["kind"] = "CustomResourceDefinition".into();
            self.put(&definition);
        }
        self.put(&csi_driver(&json!({"requiresRepublish": true, "tokenRequests": [{"audience": "aud"}]})));
        self.put(&json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": "default"},
        }));
        self.put(&class("web", "test", &json!([])));
        self.put_pod("web");
    }

    /// Puts a pod into the namespace `default` and gives its UID. A ReplicaSet owns it, unless controllers
    /// run: there is no such ReplicaSet.
    pub fn put_pod(&self, name: &str) -> String {
        let mut pod = pod(name);
        if self.controllers {
            pod["metadata"]["ownerReferences"] = json!([]);
        }
        let pod = self.put(&pod);
        pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    }

    /// Puts an object and gives it as the server has it.
    ///
    /// # Panics
    /// If the server has something against it.
    pub fn put(&self, object: &Value) -> Value {
        self.api.put(object).unwrap_or_else(|error| panic!("{error}: {object}"))
    }

    /// Sets the phase of a pod of the namespace `default`, as its kubelet does.
    ///
    /// # Panics
    /// If there is no such pod.
    pub async fn set_pod_phase(&self, name: &str, phase: &str) {
        let client = kube::Client::try_from(kube::Config::new(self.api.url().parse().expect("a URL")));
        let request = http::Request::patch(format!("/api/v1/namespaces/default/pods/{name}/status"))
            .header("content-type", "application/merge-patch+json")
            .body(json!({"status": {"phase": phase}}).to_string().into_bytes())
            .expect("a request");
        client.expect("a client").request::<Value>(request).await.expect("a pod");
    }

    /// UID of a pod of the namespace `default`; empty if there is none.
    #[must_use]
    pub fn pod_uid(&self, name: &str) -> String {
        let pod = self.api.get("pods", "default", name).unwrap_or_default();
        pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    }

    /// Sets an annotation of a class.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn annotate_class(&self, name: &str, key: &str, value: &str) {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        self.api.patch(CLASSES, "default", name, &patch).expect("a class");
    }

    /// Puts a class with these `secretObjects`, for the provider `test`.
    pub fn put_class(&self, name: &str, secret_objects: &Value) {
        self.put(&class(name, "test", secret_objects));
    }

    /// Waits until an object of the namespace `default` is as the condition says, and gives it; null if
    /// there is none.
    ///
    /// # Panics
    /// If it takes longer than twenty minutes.
    pub async fn wait_for(&self, resource: &str, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let found =
            self.api.wait_for(resource, "default", name, |object| condition(object.unwrap_or(&Value::Null)));
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found.unwrap_or_default(),
            Err(_) => panic!("{resource} {name} stays {:#?}", self.api.get(resource, "default", name)),
        }
    }

    /// Waits until the status object of a pod and class is as the condition says, and gives it.
    ///
    /// # Panics
    /// If it takes longer than twenty minutes.
    pub async fn status(&self, pod: &str, class: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(STATUSES, &format!("{pod}-default-{class}"), |object| {
            !object.is_null() && condition(object)
        })
        .await
    }

    /// Waits until a Secret is as the condition says, and gives it; null if there is none.
    ///
    /// # Panics
    /// If it takes longer than twenty minutes.
    pub async fn secret(&self, name: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.wait_for("secrets", name, condition).await
    }

    /// Data of a Secret of the namespace `default` as text; empty if there is none.
    #[must_use]
    pub fn secret_data(&self, name: &str) -> BTreeMap<String, String> {
        data(&self.api.get("secrets", "default", name).unwrap_or_default())
    }

    /// Messages of the events on a pod of the namespace `default`, each behind its reason.
    #[must_use]
    pub fn events(&self, pod: &str) -> Vec<String> {
        let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
        self.api
            .list("events", "default")
            .iter()
            .filter(|event| event["involvedObject"]["name"] == pod)
            .map(|event| format!("{}: {}", text(event, "reason"), text(event, "message")))
            .collect()
    }
}

/// Data of a Secret as text.
///
/// # Panics
/// If the server keeps it otherwise than in base64.
#[must_use]
pub fn data(secret: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| {
        let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).expect("base64");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    secret["data"].as_object().into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// A CSIDriver object with these fields beside those that all have.
#[must_use]
pub fn csi_driver(more: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": "secrets-store.csi.k8s.io"},
        "spec": {"podInfoOnMount": true, "attachRequired": false, "volumeLifecycleModes": ["Ephemeral"]},
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        object["spec"][field] = value.clone();
    }
    object
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
