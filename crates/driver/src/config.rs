//! What the flags mean: validated settings, from which everything else is built.

use std::path::PathBuf;
use std::time::Duration;

use keymount_daemon::flags::{Flags, GoDuration};
use keymount_daemon::grpc::{Endpoint, InvalidEndpoint};
pub use keymount_schedule::Pace;

use crate::provider::is_provider_name;

/// Settings of one driver process.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name in `GetPluginInfo` and of the registration.
    pub driver_name: String,
    /// Name of the node; may be empty.
    pub node_id: String,
    /// Where the CSI services listen.
    pub endpoint: Endpoint,
    /// Directories with provider sockets, in the order they are searched.
    pub provider_directories: Vec<PathBuf>,
    /// Kubeconfig named by flag.
    pub kubeconfig: Option<PathBuf>,
    /// Address of `/metrics`; none turns it off.
    pub metrics_address: Option<String>,
    /// Address of `/healthz`; none leaves it to the sidecar.
    pub health_address: Option<String>,
    /// Whether `/status` is served beside `/healthz`.
    pub status_page: bool,
    /// Self-registration with kubelet; none leaves it to the sidecar.
    pub registration: Option<Registration>,
    /// The taint that the driver takes off its node when all is ready; none leaves taints alone.
    pub startup_taint: Option<StartupTaint>,
    /// Rotation; none when it is off.
    pub rotation: Option<Rotation>,
    /// Whether the driver makes service account tokens and reads the Secrets of nodePublishSecretRef itself,
    /// where kubelet does not bring them again.
    pub mints_tokens: bool,
    /// Calls to providers.
    pub provider: ProviderLimits,
    /// Periodic `Version` calls; none when off.
    pub provider_health_check: Option<Duration>,
    /// What a volume may be.
    pub volume: VolumeLimits,
    /// Pace of writes to the Kubernetes API.
    pub api_writes: Pace,
    /// How often a synced Secret is compared with its volume; zero turns it off.
    pub secret_repair_interval: Duration,
    /// How long running requests may take to end after SIGTERM.
    pub shutdown_timeout: Duration,
}

/// Self-registration with kubelet.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Path of the CSI socket as kubelet sees it.
    pub kubelet_registration_path: String,
    /// Kubelet's plugin directory as this process sees it.
    pub directory: PathBuf,
}

/// A taint that keeps pods off a node until the driver and its providers are ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartupTaint {
    /// Its key.
    pub key: String,
    /// Names of the providers that have to answer.
    pub providers: Vec<String>,
}

/// Rotation of mounted content.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// Default interval.
    pub interval: Duration,
    /// Shortest interval a class may ask for.
    pub min_interval: Duration,
}

/// Limits of calls to one provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderLimits {
    /// Largest reply in bytes.
    pub max_reply_bytes: usize,
    /// Calls that may run at one time.
    pub max_calls: usize,
    /// Bytes that all replies may take while they are received and written.
    pub reply_memory: usize,
    /// How long a call waits for a provider that is not there yet.
    pub startup_timeout: Duration,
}

/// Limits of volumes.
#[derive(Clone, Debug)]
pub struct VolumeLimits {
    /// Kubelet's pods directory; none accepts every target path.
    pub pods_directory: Option<PathBuf>,
    /// Size of one tmpfs in bytes.
    pub size: u64,
    /// Files in one volume.
    pub max_files: usize,
    /// Mount with noexec.
    pub noexec: bool,
    /// Bytes mounted on the node at one time.
    pub budget: u64,
}

/// The flags make no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// `--endpoint`.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// `--metrics-backend`; the text is that of the Go driver.
    #[error("unsupported metrics backend {0} (only Prometheus is supported)")]
    MetricsBackend(String),
    /// `--startup-taint` where nobody tells the driver that it is registered.
    #[error(
        "--startup-taint needs --kubelet-registration-path: the node-driver-registrar sidecar does not tell the driver that it is registered"
    )]
    TaintWithoutRegistration,
    /// `--startup-taint` without a node.
    #[error("--startup-taint needs --nodeid, the name of the node")]
    TaintWithoutNode,
    /// `--startup-taint-providers`.
    #[error(
        "--startup-taint-providers: no provider can have the name {0:?} (letters, digits, - and _, at most 30)"
    )]
    ProviderName(String),
    /// `--status-page` without a port to serve it on.
    #[error("--status-page needs --health-addr, for example --health-addr=:9808")]
    StatusPageNowhere,
    /// A number that must be above zero.
    #[error("--{flag} must be above zero, it is {value}")]
    NotPositive {
        /// Name of the flag.
        flag: &'static str,
        /// Its value.
        value: String,
    },
}

/// Memory a generation needs beyond its content: page rounding of the files and directories.
const VOLUME_OVERHEAD: u64 = 4 * 1024 * 1024;

impl Config {
    /// Validates the flags.
    ///
    /// # Errors
    /// [`ConfigError`] names the flag.
    pub fn from_flags(flags: &Flags) -> Result<Self, ConfigError> {
        let backend = flags.text("metrics-backend");
        if !backend.eq_ignore_ascii_case("prometheus") {
            return Err(ConfigError::MetricsBackend(backend.to_owned()));
        }
        let max_reply_bytes = positive(flags, "max-call-recv-msg-size")?;
        let size = match flags.int("volume-size-limit") {
            0 => 2 * max_reply_bytes + VOLUME_OVERHEAD,
            _ => positive(flags, "volume-size-limit")?,
        };
        let interval = flags.duration("rotation-poll-interval");
        let rotation = flags.bool("enable-secret-rotation").then(|| Rotation {
            interval: interval.to_duration(),
            min_interval: flags.duration("rotation-min-interval").to_duration(),
        });
        Ok(Self {
            driver_name: flags.text("drivername").to_owned(),
            node_id: flags.text("nodeid").to_owned(),
            endpoint: flags.text("endpoint").parse()?,
            provider_directories: provider_directories(flags),
            kubeconfig: non_empty(flags, "kubeconfig").map(PathBuf::from),
            metrics_address: non_empty(flags, "metrics-addr").filter(|address| address != "0"),
            health_address: non_empty(flags, "health-addr"),
            status_page: status_page(flags)?,
            registration: non_empty(flags, "kubelet-registration-path").map(|path| Registration {
                kubelet_registration_path: path,
                directory: PathBuf::from(flags.text("plugin-registration-path")),
            }),
            startup_taint: startup_taint(flags)?,
            rotation,
            mints_tokens: flags.bool("mint-service-account-tokens"),
            provider: ProviderLimits {
                max_reply_bytes: usize::try_from(max_reply_bytes).unwrap_or(usize::MAX),
                max_calls: usize::try_from(positive(flags, "provider-max-calls")?).unwrap_or(usize::MAX),
                reply_memory: usize::try_from(positive(flags, "provider-reply-memory")?)
                    .unwrap_or(usize::MAX),
                startup_timeout: flags.duration("provider-startup-timeout").to_duration(),
            },
            provider_health_check: if flags.bool("provider-health-check") {
                Some(positive_duration(flags, "provider-health-check-interval")?)
            } else {
                None
            },
            volume: VolumeLimits {
                pods_directory: non_empty(flags, "kubelet-pods-dir").map(PathBuf::from),
                size,
                max_files: usize::try_from(positive(flags, "volume-max-files")?).unwrap_or(usize::MAX),
                noexec: flags.bool("volume-noexec"),
                budget: positive(flags, "mounted-bytes-budget")?,
            },
            api_writes: Pace {
                per_second: u32::try_from(positive(flags, "kube-api-qps")?).unwrap_or(u32::MAX),
                burst: u32::try_from(positive(flags, "kube-api-burst")?).unwrap_or(u32::MAX),
            },
            secret_repair_interval: flags.duration("secret-repair-interval").to_duration(),
            shutdown_timeout: flags.duration("shutdown-timeout").to_duration(),
        })
    }
}

fn status_page(flags: &Flags) -> Result<bool, ConfigError> {
    let wanted = flags.bool("status-page");
    if wanted && flags.text("health-addr").is_empty() {
        return Err(ConfigError::StatusPageNowhere);
    }
    Ok(wanted)
}

/// The additional directories first, then the main one.
fn provider_directories(flags: &Flags) -> Vec<PathBuf> {
    let additional = flags.text("additional-provider-volume-paths").trim();
    additional
        .split(',')
        .chain([flags.text("provider-volume")])
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .collect()
}

fn startup_taint(flags: &Flags) -> Result<Option<StartupTaint>, ConfigError> {
    let Some(key) = non_empty(flags, "startup-taint") else { return Ok(None) };
    if flags.text("kubelet-registration-path").is_empty() {
        return Err(ConfigError::TaintWithoutRegistration);
    }
    if flags.text("nodeid").is_empty() {
        return Err(ConfigError::TaintWithoutNode);
    }
    let names =
        flags.text("startup-taint-providers").split(',').map(str::trim).filter(|name| !name.is_empty());
    let providers: Vec<String> = names.map(str::to_owned).collect();
    match providers.iter().find(|name| !is_provider_name(name)) {
        Some(name) => Err(ConfigError::ProviderName(name.clone())),
        None => Ok(Some(StartupTaint { key, providers })),
    }
}

fn non_empty(flags: &Flags, flag: &str) -> Option<String> {
    Some(flags.text(flag)).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn positive(flags: &Flags, flag: &'static str) -> Result<u64, ConfigError> {
    let value = flags.int(flag);
    u64::try_from(value)
        .ok()
        .filter(|value| *value > 0)
        .ok_or_else(|| ConfigError::NotPositive { flag, value: value.to_string() })
}

fn positive_duration(flags: &Flags, flag: &'static str) -> Result<Duration, ConfigError> {
    let value = flags.duration(flag);
    if value > GoDuration::from_secs(0) {
        Ok(value.to_duration())
    } else {
        Err(ConfigError::NotPositive { flag, value: value.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::FLAGS;

    fn config(arguments: &[&str]) -> Result<Config, ConfigError> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        Config::from_flags(&Flags::parse("driver", FLAGS, arguments).unwrap())
    }

    #[test]
    fn the_arguments_of_the_go_chart_are_understood() {
        let config = config(&[
            "-v=5",
            "--log-format-json=true",
            "--endpoint=unix:///csi/csi.sock",
            "--nodeid=node-1",
            "--provider-volume=/var/run/secrets-store-csi-providers",
            "--additional-provider-volume-paths=/etc/kubernetes/secrets-store-csi-providers,/b",
            "--enable-secret-rotation=true",
            "--rotation-poll-interval=30s",
            "--metrics-addr=:8095",
            "--provider-health-check=true",
            "--provider-health-check-interval=2m",
            "--max-call-recv-msg-size=4194304",
        ])
        .unwrap();
        assert_eq!(config.endpoint, Endpoint::Unix("/csi/csi.sock".into()));
        assert_eq!(
            config.provider_directories,
            ["/etc/kubernetes/secrets-store-csi-providers", "/b", "/var/run/secrets-store-csi-providers"]
                .map(PathBuf::from)
        );
        assert_eq!(config.rotation.map(|r| r.interval), Some(Duration::from_secs(30)));
        assert_eq!(config.provider_health_check, Some(Duration::from_secs(120)));
        assert!(
            config.registration.is_none() && config.health_address.is_none(),
            "the sidecars keep their work"
        );
    }

    #[test]
    fn what_is_off_stays_off() {
        let config = config(&["--metrics-addr=0", "--additional-provider-volume-paths="]).unwrap();
        assert!(config.metrics_address.is_none() && config.rotation.is_none());
        assert_eq!(config.provider_directories, [PathBuf::from("/var/run/secrets-store-csi-providers")]);
    }

    #[test]
    fn the_start_up_taint_is_for_a_driver_that_knows_when_it_is_ready() {
        let (taint, path) =
            ("--startup-taint=example.com/not-ready", "--kubelet-registration-path=/csi.sock");
        let node = "--nodeid=node-1";
        let of = |arguments: &[&str]| config(arguments).map(|config| config.startup_taint);
        assert_eq!(of(&[path, node, "--startup-taint-providers=azure"]), Ok(None));
        let expected = |providers: &[&str]| {
            let providers = providers.iter().map(|name| (*name).to_owned()).collect();
            Ok(Some(StartupTaint { key: "example.com/not-ready".to_owned(), providers }))
        };
        assert_eq!(of(&[taint, path, node]), expected(&[]));
        assert_eq!(
            of(&[taint, path, node, "--startup-taint-providers=azure, vault,"]),
            expected(&["azure", "vault"])
        );
        assert_eq!(of(&[taint, node]), Err(ConfigError::TaintWithoutRegistration));
        assert_eq!(of(&[taint, path]), Err(ConfigError::TaintWithoutNode));
        assert_eq!(
            of(&[taint, path, node, "--startup-taint-providers=a/b"]),
            Err(ConfigError::ProviderName("a/b".to_owned()))
        );
    }

    #[test]
    fn mistakes_name_the_flag() {
        for (argument, expected) in [
            ("--endpoint=unix://", "invalid endpoint: unix://"),
            ("--metrics-backend=OpenCensus", "unsupported metrics backend OpenCensus"),
            ("--max-call-recv-msg-size=0", "--max-call-recv-msg-size must be above zero, it is 0"),
            ("--status-page", "--status-page needs --health-addr"),
            ("--mounted-bytes-budget=-1", "--mounted-bytes-budget must be above zero, it is -1"),
        ] {
            let error = config(&[argument]).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let error = config(&["--provider-health-check", "--provider-health-check-interval=0"]).unwrap_err();
        assert!(error.to_string().contains("provider-health-check-interval"));
    }
}
