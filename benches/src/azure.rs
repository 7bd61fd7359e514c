//! A provider with an emulated Azure behind it: vault and authority by their real names, on port 443.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use keymount_daemon::grpc;
use keymount_emulator::entra::Identity;
use keymount_emulator::faults::{Action, Match, Rule, Service};
use keymount_emulator::vault::CertificateSpec;
use keymount_emulator::{DEFAULT_TENANT, Emulator, Options};
use keymount_proto::provider::csi_driver_provider_client::CsiDriverProviderClient;
use keymount_proto::provider::{MountRequest, VersionRequest};
use serde_json::json;
use tempfile::TempDir;
use tonic::Request;
use tonic::transport::Channel;

use crate::process::Process;
use crate::subject::Subject;

const VAULT: &str = "bench";
const SECRET: &str = "client-secret";
const HEALTH: u16 = 18989;
const METRICS: u16 = 18898;

/// Identities there are.
pub(crate) const IDENTITIES: usize = 64;

/// A provider and the Azure it asks.
pub(crate) struct Azure {
    emulator: Emulator,
    /// The provider.
    pub(crate) provider: Process,
    /// From its start to its first answer.
    pub(crate) started: Duration,
    client: CsiDriverProviderClient<Channel>,
    _directory: TempDir,
}

/// What one mount asks for.
#[derive(Clone)]
pub(crate) struct Ask {
    attributes: String,
    secrets: String,
}

impl Ask {
    /// So many secrets, from the secret of this number on, as this identity.
    pub(crate) fn secrets(first: usize, count: usize, identity: usize) -> Self {
        let names = (first..first + count).map(|number| format!("s-{number}"));
        Self::objects(names.map(|name| (name, "secret")), &format!("app-{identity}"))
    }

    /// Objects of these names and types.
    pub(crate) fn objects(objects: impl Iterator<Item = (String, &'static str)>, client: &str) -> Self {
        let items: String = objects
            .map(|(name, kind)| format!("  - |\n    objectName: {name}\n    objectType: {kind}\n"))
            .collect();
        let attributes = json!({
            "csi.storage.k8s.io/pod.name": "web-0",
            "csi.storage.k8s.io/pod.namespace": "shop",
            "csi.storage.k8s.io/pod.uid": "7e9a0000-0000-4000-8000-000000000002",
            "csi.storage.k8s.io/serviceAccount.name": "web",
            "keyvaultName": VAULT,
            "tenantId": DEFAULT_TENANT,
            "usePodIdentity": "false",
            "objects": format!("array:\n{items}"),
        });
        let secrets = json!({ "clientid": client, "clientsecret": SECRET });
        Self { attributes: attributes.to_string(), secrets: secrets.to_string() }
    }
}

impl Azure {
    /// Starts both, with so many secrets `s-0`, `s-1`, … in the vault.
    pub(crate) async fn start(subject: &Subject, secrets: usize) -> anyhow::Result<Arc<Self>> {
        let options = Options { listen: ([127, 0, 0, 1], 443).into(), ..Options::default() };
        let emulator = Emulator::start(options).await.context("the emulator, which needs port 443")?;
        for number in 0..IDENTITIES {
            emulator.directory().add(Identity::with_secret(&format!("app-{number}"), SECRET));
        }
        for number in 0..secrets {
            emulator.vault(VAULT).set_secret(&format!("s-{number}"), &format!("value of {number}"))?;
        }
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("azure.sock");
        let arguments = [
            format!("--endpoint=unix://{}", socket.display()),
            format!("--healthz-port={HEALTH}"),
            format!("--prometheus-port={METRICS}"),
        ];
        let ca = emulator.started().ca;
        // No other roots, neither for Go: what the machine trusts is read into memory otherwise.
        let no_others = directory.path().join("no-certificates");
        std::fs::create_dir(&no_others)?;
        let environment: [(&str, &std::path::Path); 2] =
            [("SSL_CERT_FILE", &ca), ("SSL_CERT_DIR", &no_others)];
        let mut provider = Process::start(
            subject.provider()?,
            &arguments,
            &environment,
            &directory.path().join("log"),
            None,
        )?;
        let answer = provider.answers(async || {
            let mut client = CsiDriverProviderClient::new(grpc::channel(&socket));
            let version = VersionRequest { version: "v1alpha1".to_owned() };
            client.version(version).await.ok().map(|_| client)
        });
        let (client, started) = answer.await.context("the provider")?;
        Ok(Arc::new(Self { emulator, provider, started, client, _directory: directory }))
    }

    /// Mounts.
    pub(crate) async fn mount(&self, ask: Ask) -> anyhow::Result<()> {
        let mut request = Request::new(MountRequest {
            attributes: ask.attributes,
            secrets: ask.secrets,
            target_path: "/var/lib/kubelet/pods/1/volumes/kubernetes.io~csi/secrets/mount".to_owned(),
            permission: "420".to_owned(),
            current_object_version: Vec::new(),
        });
        request.set_timeout(Duration::from_secs(60));
        let reply = self.client.clone().mount(request).await?.into_inner();
        anyhow::ensure!(!reply.files.is_empty(), "no files");
        Ok(())
    }

    /// Adds a certificate of this PFX, whose secret is then a PFX, too.
    pub(crate) async fn add_pfx(&self, name: &str, pfx: &str) -> anyhow::Result<()> {
        let mut certificate = CertificateSpec::new(name);
        certificate.import = Some(pfx.to_owned().into());
        self.emulator.vault(VAULT).put_certificate(&certificate).await?;
        Ok(())
    }

    /// Lets every answer of the vault take so long, from now on.
    pub(crate) fn latency(&self, millis: u64) {
        self.emulator.faults().add(Rule::on(Service::Vault, Action::Latency { millis }));
    }

    /// Lets the vault refuse about one request in ten.
    pub(crate) fn throttle_one_in_ten(&self) {
        let Action::Respond { status, code, inner, message, headers, body, .. } = Action::status(429) else {
            return;
        };
        let retry_after = Some("1".to_owned());
        let action = Action::Respond { status, code, inner, message, retry_after, headers, body };
        let mut rule = Rule::on(Service::Vault, action);
        rule.when.percent = Some(10);
        self.emulator.faults().add(rule);
    }

    /// Requests to a service so far.
    pub(crate) fn requests(&self, service: Service) -> f64 {
        count(self.emulator.traffic().count(&Match { service: Some(service), ..Match::default() }))
    }

    /// Requests to the vault that it answered with this status.
    pub(crate) fn answered(&self, status: u16) -> f64 {
        let vault = Match { service: Some(Service::Vault), ..Match::default() };
        count(self.emulator.traffic().count_status(&vault, status))
    }

    /// All requests so far, to vault and authority.
    pub(crate) fn all_requests(&self) -> f64 {
        self.requests(Service::Vault) + self.requests(Service::Entra)
    }

    /// TLS handshakes so far.
    pub(crate) fn handshakes(&self) -> f64 {
        count(self.emulator.traffic().connections("vault").handshakes)
    }

    /// Bytes that the metrics endpoint answers with.
    pub(crate) async fn metrics_bytes(&self) -> anyhow::Result<usize> {
        Ok(crate::scrape::metrics(([127, 0, 0, 1], METRICS).into()).await?.len())
    }

    /// Ends both, and waits until the port is free again.
    pub(crate) async fn stop(self: Arc<Self>) -> anyhow::Result<()> {
        let azure = Arc::into_inner(self).context("somebody still mounts")?;
        azure.provider.stop().await?;
        azure.emulator.shutdown().await;
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(count: u64) -> f64 {
    count as f64
}
