//! The Kubernetes API of a run: a real kube-apiserver if `KUBECONFIG` and `KEYMOUNT_AUDIT_LOG` lead to one, the
//! emulator's otherwise.

use std::path::{Path, PathBuf};

use keymount_cluster_tests::stage::{
    Audit, Cluster, SERVICE_ACCOUNT, class, cluster_role, csi_driver, install_definitions, kubeconfig_of,
    rules,
};
use keymount_emulator::faults::{Match, Service};
use keymount_emulator::{Emulator, Options};
use serde_json::{Value, json};

/// Name of the driver under test.
pub(crate) const DRIVER_NAME: &str = "secrets-store.csi.k8s.io";

/// The API, with the requests that the driver has made.
pub(crate) struct Api {
    /// As the administrator.
    pub(crate) cluster: Cluster,
    /// Where everything of this row is.
    pub(crate) namespace: String,
    /// What the driver logs in with.
    pub(crate) kubeconfig: PathBuf,
    requests: Requests,
}

enum Requests {
    Audit(Audit),
    Emulator(Box<Emulator>),
}

/// Where a real API server writes what it is asked.
pub(crate) fn audit_log() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "where the benches are configured")]
    let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    of("KUBECONFIG")?;
    of("KEYMOUNT_AUDIT_LOG").map(PathBuf::from)
}

impl Api {
    /// A namespace with the rights of the driver's service account, and its kubeconfig in this directory.
    pub(crate) async fn start(directory: &Path) -> anyhow::Result<Self> {
        let namespace = format!("bench-{:06x}", rand::random::<u32>() & 0x00ff_ffff);
        let kubeconfig = directory.join("kubeconfig");
        let (cluster, emulator) = match audit_log() {
            Some(_) => (Cluster::as_administrator().await, None),
            None => {
                let emulator = Emulator::start(Options { kubernetes: Some(0), ..Options::default() }).await?;
                let api = emulator.kubernetes().expect("it was asked for");
                let cluster = Cluster::with_kubeconfig(&api.kubeconfig(None)).await;
                api.write_kubeconfig(&kubeconfig, None)?;
                (cluster, Some(emulator))
            }
        };
        install_definitions(&cluster).await;
        let object =
            |api: &str, kind: &str, meta: Value| json!({"apiVersion": api, "kind": kind, "metadata": meta});
        cluster.create(&object("v1", "Namespace", json!({"name": namespace}))).await;
        for account in [SERVICE_ACCOUNT, "default"] {
            // A controller may have been faster.
            let meta = json!({"name": account, "namespace": namespace});
            let _ = cluster.try_create(&object("v1", "ServiceAccount", meta)).await;
        }
        for object in cluster_role(&namespace, &rules(DRIVER_NAME), &namespace, SERVICE_ACCOUNT) {
            cluster.create(&object).await;
        }
        let _ = cluster.try_create(&csi_driver(DRIVER_NAME)).await;
        let requests = match (audit_log(), emulator) {
            (_, Some(emulator)) => Requests::Emulator(Box::new(emulator)),
            (log, None) => {
                std::fs::write(&kubeconfig, kubeconfig_of(&cluster, &namespace, SERVICE_ACCOUNT).await)?;
                let user = format!("system:serviceaccount:{namespace}:{SERVICE_ACCOUNT}");
                Requests::Audit(Audit::new(log.unwrap_or_default(), user))
            }
        };
        Ok(Self { cluster, namespace, kubeconfig, requests })
    }

    /// Another namespace, with the class of the first.
    pub(crate) async fn also(&self, namespace: &str) {
        let meta = json!({"name": namespace});
        self.cluster.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})).await;
        self.cluster.create(&class(namespace, crate::node::CLASS, "bench", &Value::Null)).await;
    }

    /// Makes a class of the provider `bench`.
    pub(crate) async fn class(&self, name: &str, spec: &Value) {
        self.cluster.create(&class(&self.namespace, name, "bench", spec)).await;
    }

    /// Requests of the driver so far. The emulator cannot tell them from the bench's own.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn requests(&self) -> f64 {
        match &self.requests {
            Requests::Audit(audit) => audit.requests().total() as f64,
            Requests::Emulator(emulator) => {
                let all = Match { service: Some(Service::Kubernetes), ..Match::default() };
                emulator.traffic().count(&all) as f64
            }
        }
    }

    /// Requests of the driver so far that write Secrets.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn secret_writes(&self) -> f64 {
        let verbs = ["create", "update", "patch"];
        match &self.requests {
            Requests::Audit(audit) => {
                let all = audit.requests();
                verbs.iter().map(|verb| all.of(&format!("{verb} secrets"))).sum::<usize>() as f64
            }
            Requests::Emulator(emulator) => {
                let of = |method: &str| Match {
                    service: Some(Service::Kubernetes),
                    method: Some(method.to_owned()),
                    path: Some("/api/v1/namespaces/*/secrets*".into()),
                    ..Match::default()
                };
                ["POST", "PUT", "PATCH"]
                    .iter()
                    .map(|method| emulator.traffic().count(&of(method)))
                    .sum::<u64>() as f64
            }
        }
    }

    /// Takes the namespace's objects away that other rows would see.
    pub(crate) async fn stop(self) {
        use keymount_cluster_tests::stage::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, NAMESPACES};
        self.cluster.delete(CLUSTER_ROLE_BINDINGS, "", &self.namespace).await;
        self.cluster.delete(CLUSTER_ROLES, "", &self.namespace).await;
        self.cluster.delete(NAMESPACES, "", &self.namespace).await;
        if let Requests::Emulator(emulator) = self.requests {
            emulator.shutdown().await;
        }
    }
}
