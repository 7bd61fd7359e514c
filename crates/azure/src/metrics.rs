//! The provider's metrics: one table of definitions, and who counts.
//!
//! Names of the Go provider and of this product stand side by side. Label values come from fixed sets;
//! vaults are counted by host up to a bound, beyond it as `other`. `object_name`, `error` and
//! `grpc_message` keep their places for existing queries, but hold no names and no texts: the first and
//! the last are empty, the second is a reason.

mod gauges;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keymount_clock::WallClock;
use keymount_daemon::metrics::{Definition, Kind, Registry, SECONDS};
use keymount_identity::{Source, TokenError};
use keymount_keyvault::{ObjectKind, Outcome, Served};
use keymount_objects::ObjectType;
use prometheus::{GaugeVec, HistogramVec, IntCounterVec};
use tokio::time::Instant;

use crate::reason::Reason;
pub(crate) use gauges::State;

/// Labels of every series, as the Go provider has them.
pub(crate) const CONSTANT: &[(&str, &str)] = &[
    ("provider", "azure"),
    ("os_type", "linux"),
    ("service_name", "csi-secrets-store-provider-azure"),
    ("otel_scope_name", "csi-secrets-store-provider-azure"),
    ("otel_scope_version", ""),
    ("otel_scope_schema_url", ""),
];

/// The Go provider's buckets.
const UPSTREAM: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 5.0, 10.0, 15.0, 30.0];

/// How many vaults have series of their own.
const MAX_VAULT_LABELS: usize = 64;

const KEYVAULT_REQUEST: Definition = Definition {
    name: "keyvault_request",
    help: "Distribution of how long it took to get from keyvault",
    kind: Kind::Histogram(UPSTREAM),
    labels: &["object_type", "object_name", "error"],
};
const GRPC_REQUEST: Definition = Definition {
    name: "grpc_request",
    help: "Distribution of how long it took for the gRPC requests",
    kind: Kind::Histogram(UPSTREAM),
    labels: &["grpc_method", "grpc_code", "grpc_message"],
};
const HTTP_REQUEST: Definition = Definition {
    name: "keyvault_request_duration_seconds",
    help: "How long single HTTP requests to a vault took, by status code (or failed)",
    kind: Kind::Histogram(SECONDS),
    labels: &["vault", "object_type", "code"],
};
const ROTATION: Definition = Definition {
    name: "total_rotation_reconcile",
    help: "Mount requests that were rotations",
    kind: Kind::Counter,
    labels: &[],
};
const ROTATION_ERROR: Definition = Definition {
    name: "total_rotation_reconcile_error",
    help: "Mount requests that were rotations and failed, by reason",
    kind: Kind::Counter,
    labels: &["error_type"],
};
const OBJECTS: Definition = Definition {
    name: "keyvault_objects_served_total",
    help: "Objects asked for by mounts, and where they came from: cache, joined (another mount's fetch) or vault",
    kind: Kind::Counter,
    labels: &["object_type", "from"],
};
const ABSENT: Definition = Definition {
    name: "keyvault_objects_absent_total",
    help: "Optional objects that were left out of a mount, by reason",
    kind: Kind::Counter,
    labels: &["object_type", "reason"],
};
const TOKEN_REQUEST: Definition = Definition {
    name: "identity_token_request_duration_seconds",
    help: "How long token requests took, by source and result (ok or a reason)",
    kind: Kind::Histogram(SECONDS),
    labels: &["source", "result"],
};
const TOKEN_REUSED: Definition = Definition {
    name: "identity_token_reused_total",
    help: "Tokens served from the cache",
    kind: Kind::Counter,
    labels: &["source"],
};
const TOKEN_AGE: Definition = Definition {
    name: "identity_token_oldest_age_seconds",
    help: "Age of the oldest valid token in the cache",
    kind: Kind::Gauge,
    labels: &[],
};
const THROTTLED: Definition = Definition {
    name: "keyvault_throttled_seconds",
    help: "How much longer a vault that answered 429 is left alone; absent when it is not throttled",
    kind: Kind::Gauge,
    labels: &["vault"],
};
const LAST_SUCCESS: Definition = Definition {
    name: "keyvault_last_success_timestamp_seconds",
    help: "When a vault last answered with an object or a list",
    kind: Kind::Gauge,
    labels: &[],
};

/// Every metric of the provider, for the reference page.
pub const TABLE: &[&Definition] = &[
    &KEYVAULT_REQUEST,
    &GRPC_REQUEST,
    &HTTP_REQUEST,
    &ROTATION,
    &ROTATION_ERROR,
    &OBJECTS,
    &ABSENT,
    &TOKEN_REQUEST,
    &TOKEN_REUSED,
    &TOKEN_AGE,
    &THROTTLED,
    &LAST_SUCCESS,
];

/// What the provider counts. Clones share it.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    object: HistogramVec,
    grpc: HistogramVec,
    http: HistogramVec,
    rotation: IntCounterVec,
    rotation_error: IntCounterVec,
    served: IntCounterVec,
    absent: IntCounterVec,
    token: HistogramVec,
    reused: IntCounterVec,
    last_success: GaugeVec,
    clock: WallClock,
    vaults: Mutex<HashSet<Box<str>>>,
    calls: Mutex<VaultCalls>,
}

/// How calls to vaults have gone lately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VaultCalls {
    pub(crate) succeeded: Option<Instant>,
    pub(crate) failed: Option<Instant>,
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new(registry: &Registry, clock: WallClock) -> Self {
        Self(Arc::new(Inner {
            object: registry.histogram(&KEYVAULT_REQUEST),
            grpc: registry.histogram(&GRPC_REQUEST),
            http: registry.histogram(&HTTP_REQUEST),
            rotation: registry.counter(&ROTATION),
            rotation_error: registry.counter(&ROTATION_ERROR),
            served: registry.counter(&OBJECTS),
            absent: registry.counter(&ABSENT),
            token: registry.histogram(&TOKEN_REQUEST),
            reused: registry.counter(&TOKEN_REUSED),
            last_success: registry.gauge(&LAST_SUCCESS),
            clock,
            vaults: Mutex::default(),
            calls: Mutex::default(),
        }))
    }

    /// An object or a list of versions was asked for, with this outcome.
    pub(crate) fn object_requested(&self, kind: ObjectKind, failure: Option<Reason>, elapsed: Duration) {
        let error = failure.map_or("", Reason::code);
        self.0.object.with_label_values(&[object_type(kind), "", error]).observe(elapsed.as_secs_f64());
    }

    /// An RPC ended.
    pub(crate) fn rpc_ended(&self, method: &str, code: tonic::Code, elapsed: Duration) {
        let code = match code {
            tonic::Code::Ok => "OK".to_owned(),
            tonic::Code::Cancelled => "Canceled".to_owned(),
            other => format!("{other:?}"),
        };
        self.0.grpc.with_label_values(&[method, code.as_str(), ""]).observe(elapsed.as_secs_f64());
    }

    /// A rotation ended.
    pub(crate) fn rotated(&self, failure: Option<Reason>) {
        self.0.rotation.with_label_values::<&str>(&[]).inc();
        if let Some(reason) = failure {
            self.0.rotation_error.with_label_values(&[reason.code()]).inc();
        }
    }

    /// An optional object was left out.
    pub(crate) fn absent(&self, object_type: &ObjectType, reason: Reason) {
        self.0.absent.with_label_values(&[object_type.as_str(), reason.code()]).inc();
    }

    /// How calls to vaults have gone lately.
    pub(crate) fn vault_calls(&self) -> VaultCalls {
        *self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn vault_label<'a>(&self, host: &'a str) -> &'a str {
        let mut vaults = self.0.vaults.lock().unwrap_or_else(PoisonError::into_inner);
        if vaults.contains(host) {
            return host;
        }
        if vaults.len() >= MAX_VAULT_LABELS {
            return "other";
        }
        vaults.insert(host.into());
        host
    }
}

const fn object_type(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Secret => "secret",
        ObjectKind::Key => "key",
        ObjectKind::Certificate => "cert",
    }
}

impl keymount_keyvault::Observer for Metrics {
    fn requested(&self, host: &str, kind: ObjectKind, outcome: Outcome, elapsed: Duration) {
        let code = match outcome {
            Outcome::Status(status) => status.to_string(),
            Outcome::Failed => "failed".to_owned(),
        };
        let labels = [self.vault_label(host), object_type(kind), code.as_str()];
        self.0.http.with_label_values(&labels).observe(elapsed.as_secs_f64());
        let mut calls = self.0.calls.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Status(200) => {
                calls.succeeded = Some(Instant::now());
                let now = self.0.clock.now().as_millisecond();
                #[allow(clippy::cast_precision_loss, reason = "a date in milliseconds fits")]
                self.0.last_success.with_label_values::<&str>(&[]).set(now as f64 / 1000.0);
            }
            Outcome::Status(429 | 500..) | Outcome::Failed => calls.failed = Some(Instant::now()),
            // The vault works; it is the request that is wrong.
            Outcome::Status(_) => {}
        }
    }

    fn served(&self, kind: ObjectKind, from: Served) {
        let from = match from {
            Served::Cache => "cache",
            Served::Joined => "joined",
            Served::Vault => "vault",
        };
        self.0.served.with_label_values(&[object_type(kind), from]).inc();
    }
}

impl keymount_identity::Observer for Metrics {
    fn token_requested(&self, source: Source, outcome: Result<(), &TokenError>, elapsed: Duration) {
        let result = outcome.map_or_else(|error| Reason::Token(error.reason()).code(), |()| "ok");
        self.0.token.with_label_values(&[source.name(), result]).observe(elapsed.as_secs_f64());
    }

    fn token_reused(&self, source: Source) {
        self.0.reused.with_label_values(&[source.name()]).inc();
    }
}

#[cfg(test)]
mod tests {
    use keymount_keyvault::Observer as _;

    use super::*;

    fn metrics() -> (Registry, Metrics) {
        let registry = Registry::new("test", CONSTANT);
        let metrics = Metrics::new(&registry, WallClock::system());
        (registry, metrics)
    }

    #[test]
    fn both_name_sets_are_exposed() {
        let (registry, metrics) = metrics();
        metrics.object_requested(
            ObjectKind::Certificate,
            Some(Reason::CloudUnknown),
            Duration::from_millis(150),
        );
        metrics.rpc_ended("/v1alpha1.CSIDriverProvider/Mount", tonic::Code::Unknown, Duration::from_secs(1));
        metrics.rotated(Some(Reason::VolumeTooLarge));
        let text = registry.text();
        for line in [
            "keyvault_request_count{error=\"CloudUnknown\",object_name=\"\",object_type=\"cert\",os_type=\"linux\",",
            "grpc_request_bucket{grpc_code=\"Unknown\",grpc_message=\"\",grpc_method=\"/v1alpha1.CSIDriverProvider/Mount\",",
            "total_rotation_reconcile{",
            "total_rotation_reconcile_error{error_type=\"VolumeTooLarge\",",
            "le=\"0.2\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn vaults_beyond_the_bound_share_one_label() {
        let (registry, metrics) = metrics();
        for n in 0..MAX_VAULT_LABELS + 10 {
            metrics.requested(&format!("kv{n}"), ObjectKind::Secret, Outcome::Status(200), Duration::ZERO);
        }
        let text = registry.text();
        let series =
            text.lines().filter(|line| line.starts_with("keyvault_request_duration_seconds_count")).count();
        assert_eq!(series, MAX_VAULT_LABELS + 1);
        assert!(text.contains("vault=\"other\"} 10"), "{text}");
    }

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = TABLE.iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), TABLE.len());
    }
}
