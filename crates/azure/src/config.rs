//! From flags and environment to what the provider works with.

use std::path::PathBuf;
use std::time::Duration;

use keymount_daemon::build::BUILD;
use keymount_daemon::flags::Flags;
use keymount_daemon::grpc::Endpoint;
use keymount_identity::transport::{ProxyRules, Roots, TransportOptions};
use keymount_identity::{ArcAgent, BindingOptions, Cloud, CloudError, IMDS_ENDPOINT, NMI_ENDPOINT, Region};
use keymount_keyvault::{CacheOptions, GateOptions};
use url::Url;

use crate::content::ContentOptions;

/// All files of one volume together, in bytes; far above what a node's memory limits allow.
const MAX_VOLUME_BYTES: usize = 32 << 20;

/// What the provider works with.
pub struct Config {
    /// Where the provider API is served.
    pub endpoint: Endpoint,
    /// Port of the health server, on all addresses.
    pub health_port: u16,
    /// Its path.
    pub health_path: String,
    /// How long a health check may take.
    pub health_timeout: Duration,
    /// Port of the metrics server, on all addresses.
    pub metrics_port: u16,
    /// The cloud of classes that name none.
    pub default_cloud: Cloud,
    /// The file that describes the cloud `AzureStackCloud` where a class names none.
    pub cloud_file: Option<PathBuf>,
    /// The authority of a custom cloud that names none.
    pub authority_host: Option<String>,
    /// Switches for certificates.
    pub content: ContentOptions,
    /// Bound on all files of one volume together, in bytes.
    pub max_volume_bytes: usize,
    /// Bounds of content that mounts of one identity share.
    pub cache: CacheOptions,
    /// Bounds per vault.
    pub gate: GateOptions,
    /// What clients for Entra and vaults are made of.
    pub transport: TransportOptions,
    /// The metadata service.
    pub imds_endpoint: Url,
    /// The pod identity agent.
    pub nmi_endpoint: Url,
    /// The agent of an Azure Arc machine.
    pub arc: Option<ArcAgent>,
    /// Entra's regional endpoint.
    pub region: Region,
    /// The cluster's token proxy.
    pub binding: BindingOptions,
}

/// Flags or environment cannot be used. The process ends with exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The endpoint.
    #[error(transparent)]
    Endpoint(#[from] keymount_daemon::grpc::InvalidEndpoint),
    /// The default cloud.
    #[error("failed validating default cloud environment, cloudName {name}: {error}")]
    Cloud {
        /// As given.
        name: String,
        /// What is wrong with it.
        error: CloudError,
    },
    /// The metrics backend.
    #[error("unsupported metrics backend {0}")]
    MetricsBackend(String),
    /// A port.
    #[error("--{flag}={value} is not a port: give a number from 1 to 65535")]
    Port {
        /// The flag.
        flag: &'static str,
        /// As given.
        value: i64,
    },
    /// A number or duration that has to be positive.
    #[error("--{flag} has to be {rule}")]
    Range {
        /// The flag.
        flag: &'static str,
        /// What it has to be.
        rule: &'static str,
    },
    /// The path of the health server.
    #[error("--healthz-path={0} does not begin with /")]
    HealthPath(String),
    /// `HTTPS_PROXY`.
    #[error(transparent)]
    Proxy(#[from] keymount_identity::transport::ProxyError),
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`.
    #[error("AZURE_POD_IDENTITY_AUTHORITY_HOST is not an http:// or https:// URL")]
    MetadataHost,
}

impl Config {
    /// Reads the flags, and the environment by `read`.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub async fn new(flags: &Flags, read: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let read = |name: &str| read(name).filter(|value| !value.is_empty());
        let cloud_file: Option<PathBuf> = read("AZURE_ENVIRONMENT_FILEPATH").map(PathBuf::from);
        let name = flags.text("cloud-name");
        let default_cloud = Cloud::by_name(name, cloud_file.clone())
            .await
            .map_err(|error| ConfigError::Cloud { name: name.to_owned(), error })?;
        let backend = flags.text("metrics-backend");
        if !backend.eq_ignore_ascii_case("prometheus") {
            return Err(ConfigError::MetricsBackend(backend.to_owned()));
        }
        let health_path = flags.text("healthz-path").to_owned();
        if !health_path.starts_with('/') {
            return Err(ConfigError::HealthPath(health_path));
        }
        let transport = TransportOptions {
            user_agent: user_agent(flags.text("custom-user-agent")),
            roots: Roots::from_environment(read),
            proxies: ProxyRules::from_environment(read)?,
            ..TransportOptions::default()
        };
        let given = |flag: &str| Some(flags.text(flag).to_owned()).filter(|text| !text.is_empty());
        let service_port = read("KUBERNETES_SERVICE_PORT").and_then(|port| port.parse().ok());
        Ok(Self {
            endpoint: flags.text("endpoint").parse()?,
            health_port: port(flags, "healthz-port")?,
            health_path,
            health_timeout: positive(flags, "healthz-timeout")?,
            metrics_port: port(flags, "prometheus-port")?,
            default_cloud,
            cloud_file,
            authority_host: read("AZURE_AUTHORITY_HOST"),
            content: ContentOptions {
                construct_pem_chain: flags.bool("construct-pem-chain"),
                separate_files: flags.bool("write-cert-and-key-in-separate-files"),
            },
            max_volume_bytes: MAX_VOLUME_BYTES,
            cache: CacheOptions { ttl: cache_ttl(flags)?, ..CacheOptions::default() },
            gate: GateOptions { concurrency: concurrency(flags)?, ..GateOptions::default() },
            imds_endpoint: metadata_endpoint(read("AZURE_POD_IDENTITY_AUTHORITY_HOST"))?,
            nmi_endpoint: Url::parse(NMI_ENDPOINT).expect("a constant URL"),
            arc: ArcAgent::detect(read),
            region: Region::from_environment(read),
            binding: BindingOptions {
                proxy_url: given("token-proxy-url"),
                sni_name: given("sni-name"),
                ..BindingOptions::in_cluster(service_port, transport.clone())
            },
            transport,
        })
    }
}

/// `csi-secrets-store/<version> (linux/<arch>) <commit>/<date>`, and what the operator adds.
fn user_agent(custom: &str) -> String {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let agent = format!("csi-secrets-store/{} (linux/{arch}) {}/{}", BUILD.version, BUILD.commit, BUILD.date);
    // Anything but printable ASCII cannot stand in a header.
    let custom: String = custom.chars().filter(|c| matches!(c, ' '..='~')).collect();
    format!("{agent} {custom}").trim_end().to_owned()
}

fn port(flags: &Flags, flag: &'static str) -> Result<u16, ConfigError> {
    let value = flags.int(flag);
    u16::try_from(value).map_err(|_| ConfigError::Port { flag, value })
}

fn positive(flags: &Flags, flag: &'static str) -> Result<Duration, ConfigError> {
    let duration = Some(flags.duration(flag).to_duration());
    duration.filter(|duration| !duration.is_zero()).ok_or(ConfigError::Range { flag, rule: "longer than 0s" })
}

fn cache_ttl(flags: &Flags) -> Result<Duration, ConfigError> {
    let flag = "object-cache-ttl";
    let ttl = flags.duration(flag);
    let within = !ttl.is_negative() && ttl.to_duration() <= Duration::from_secs(60);
    within.then(|| ttl.to_duration()).ok_or(ConfigError::Range { flag, rule: "from 0s (off) to 60s" })
}

fn concurrency(flags: &Flags) -> Result<usize, ConfigError> {
    let flag = "vault-concurrency";
    let number = usize::try_from(flags.int(flag)).ok().filter(|number| (1..=1024).contains(number));
    number.ok_or(ConfigError::Range { flag, rule: "from 1 to 1024" })
}

fn metadata_endpoint(moved: Option<String>) -> Result<Url, ConfigError> {
    let text = moved.as_deref().unwrap_or(IMDS_ENDPOINT);
    let url = Url::parse(text).map_err(|_| ConfigError::MetadataHost)?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(ConfigError::MetadataHost);
    }
    if moved.is_some() {
        tracing::warn!(endpoint = %url, "the instance metadata service is asked at another address");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::TABLE;

    async fn config(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Config, String> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        let flags = Flags::parse("provider", TABLE, arguments).expect("flags");
        let read = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Config::new(&flags, read).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn defaults_are_upstreams() {
        let config = config(&[], &[]).await.expect("a configuration");
        assert_eq!(config.endpoint, Endpoint::Unix("/tmp/azure.sock".into()));
        assert_eq!((config.health_port, config.metrics_port), (8989, 8898));
        assert_eq!(config.health_path, "/healthz");
        assert_eq!(config.health_timeout, Duration::from_secs(5));
        assert_eq!(config.default_cloud.vault_suffix, "vault.azure.net");
        assert!(config.content.construct_pem_chain && !config.content.separate_files);
        assert_eq!(config.cache.ttl, Duration::from_secs(10));
        assert_eq!(config.gate.concurrency, 64);
        assert_eq!(config.imds_endpoint.as_str(), "http://169.254.169.254/");
        assert!(!config.transport.proxies.is_set());
    }

    #[tokio::test]
    async fn flags_and_environment_are_read() {
        let config = config(
            &[
                "-construct-pem-chain=false",
                "--write-cert-and-key-in-separate-files",
                "--sni-name=n",
                "--object-cache-ttl=0s",
            ],
            &[
                ("HTTPS_PROXY", "proxy:3128"),
                ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:8080"),
                ("KUBERNETES_SERVICE_PORT", "6443"),
            ],
        );
        let config = config.await.expect("a configuration");
        assert!(!config.content.construct_pem_chain && config.content.separate_files);
        assert!(config.transport.proxies.is_set());
        assert_eq!(config.imds_endpoint.as_str(), "http://127.0.0.1:8080/");
        assert_eq!(config.binding.sni_name.as_deref(), Some("n"));
        assert_eq!(config.binding.api_server.1, 6443);
        assert!(config.cache.ttl.is_zero());
    }

    #[tokio::test]
    async fn values_that_cannot_be_used() {
        for (argument, begin) in [
            ("--endpoint=udp:///x", "invalid endpoint: udp:///x"),
            ("--endpoint=unix://", "invalid endpoint: unix://"),
            ("--metrics-backend=StatsD", "unsupported metrics backend StatsD"),
            (
                "--cloud-name=Mars",
                "failed validating default cloud environment, cloudName Mars: autorest/azure: There is no cloud",
            ),
            (
                "--cloud-name=AzureStackCloud",
                "failed validating default cloud environment, cloudName AzureStackCloud: open : no such",
            ),
            ("--healthz-port=70000", "--healthz-port=70000 is not a port"),
            ("--healthz-timeout=0s", "--healthz-timeout has to be longer than 0s"),
            ("--healthz-path=healthz", "--healthz-path=healthz does not begin with /"),
            ("--object-cache-ttl=2m", "--object-cache-ttl has to be from 0s (off) to 60s"),
            ("--vault-concurrency=0", "--vault-concurrency has to be from 1 to 1024"),
        ] {
            let error = config(&[argument], &[]).await.err().expect("an error");
            assert!(error.starts_with(begin), "{error}");
        }
        assert!(config(&["--metrics-backend=PROMETHEUS"], &[]).await.is_ok());
        assert!(config(&[], &[("HTTPS_PROXY", "socks5://p")]).await.is_err());
        assert!(config(&[], &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "x")]).await.is_err());
    }

    #[test]
    fn the_user_agent_names_the_product_and_the_build() {
        assert!(user_agent("").starts_with("csi-secrets-store/"));
        assert!(user_agent("managedBy:aks\n").ends_with(" managedBy:aks"));
    }
}
