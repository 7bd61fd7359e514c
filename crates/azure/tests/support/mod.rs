//! A provider on a unix socket, and the emulated Azure it talks to.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keymount_azure::{Config, Provider, Services, flags};
use keymount_clock::WallClock;
use keymount_daemon::flags::Flags;
use keymount_daemon::grpc::{self, Endpoint, Listener};
use keymount_daemon::metrics::Registry;
use keymount_emulator::entra::{Identity, IdentityKind, PodBinding};
use keymount_emulator::faults::{Match, Service};
use keymount_emulator::{DEFAULT_TENANT, Emulator, Options};
use keymount_identity::transport::{Resolver, Roots};
use keymount_proto::provider::csi_driver_provider_client::CsiDriverProviderClient;
use keymount_proto::provider::{MountRequest, MountResponse, ObjectVersion};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Channel;
use tonic::{Request, Status};
use url::Url;

pub const VAULT: &str = "kv1";
pub const SECRET: &str = "cl1ent-s3cret-c4n4ry";

/// A PFX (AES-256, SHA-256) in base64, and its password.
pub const PFX: &str = "MIIEDAIBAzCCA8IGCSqGSIb3DQEHAaCCA7MEggOvMIIDqzCCAmIGCSqGSIb3DQEHBqCCAlMwggJPAgEAMIICSAYJKoZIhvcNAQcB\
     MFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAilV0B3fi8PqwICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEJnX\
     ttcl9nOGyy+QgCzUhauAggHgU4zAOvYGfISxtAApDninWl30nbGqQrQPEuKvgCLxhti275lidglIgasKorBNf7CB1pExf1NarFd4\
     rJxBwlKKphzaXczUNisZcHk9FoL8UDJAPXfsRih/NipUsNUOJHMuVqoubYwNYDVw3L89Dvw2+Cyqnsk4jRFsfpR+IeSWiaAf6gbm\
     ksGqYkrHTYkGvhXBcFrABMrdN/C3oE4wsbiWcvidr/Dde69Wji2qD4KSQRXRrFKdL+xyeX7tQdydYNNEhELT8Cq66y9JF9590PgF\
     fG/o1uY2YEIuQNVPGeMllxTRh+PMkHAw5UqQBeMqZI57r1cWO4hhQKW6WXB0BSeqyKQ/EACqrZbpoC7UDXkRuHOXJPbDjpPnw3IR\
     TRPoMbSKjUnnmhkP4naSfKD9+LKJmdZ37kzFSqmxYkAuEEXjxAKnqb6LOwiT9JOTENKMNqwNCD/T8B2vfqEilf6wIOHLWYPZcE0X\
     gshduk3h5CKiC1ePZkhz9UiR1V4AuvssZ5f+n8MLZRMQ52T6o2XMRSzyOPLsoBCeITVizgdefvcuRv+RKrQ+F1H0BE9KGKnwmMmA\
     n9nfVSztmWeKBc/wsMtaYaJKaBMb5khmzAAWt5G7XOCL9pmqh187GngN12fu/5AvMIIBQQYJKoZIhvcNAQcBoIIBMgSCAS4wggEq\
     MIIBJgYLKoZIhvcNAQwKAQKgge8wgewwVwYJKoZIhvcNAQUNMEowKQYJKoZIhvcNAQUMMBwECPKjI65EZ/iXAgIIADAMBggqhkiG\
     9w0CCQUAMB0GCWCGSAFlAwQBKgQQM9mt2BzRieGxolo2ULoYnASBkFS0cl2MFi366hBoAP5tI7bRRlUHuPVjyK9KOBEfDSVepz0h\
     sR+f8IThGrWDmZJBW+Dsra0fVCZu+9MM++8OZxiYK6gH6xefNHloKtoz6L5S9AfbiQGtJtBmdg67h0wKHEjEgioW0LEkPEIdxemE\
     Ps8Nvq5LoqAIQuOnM0etVO6e5pe3DXXVyO/XtFYxgmaA2DElMCMGCSqGSIb3DQEJFTEWBBSLht1JXqN04a9pMYNTLy1l/1fY4jBB\
     MDEwDQYJYIZIAWUDBAIBBQAEIAOVeDuf+1dnj+jzuIavWEwUPx0l/Yu5TCF4w3e7lDU5BAhZlM6RYoKYegICCAA=";
pub const PFX_PASSWORD: &str = "pärtner pass";

pub struct World {
    pub azure: Emulator,
    pub registry: Registry,
    client: CsiDriverProviderClient<Channel>,
    _stop: DropGuard,
    _directory: TempDir,
}

/// What a test's mount asks for.
#[derive(Clone)]
pub struct Ask {
    pub attributes: Value,
    pub secrets: String,
    pub current: Vec<ObjectVersion>,
    pub timeout: Duration,
}

impl World {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With flags of the provider.
    pub async fn with(arguments: &[&str]) -> Self {
        let options = Options { allow_any_token: true, ..Options::default() };
        let azure = Emulator::start(options).await.expect("an emulator");
        for client in ["app", "other"] {
            azure.directory().add(Identity::with_secret(client, SECRET));
        }
        azure.directory().add(Identity::new(IdentityKind::SystemAssigned, "machine"));
        azure.directory().add(Identity::new(IdentityKind::UserAssigned, "assigned"));
        azure.directory().add(Identity::new(IdentityKind::UserAssigned, "workload"));
        azure.directory().bind_pods(PodBinding {
            namespace: "shop".to_owned(),
            pod: None,
            client_id: "assigned".to_owned(),
        });

        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("azure.sock");
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        let flags = Flags::parse("provider", flags::TABLE, arguments).expect("flags");
        let mut config = Config::new(&flags, |_| None).await.expect("a configuration");
        config.endpoint = Endpoint::Unix(socket.clone());
        config.transport.resolver = Resolver::Table(Arc::new(HashMap::from([
            ("*.vault.azure.net".to_owned(), azure.address()),
            ("login.microsoftonline.com".to_owned(), azure.address()),
        ])));
        // On a busy machine the first handshake may take longer than anybody would wait for it.
        config.gate.warm_up = Duration::from_secs(30);
        let started = azure.started();
        config.transport.roots = Roots::only_file(&started.ca);
        config.imds_endpoint = Url::parse(&started.imds).expect("a URL");
        config.nmi_endpoint = Url::parse(&started.nmi).expect("a URL");
        let registry = Registry::new("test", &[]);
        let provider = Arc::new(Provider::new(config, &registry, &WallClock::system()));
        let listener = Listener::bind(&Endpoint::Unix(socket.clone())).await.expect("a socket");
        let stop = CancellationToken::new();
        let routes = Services::new(provider).routes();
        tokio::spawn(grpc::serve(listener, routes, stop.clone(), Duration::from_secs(1)));
        let client = CsiDriverProviderClient::new(grpc::channel(&socket)).max_decoding_message_size(64 << 20);
        Self { azure, registry, client, _stop: stop.drop_guard(), _directory: directory }
    }

    pub async fn mount(&self, ask: &Ask) -> Result<MountResponse, Status> {
        let mut request = Request::new(MountRequest {
            attributes: ask.attributes.to_string(),
            secrets: ask.secrets.clone(),
            target_path: "/unused".to_owned(),
            permission: "420".to_owned(),
            current_object_version: ask.current.clone(),
        });
        request.set_timeout(ask.timeout);
        self.client.clone().mount(request).await.map(tonic::Response::into_inner)
    }

    pub async fn refused(&self, ask: &Ask) -> Status {
        self.mount(ask).await.expect_err("a failure")
    }

    /// Requests to the vault so far.
    pub fn vault_calls(&self) -> u64 {
        self.calls(Service::Vault)
    }

    /// Token requests so far.
    pub fn token_calls(&self) -> u64 {
        self.calls(Service::Entra)
    }

    pub fn calls(&self, service: Service) -> u64 {
        self.azure.traffic().count(&Match { service: Some(service), ..Match::default() })
    }
}

impl Ask {
    /// As a pod of namespace `shop` with the service principal `app`.
    pub fn new(objects: &[&str]) -> Self {
        let items: String = objects
            .iter()
            .map(|object| {
                let fields = object.split(' ').map(|field| field.replacen('=', ": ", 1));
                let lines: String = fields.map(|field| format!("    {field}\n")).collect();
                format!("  - |\n{lines}")
            })
            .collect();
        Self {
            attributes: json!({
                "csi.storage.k8s.io/pod.name": "web-0",
                "csi.storage.k8s.io/pod.namespace": "shop",
                "csi.storage.k8s.io/pod.uid": "1",
                "csi.storage.k8s.io/serviceAccount.name": "web",
                "keyvaultName": VAULT,
                "tenantID": DEFAULT_TENANT,
                "objects": format!("array:\n{items}"),
            }),
            secrets: json!({ "clientid": "app", "clientsecret": SECRET }).to_string(),
            current: Vec::new(),
            timeout: Duration::from_secs(60),
        }
    }

    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.attributes[key] = json!(value);
        self
    }

    pub fn principal(mut self, client: &str) -> Self {
        self.secrets = json!({ "clientid": client, "clientsecret": SECRET }).to_string();
        self
    }

    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// As a pod with a service-account token of its own; `pod` makes it differ from its neighbours'.
    pub fn workload(mut self, pod: &str) -> Self {
        self.secrets = "null".to_owned();
        let tokens =
            json!({ "api://AzureADTokenExchange": { "token": service_account_token("shop", "web", pod) } });
        self.set("clientID", "workload").set("csi.storage.k8s.io/serviceAccount.tokens", &tokens.to_string())
    }
}

pub fn service_account_token(namespace: &str, account: &str, pod: &str) -> String {
    let now = WallClock::system().now().as_second();
    let claims = json!({
        "iss": "https://cluster.test", "sub": format!("system:serviceaccount:{namespace}:{account}"),
        "aud": "api://AzureADTokenExchange", "iat": now - 60, "nbf": now - 60, "exp": now + 3600, "pod": pod,
    });
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    format!(
        "{}.{}.{}",
        encode(json!({"alg": "RS256"}).to_string()),
        encode(claims.to_string()),
        encode("c4n4ry".to_owned())
    )
}
