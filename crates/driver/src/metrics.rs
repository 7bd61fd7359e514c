//! The driver's metrics: one table, both name sets. The first set is that of driver v1.6.0, the second
//! has the names that its documentation and older versions use, the third is ours.

mod live;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keymount_daemon::metrics::{Definition, Kind, Registry, SECONDS};
use prometheus::{HistogramVec, IntCounterVec};
use tonic::Code;

pub(crate) use live::Live;

/// Values of the label `error_type`; others are error codes of providers.
pub const ERROR_TYPES: &[&str] = &reason::ALL;

use crate::error::reason;
use crate::provider::go_code;

/// Labels that the Go driver's exporter puts on every series.
const CONSTANT: [(&str, &str); 3] = [
    ("otel_scope_name", "sigs.k8s.io/secrets-store-csi-driver"),
    ("otel_scope_version", ""),
    ("otel_scope_schema_url", ""),
];

const OS: &str = "linux";

/// Bounds of the Go driver's histograms and, above them, up to two minutes.
const GO_SECONDS: &[f64] = &[
    0.1,
    0.134_928_284_767_356_33,
    0.182_056_420_302_608_02,
    0.245_645_605_223_158_04,
    0.331_445_401_733_998_6,
    0.447_213_595_499_957_8,
    0.603_417_633_654_516_2,
    0.814_181_063_073_808_4,
    1.098_560_543_306_117_2,
    1.482_268_898_213_894_7,
    1.999_999_999_999_999_1,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
];

const fn counter(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Definition {
    Definition { name, help, kind: Kind::Counter, labels }
}

const fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Definition {
    Definition { name, help, kind: Kind::Gauge, labels }
}

const fn histogram(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    bounds: &'static [f64],
) -> Definition {
    Definition { name, help, kind: Kind::Histogram(bounds), labels }
}

const PROVIDER: &[&str] = &["provider", "os_type"];
const PROVIDER_ERROR: &[&str] = &["provider", "error_type", "os_type"];
const ROTATED: &[&str] = &["provider", "os_type", "rotated"];
const ROTATED_ERROR: &[&str] = &["provider", "error_type", "os_type", "rotated"];
const OS_ONLY: &[&str] = &["os_type"];

const NODE_PUBLISH: Definition =
    counter("node_publish_total", "Total number of node publish calls", PROVIDER);
const NODE_PUBLISH_ERROR: Definition =
    counter("node_publish_error_total", "Total number of node publish calls with error", PROVIDER_ERROR);
const NODE_UNPUBLISH: Definition =
    counter("node_unpublish_total", "Total number of node unpublish calls", OS_ONLY);
const NODE_UNPUBLISH_ERROR: Definition =
    counter("node_unpublish_error_total", "Total number of node unpublish calls with error", OS_ONLY);
const ROTATION: Definition =
    counter("rotation_reconcile_total", "Total number of rotation reconciles", ROTATED);
const ROTATION_ERROR: Definition = counter(
    "rotation_reconcile_error_total",
    "Total number of rotation reconciles with error",
    ROTATED_ERROR,
);
const ROTATION_DURATION: Definition = histogram(
    "rotation_reconcile_duration_sec",
    "Distribution of how long it took to rotate secrets-store content for pods",
    OS_ONLY,
    GO_SECONDS,
);
const SYNC: Definition = counter("sync_k8s_secret_total", "Total number of k8s secrets synced", PROVIDER);
const SYNC_DURATION: Definition = histogram(
    "k8s_secret_duration_sec",
    "Distribution of how long it took to sync k8s secret",
    OS_ONLY,
    GO_SECONDS,
);

const OLD_PUBLISH: Definition =
    counter("total_node_publish", "Total number of successful volume mount requests", PROVIDER);
const OLD_UNPUBLISH: Definition =
    counter("total_node_unpublish", "Total number of successful volume unmount requests", OS_ONLY);
const OLD_SYNC: Definition = counter("total_sync_k8s_secret", "Total number of k8s secrets synced", PROVIDER);
const OPERATIONS: Definition = histogram(
    "csi_operations_seconds",
    "CSI calls by method and gRPC code, in seconds",
    &["driver_name", "method_name", "grpc_status_code"],
    SECONDS,
);

const SYNC_ERROR: Definition = counter(
    "keymount_sync_k8s_secret_error_total",
    "Secrets that could not be synced, by reason",
    &["provider", "reason"],
);
const VOLUMES: Definition = gauge("keymount_volumes", "Mounted volumes", &[]);
const CLASSES: Definition = gauge("keymount_classes", "SecretProviderClasses in use on this node", &[]);
const MOUNTED_BYTES: Definition = gauge("keymount_mounted_bytes", "Memory of mounted files, in bytes", &[]);
const BUDGET: Definition =
    gauge("keymount_mounted_bytes_budget", "Most memory that mounted files may take, in bytes", &[]);
const REPLY_MEMORY: Definition = gauge(
    "keymount_reply_memory_bytes",
    "Memory of large provider replies that are received or written, in bytes",
    &[],
);
const REPLY_MEMORY_LIMIT: Definition =
    gauge("keymount_reply_memory_limit_bytes", "Most memory that such replies may take, in bytes", &[]);
const STALENESS: Definition = gauge(
    "keymount_rotation_staleness_seconds",
    "Time since the last success for the volume of the class that has waited longest (since it was found, after a restart), in seconds",
    &["namespace", "class"],
);
const LAST_SUCCESS: Definition = gauge(
    "keymount_rotation_last_success_timestamp_seconds",
    "When the volume of the class that has waited longest was last fetched with success by this process, in seconds since 1970",
    &["namespace", "class"],
);
const CERTIFICATE: Definition = gauge(
    "keymount_certificate_expiration_timestamp_seconds",
    "When the first of the PEM certificates in volumes of the class expires, in seconds since 1970",
    &["namespace", "class"],
);
const FAILING: Definition = gauge(
    "keymount_rotation_failing_volumes",
    "Volumes whose last rotation failed, by class",
    &["namespace", "class"],
);
const QUEUED: Definition =
    gauge("keymount_api_queue_length", "Objects that wait to be written to the Kubernetes API", &["queue"]);
const PROVIDER_UP: Definition =
    gauge("keymount_provider_healthy", "Whether the provider answered its last health check", &["provider"]);
const PROVIDER_CALLS: Definition = gauge(
    "keymount_provider_calls",
    "Calls to the provider that run or wait for a place",
    &["provider", "state"],
);
const STARTUP_TAINT: Definition = gauge(
    "keymount_startup_taint_pending",
    "1 until this process has seen its node without the start-up taint; only with --startup-taint",
    &[],
);
const CONVERGENCE: Definition = histogram(
    "keymount_api_convergence_seconds",
    "Time from a change on the node until the Kubernetes API shows it, in seconds",
    &["queue"],
    SECONDS,
);

/// Every metric of the driver.
pub const TABLE: &[&Definition] = &[
    &NODE_PUBLISH,
    &NODE_PUBLISH_ERROR,
    &NODE_UNPUBLISH,
    &NODE_UNPUBLISH_ERROR,
    &ROTATION,
    &ROTATION_ERROR,
    &ROTATION_DURATION,
    &SYNC,
    &SYNC_DURATION,
    &OLD_PUBLISH,
    &OLD_UNPUBLISH,
    &OLD_SYNC,
    &OPERATIONS,
    &SYNC_ERROR,
    &VOLUMES,
    &CLASSES,
    &MOUNTED_BYTES,
    &BUDGET,
    &REPLY_MEMORY,
    &REPLY_MEMORY_LIMIT,
    &STALENESS,
    &LAST_SUCCESS,
    &FAILING,
    &CERTIFICATE,
    &QUEUED,
    &CONVERGENCE,
    &PROVIDER_UP,
    &PROVIDER_CALLS,
    &STARTUP_TAINT,
];

/// Codes of providers that become values of `error_type`; a provider that makes up ever new ones does not
/// make ever new series.
const FOREIGN_REASONS: usize = 50;

/// Counts what the driver does.
pub(crate) struct Metrics {
    registry: Registry,
    driver: String,
    publish: IntCounterVec,
    publish_error: IntCounterVec,
    unpublish: IntCounterVec,
    unpublish_error: IntCounterVec,
    rotation: IntCounterVec,
    rotation_error: IntCounterVec,
    rotation_duration: HistogramVec,
    sync: IntCounterVec,
    sync_duration: HistogramVec,
    sync_error: IntCounterVec,
    old_publish: IntCounterVec,
    old_unpublish: IntCounterVec,
    old_sync: IntCounterVec,
    operations: HistogramVec,
    convergence: HistogramVec,
    foreign_reasons: Mutex<BTreeSet<String>>,
}

impl Metrics {
    /// Metrics of the driver of that name, all at zero.
    #[must_use]
    pub(crate) fn new(driver: &str) -> Self {
        let registry = Registry::new("secrets-store-csi-driver", &CONSTANT);
        Self {
            driver: driver.to_owned(),
            publish: registry.counter(&NODE_PUBLISH),
            publish_error: registry.counter(&NODE_PUBLISH_ERROR),
            unpublish: registry.counter(&NODE_UNPUBLISH),
            unpublish_error: registry.counter(&NODE_UNPUBLISH_ERROR),
            rotation: registry.counter(&ROTATION),
            rotation_error: registry.counter(&ROTATION_ERROR),
            rotation_duration: registry.histogram(&ROTATION_DURATION),
            sync: registry.counter(&SYNC),
            sync_duration: registry.histogram(&SYNC_DURATION),
            sync_error: registry.counter(&SYNC_ERROR),
            old_publish: registry.counter(&OLD_PUBLISH),
            old_unpublish: registry.counter(&OLD_UNPUBLISH),
            old_sync: registry.counter(&OLD_SYNC),
            operations: registry.histogram(&OPERATIONS),
            convergence: registry.histogram(&CONVERGENCE),
            foreign_reasons: Mutex::default(),
            registry,
        }
    }

    /// The registry behind them.
    #[must_use]
    pub(crate) const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A volume was published, or found published.
    pub(crate) fn published(&self, provider: &str) {
        self.publish.with_label_values(&[provider, OS]).inc();
        self.old_publish.with_label_values(&[provider, OS]).inc();
    }

    /// A volume was not published.
    pub(crate) fn publish_failed(&self, provider: &str, reason: &str) {
        self.publish_error.with_label_values(&[provider, self.bounded(reason), OS]).inc();
    }

    /// A volume was unpublished.
    pub(crate) fn unpublished(&self) {
        self.unpublish.with_label_values(&[OS]).inc();
        self.old_unpublish.with_label_values(&[OS]).inc();
    }

    /// A volume was not unpublished.
    pub(crate) fn unpublish_failed(&self) {
        self.unpublish_error.with_label_values(&[OS]).inc();
    }

    /// The content of a volume was fetched again.
    pub(crate) fn rotation_succeeded(&self, provider: &str, changed: bool, took: Duration) {
        let rotated = if changed { "true" } else { "false" };
        self.rotation.with_label_values(&[provider, OS, rotated]).inc();
        self.rotation_duration.with_label_values(&[OS]).observe(took.as_secs_f64());
    }

    /// The content of a volume could not be fetched again.
    pub(crate) fn rotation_failed(&self, provider: &str, reason: &str) {
        self.rotation_error.with_label_values(&[provider, self.bounded(reason), OS, "false"]).inc();
    }

    /// A Secret was written.
    pub(crate) fn secret_synced(&self, provider: &str, took: Duration) {
        self.sync.with_label_values(&[provider, OS]).inc();
        self.old_sync.with_label_values(&[provider, OS]).inc();
        self.sync_duration.with_label_values(&[OS]).observe(took.as_secs_f64());
    }

    /// A Secret could not be written.
    pub(crate) fn secret_failed(&self, provider: &str, reason: &str) {
        self.sync_error.with_label_values(&[provider, reason]).inc();
    }

    /// A CSI call was answered.
    pub(crate) fn operation(&self, method: &str, code: Code, took: Duration) {
        self.operations
            .with_label_values(&[self.driver.as_str(), method, go_code(code)])
            .observe(took.as_secs_f64());
    }

    /// The Kubernetes API shows what the node has known for this long.
    pub(crate) fn converged(&self, queue: &str, took: Duration) {
        self.convergence.with_label_values(&[queue]).observe(took.as_secs_f64());
    }

    /// The reason, or a common one in place of the many that a provider makes up.
    fn bounded<'a>(&self, reason: &'a str) -> &'a str {
        if reason::ALL.contains(&reason) {
            return reason;
        }
        let mut foreign = self.foreign_reasons.lock().unwrap_or_else(PoisonError::into_inner);
        if foreign.contains(reason) {
            return reason;
        }
        if foreign.len() >= FOREIGN_REASONS {
            return reason::PROVIDER_ERROR;
        }
        foreign.insert(reason.to_owned());
        reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_makes_up_codes_does_not_make_series_without_end() {
        let metrics = Metrics::new("driver");
        for number in 0..1000 {
            metrics.publish_failed("test", &format!("Code{number}"));
            metrics.rotation_failed("test", &format!("Code{}", number + 5000));
            metrics.publish_failed("test", reason::FILE_WRITE_ERROR);
        }
        let text = metrics.registry().text();
        let series = text.lines().filter(|line| line.contains("_error_total{")).count();
        assert!(series < 60, "{series}");
        assert!(
            text.contains(r#"error_type="FileWriteError""#) && text.contains(r#"error_type="ProviderError""#)
        );
    }
}
