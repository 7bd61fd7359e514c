//! A node with driver, Azure provider and kubelet, a Kubernetes API, an emulated Azure, and the program that people run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{Span, ToSpan as _};
use k8s_openapi::api::core::v1::Pod;
use keymount_azure::{Config, Provider, Services, flags};
use keymount_clock::WallClock;
use keymount_daemon::flags::Flags;
use keymount_daemon::grpc::{self, Endpoint, Listener};
use keymount_daemon::metrics::Registry;
use keymount_emulator::entra::{Federation, Identity, IdentityKind, KeySource};
use keymount_emulator::kubelet::{Kubelet, Options as KubeletOptions, Watching};
use keymount_emulator::kubernetes::ApiServer;
use keymount_emulator::{Emulator, Options};
use keymount_stack_tests::{Node, NodeOptions, STATUSES, csi_driver};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

pub(crate) const CLIENT: &str = "7e9a0000-0000-4000-8000-0000000000a2";
const SUFFIX: &str = "vault.keymount.test";
const AUTHORITY: &str = "login.keymount.test";
/// Longest wait for anything, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything.
pub(crate) struct Scene {
    pub(crate) node: Node,
    pub(crate) azure: Emulator,
    kubelet: Kubelet,
    _registry: Watching,
    provider: Option<CancellationToken>,
    directory: TempDir,
}

/// What the program said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::with_azure_ahead(0.hours()).await
    }

    /// With another time of day in Azure.
    pub(crate) async fn with_azure_ahead(by: Span) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut node = Node::start(NodeOptions::default()).await;
        let root = node.path("");
        let options = Options {
            vault_suffixes: vec![SUFFIX.to_owned()],
            authorities: vec![AUTHORITY.to_owned()],
            ca_file: Some(directory.path().join("ca.pem")),
            clock: WallClock::simulated(node.clock.now().checked_add(by).expect("a time")),
            ..Options::default()
        };
        let azure = Emulator::start(options).await.expect("an emulator");
        azure.directory().add(Identity {
            federated: vec![Federation {
                issuer: "https://kubernetes.default.svc.cluster.local".to_owned(),
                subject: "system:serviceaccount:default:default".to_owned(),
                audience: "api://AzureADTokenExchange".to_owned(),
                keys: Some(KeySource::Inline(node.api.jwks())),
            }],
            ..Identity::new(IdentityKind::UserAssigned, CLIENT)
        });
        azure.vault("kv1").set_secret("password", "v4lue-c4n4ry").expect("a secret");

        // This one has no volumes, and pods cannot be changed.
        node.api.delete("pods", "default", "web").expect("the cluster's own pod");
        for namespace in ["shop", "platform"] {
            node.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
        }
        node.stop_driver().await;
        let paths = [
            format!("--plugin-registration-path={}", root.join("plugins_registry").display()),
            format!("--kubelet-registration-path={}", node.path("csi.sock").display()),
        ];
        let client = node.api.client(None).await.expect("a client");
        let options =
            KubeletOptions { clock: node.clock.clone(), ..KubeletOptions::new("node-1", &root, client) };
        let kubelet = Kubelet::new(options).expect("directories");
        let registry = kubelet.watch_registry().expect("a registry");
        node.set_flags(&[&paths[0], &paths[1], "--enable-secret-rotation", "--rotation-poll-interval=1h"]);
        node.start_driver().await;
        tokio::time::timeout(PATIENCE, kubelet.registered("secrets-store.csi.k8s.io"))
            .await
            .expect("a driver");
        node.put(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "labels": {"kubernetes.io/os": "linux"}}}));
        node.put(&json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "node-1"},
            "spec": {"drivers": [{"name": "secrets-store.csi.k8s.io", "nodeID": "node-1", "topologyKeys": []}]},
        }));
        node.put(&csi_driver(&json!({
            "requiresRepublish": true, "tokenRequests": [{"audience": "api://AzureADTokenExchange"}],
        })));
        let mut scene = Self { node, azure, kubelet, _registry: registry, provider: None, directory };
        scene.teach_host_names();
        scene.start_provider().await;
        scene
    }

    /// The names of this mount namespace, and no other way to any.
    fn teach_host_names(&self) {
        let port = self.azure.address().port();
        let cloud = json!({
            "name": "AzureStackCloud", "activeDirectoryEndpoint": format!("https://{AUTHORITY}:{port}/"),
            "keyVaultEndpoint": format!("https://{SUFFIX}/"), "keyVaultDNSSuffix": format!("{SUFFIX}:{port}"),
        });
        std::fs::write(self.cloud(), cloud.to_string()).expect("a file");
        for (path, text) in [
            ("/etc/hosts", format!("127.0.0.1 localhost kv1.{SUFFIX} {AUTHORITY}\n")),
            ("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n".to_owned()),
        ] {
            let file = self.directory.path().join(path.rsplit('/').next().expect("a name"));
            std::fs::write(&file, text).expect("a file");
            rustix::mount::mount_bind(&file, path).expect("a mount namespace of the test's own");
        }
    }

    fn cloud(&self) -> PathBuf {
        self.directory.path().join("cloud.json")
    }

    /// What the provider and `keymount verify` find in their environment.
    fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("AZURE_ENVIRONMENT_FILEPATH", self.cloud().display().to_string()),
            ("SSL_CERT_FILE", self.directory.path().join("ca.pem").display().to_string()),
        ]
    }

    pub(crate) async fn start_provider(&mut self) {
        let environment = self.environment();
        let read =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let arguments = ["--cloud-name=AzureStackCloud".to_owned(), "--object-cache-ttl=0s".to_owned()];
        let flags = Flags::parse("provider", flags::TABLE, arguments).expect("flags");
        let mut config = Config::new(&flags, read).await.expect("a configuration");
        config.endpoint = Endpoint::Unix(self.node.path("providers/azure.sock"));
        // On a busy machine the first handshake may take longer than anybody would wait for it.
        config.gate.warm_up = Duration::from_secs(30);
        let listener = Listener::bind(&config.endpoint).await.expect("a socket");
        let registry = Registry::new("test", &[]);
        let provider = Arc::new(Provider::new(config, &registry, &self.node.clock));
        let stop = CancellationToken::new();
        tokio::spawn(grpc::serve(
            listener,
            Services::new(provider).routes(),
            stop.clone(),
            Duration::from_secs(1),
        ));
        self.provider = Some(stop);
    }

    /// Ends the provider, as its DaemonSet's removal does.
    pub(crate) fn stop_provider(&mut self) {
        self.provider.take().expect("a provider").cancel();
        let _ = std::fs::remove_file(self.node.path("providers/azure.sock"));
    }

    pub(crate) fn api(&self) -> &ApiServer {
        &self.node.api
    }

    /// Puts the class `web` of the namespace `default`, changed as the test says.
    pub(crate) fn put_class(&self, change: impl FnOnce(&mut Value)) {
        let mut class = json!({
            "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "provider": "azure",
                "parameters": {
                    "keyvaultName": "kv1", "tenantID": self.azure.started().tenant, "clientID": CLIENT,
                    "cloudName": "AzureStackCloud",
                    "objects": "array:\n  - |\n    objectName: password\n    objectType: secret\n",
                },
            },
        });
        change(&mut class);
        self.node.put(&class);
    }

    /// A class that also makes the Secret `web-db` of the file.
    pub(crate) fn with_secret(class: &mut Value, file: &str) {
        class["spec"]["secretObjects"] = json!([{"secretName": "web-db", "type": "Opaque", "data": [{"objectName": file, "key": "password"}]}]);
    }

    /// Puts a pod of this name with the class `web`.
    pub(crate) async fn pod(&self, name: &str) -> Pod {
        let pod = self.node.put(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": "1", "controller": true, "blockOwnerDeletion": true,
            }]},
            "spec": {
                "nodeName": "node-1", "serviceAccountName": "default",
                "containers": [{"name": "web", "image": "web"}],
                "volumes": [{"name": "secrets", "csi": {
                    "driver": "secrets-store.csi.k8s.io", "readOnly": true,
                    "volumeAttributes": {"secretProviderClass": "web"},
                }}],
            },
        }));
        serde_json::from_value(pod).expect("a pod")
    }

    /// Lets kubelet mount the volumes of a pod, as its loop does once: with the event where that fails.
    pub(crate) async fn mount(&self, pod: &Pod) -> bool {
        self.kubelet.mount_once(pod).await
    }

    /// Waits until the status object of a pod says this of a condition.
    pub(crate) async fn condition(&self, pod: &str, type_: &str, status: &str) -> Value {
        let is_it = |condition: &Value| condition["type"] == type_ && condition["status"] == status;
        let has = |object: &Value| {
            object["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(is_it))
        };
        let name = format!("{pod}-default-web");
        let found = self.api().wait_for(STATUSES, "default", &name, |object| object.is_some_and(has));
        let found = tokio::time::timeout(PATIENCE, found).await;
        let found = found.unwrap_or_else(|_| panic!("{:#?}", self.api().list(STATUSES, "default")));
        let all = found.expect("an object")["status"]["conditions"].clone();
        all.as_array().into_iter().flatten().find(|condition| is_it(condition)).cloned().expect("a condition")
    }

    /// What `kubectl describe pod` shows of a pod's events: reasons and messages.
    pub(crate) async fn events(&self, pod: &str, part: &str) -> String {
        let text = || self.node.events(pod).join("\n");
        let until = async {
            let mut seen = self.api().revision();
            while !text().contains(part) {
                seen = self.api().changed_after(seen).await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, until).await;
        let text = text();
        assert!(text.contains(part), "no event says {part}:\n{text}");
        text
    }

    /// Runs the program.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().await.expect("a program");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        // Where the test's node happens to be is of no interest to anybody.
        let text = |bytes: Vec<u8>| text(bytes).replace(&self.node.path("").display().to_string(), "/node/");
        let said = Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        for text in [&said.out, &said.err] {
            assert!(!text.contains("c4n4ry"), "a secret is shown: {text}");
            assert!(!text.contains("eyJ"), "a token is shown: {text}");
        }
        said
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let kubeconfig = self.directory.path().join("kubeconfig");
        self.api().write_kubeconfig(&kubeconfig, None).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_keymount"));
        command.args(arguments).env("KUBECONFIG", kubeconfig).envs(self.environment()).kill_on_drop(true);
        command
    }
}
