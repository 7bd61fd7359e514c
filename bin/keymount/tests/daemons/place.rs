//! A node with Azure and Kubernetes around it.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use keymount_api::custom_resource_definitions;
use keymount_emulator::kubernetes::ApiServer;
use keymount_emulator::vault::Vault;
use keymount_emulator::{DEFAULT_TENANT, Emulator, Options, Seed};
use keymount_stack_tests::{csi_driver, driver_flags, pod};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::azure::{AUTHORITY, SEED, VAULT, VAULT_SUFFIX};
use crate::daemon::Daemon;

/// Directories, servers, and how the daemons are started there.
pub(crate) struct Place {
    directory: TempDir,
    pub(crate) emulator: Emulator,
}

impl Place {
    /// Starts what is not a daemon, and teaches this mount namespace the host names.
    pub(crate) async fn new() -> Self {
        let options = Options {
            kubernetes: Some(0),
            vault_suffixes: vec![VAULT_SUFFIX.to_owned()],
            authorities: vec![AUTHORITY.to_owned()],
            ..Options::default()
        };
        let emulator = Emulator::start(options).await.expect("an emulator");
        emulator.seed(Seed::parse(SEED).expect("a seed")).await.expect("content");
        let place = Self { directory: tempfile::tempdir().expect("a directory"), emulator };
        for name in ["pods", "providers"] {
            std::fs::create_dir(place.path(name)).expect("a directory");
        }
        place.teach_host_names();
        place.write_settings();
        for definition in custom_resource_definitions() {
            let mut definition = serde_json::to_value(definition).expect("JSON");
            definition["apiVersion"] = "apiextensions.k8s.io/v1".into();
            definition["kind"] = "CustomResourceDefinition".into();
            place.put(&definition);
        }
        let tokens = json!([{"audience": "api://AzureADTokenExchange"}]);
        place.put(&csi_driver(&json!({"requiresRepublish": true, "tokenRequests": tokens})));
        place
    }

    fn teach_host_names(&self) {
        let before = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        self.shadow("/etc/hosts", &format!("{before}\n127.0.0.1 {VAULT}.{VAULT_SUFFIX} {AUTHORITY}\n"));
    }

    /// Gives a file of the system this content, in this mount namespace only.
    pub(crate) fn shadow(&self, file: &str, content: &str) {
        let ours = self.path(&file.replace('/', "-"));
        std::fs::write(&ours, content).expect("a file");
        rustix::mount::mount_bind(&ours, file).expect("a file, in a mount namespace of the test's own");
    }

    fn write_settings(&self) {
        let port = self.emulator.address().port();
        let cloud = json!({
            "name": "AzureStackCloud",
            "activeDirectoryEndpoint": format!("https://{AUTHORITY}:{port}/"),
            "keyVaultEndpoint": format!("https://{VAULT_SUFFIX}/"),
            "keyVaultDNSSuffix": format!("{VAULT_SUFFIX}:{port}"),
        });
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.api().url()}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        });
        for (name, content) in [("cloud.json", cloud), ("kubeconfig", kubeconfig)] {
            std::fs::write(self.path(name), content.to_string()).expect("a file");
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn pods(&self) -> PathBuf {
        self.path("pods")
    }

    pub(crate) fn api(&self) -> &ApiServer {
        self.emulator.kubernetes().expect("it was asked for")
    }

    pub(crate) fn vault(&self) -> Arc<Vault> {
        self.emulator.vault(VAULT)
    }

    /// Puts an object and gives it as the server has it.
    pub(crate) fn put(&self, object: &Value) -> Value {
        self.api().put(object).unwrap_or_else(|error| panic!("{error}: {object}"))
    }

    /// Puts a pod and gives its UID.
    pub(crate) fn put_pod(&self, name: &str) -> String {
        let mut pod = pod(name);
        // There is no such ReplicaSet, and the collector takes what nobody owns.
        pod["metadata"]["ownerReferences"] = json!([]);
        self.put(&pod)["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    }

    /// Starts the provider, with these flags beside those that every run needs.
    pub(crate) async fn start_provider(&self, flags: &[&str]) -> Daemon {
        let [health, metrics] = free_ports();
        let arguments = [
            format!("--endpoint=unix://{}", self.path("providers/azure.sock").display()),
            "--cloud-name=AzureStackCloud".to_owned(),
            format!("--healthz-port={health}"),
            format!("--prometheus-port={metrics}"),
        ];
        let started = self.emulator.started();
        let environment = HashMap::from([
            ("AZURE_ENVIRONMENT_FILEPATH", self.path("cloud.json").display().to_string()),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", started.imds.clone()),
            ("SSL_CERT_FILE", started.ca.display().to_string()),
        ]);
        Daemon::start("provider-azure", &with(arguments, flags), &environment).await
    }

    /// Starts the driver, with these flags beside those that every run needs.
    pub(crate) async fn start_driver(&self, flags: &[&str]) -> Daemon {
        Daemon::start("driver", &with(driver_flags(self.directory.path()), flags), &HashMap::new()).await
    }
}

fn with<const N: usize>(arguments: [String; N], flags: &[&str]) -> Vec<String> {
    arguments.into_iter().chain(flags.iter().map(|flag| (*flag).to_owned())).collect()
}

/// Ports that are free now: the provider's flags take a number, not "any".
fn free_ports() -> [u16; 2] {
    let held = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    held.map(|listener| listener.local_addr().expect("an address").port())
}

/// A class of the provider `azure`: a certificate in three files and a number, and a Secret of the class's name.
pub(crate) fn class(name: &str, identity: &Value) -> Value {
    let objects = "array:\n  - |\n    objectName: site\n    objectType: secret\n    objectAlias: tls/site\n  \
                   - |\n    objectName: number\n    objectType: secret\n";
    let mut class = json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "provider": "azure",
            "parameters": {"keyvaultName": VAULT, "tenantId": DEFAULT_TENANT, "objects": objects},
            "secretObjects": [{
                "secretName": name, "type": "Opaque", "data": [{"objectName": "number", "key": "number"}],
            }],
        },
    });
    for (key, value) in identity.as_object().into_iter().flatten() {
        class["spec"]["parameters"][key] = value.clone();
    }
    class
}
