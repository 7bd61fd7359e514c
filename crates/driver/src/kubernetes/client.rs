//! The API client, configured as the Go driver is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use keymount_daemon::build::BUILD;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rustls_pki_types::ServerName;
use tower::ServiceBuilder;

use super::credentials::{Credentials, CredentialsError};
use super::tls::{self, TlsError};

/// Connections to the API server that are kept without a request. A storm of mounts opens many at once; what is kept of them costs
/// memory and descriptors here and in the API server, on every node.
const IDLE_CONNECTIONS: usize = 4;

/// How long a connection is silent before it is asked whether it still exists: a watch may be silent for minutes.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// There is no way to the Kubernetes API.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig named by flag or `KUBECONFIG` cannot be used.
    #[error("failed to load kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// Nothing is configured.
    #[error(
        "unable to find a Kubernetes configuration: no --kubeconfig, no KUBECONFIG, not in a cluster ({incluster}), \
         and no ~/.kube/config ({home})"
    )]
    NotConfigured {
        /// Why this is no cluster.
        incluster: String,
        /// Why the file in the home directory is none.
        home: String,
    },
    /// The way to the API server leads through a proxy.
    #[error(
        "the kubeconfig's cluster names a proxy (proxy-url), and the driver uses none: let it reach the API server directly"
    )]
    Proxy,
    /// The kubeconfig's user cannot log in.
    #[error("failed to load kubeconfig: {0}")]
    Credentials(#[from] CredentialsError),
    /// Certificates or keys cannot be used.
    #[error("failed to load kubeconfig: {0}")]
    Tls(#[from] TlsError),
    /// No server can have this name.
    #[error("failed to load kubeconfig: tls-server-name {0:?} is no name of a server")]
    ServerName(String),
    /// The configuration cannot be turned into a client.
    #[error("failed to create the Kubernetes client: {0}")]
    Client(#[from] kube::Error),
}

/// Makes a client without connecting: `--kubeconfig`, then `KUBECONFIG`, then the cluster this runs in,
/// then `~/.kube/config`. The API server may be down.
///
/// # Errors
/// [`ClientError`]: none of them can be used.
pub(crate) async fn client(kubeconfig: Option<&Path>) -> Result<Client, ClientError> {
    let mut config = match kubeconfig {
        Some(path) => from_file(Kubeconfig::read_from(path)?).await?,
        None => default_config().await?,
    };
    // Retries are ours to decide: nothing may queue in front of a mount.
    config.default_retry = false;
    if let Ok(agent) = HeaderValue::from_str(&user_agent()) {
        config.headers.push((USER_AGENT, agent));
    }
    assemble(config)
}

/// Without what kube's own assembly has for kubectl and its plug-ins: half a megabyte of a program that is on every node.
fn assemble(config: Config) -> Result<Client, ClientError> {
    if config.proxy_url.is_some() {
        return Err(ClientError::Proxy);
    }
    let credentials = Arc::new(Credentials::of(&config.auth_info)?);
    let mut https =
        HttpsConnectorBuilder::new().with_tls_config(tls::client_config(&config)?).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = ServerName::try_from(name.clone()).map_err(|_| ClientError::ServerName(name.clone()))?;
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    // Both as in Go's client. Without the first a new connection's first request waits 40 ms for the acknowledgement of the handshake.
    http.set_nodelay(true);
    http.set_keepalive(Some(KEEPALIVE));
    let mut connector = TimeoutConnector::new(https.enable_http1().wrap_connector(http));
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let http: HttpClient<_, Body> =
        HttpClient::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_CONNECTIONS).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(config.extra_headers_layer()?)
        .map_request(move |mut request: Request<Body>| {
            if let Some(value) = credentials.header() {
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            request
        })
        .map_err(tower::BoxError::from)
        .service(http);
    Ok(ClientBuilder::new(service, config.default_namespace).build())
}

async fn default_config() -> Result<Config, ClientError> {
    if let Some(file) = Kubeconfig::from_env()? {
        return from_file(file).await;
    }
    let incluster = match Config::incluster() {
        Ok(config) => return Ok(config),
        Err(error) => error.to_string(),
    };
    match Kubeconfig::read() {
        Ok(file) => from_file(file).await,
        Err(error) => Err(ClientError::NotConfigured { incluster, home: error.to_string() }),
    }
}

/// Proxies of the environment are for the world outside; the API server is reached directly, as in a cluster.
async fn from_file(file: Kubeconfig) -> Result<Config, ClientError> {
    let names_proxy =
        file.clusters.iter().any(|named| named.cluster.as_ref().is_some_and(|c| c.proxy_url.is_some()));
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    if !names_proxy {
        config.proxy_url = None;
    }
    Ok(config)
}

/// The Go driver's form, so that audit policies keep matching.
fn user_agent() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!(
        "csi-secrets-store/controller/{} ({}/{architecture}) {}/{}",
        BUILD.version,
        std::env::consts::OS,
        BUILD.commit,
        BUILD.date
    )
}
