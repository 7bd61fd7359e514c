//! The provider: what all mounts share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keymount_clock::WallClock;
use keymount_daemon::metrics::Registry;
use keymount_identity::transport::{Http, ProxyRules, Roots, Transport, TransportOptions};
use keymount_identity::{Identities, Options};
use keymount_keyvault::{Vaults, VaultsOptions};
use tokio::sync::Semaphore;

use crate::classes::Classes;
use crate::config::Config;
use crate::metrics::{Metrics, State};

/// Metadata services are on the machine: who does not answer at once is not there.
const NODE_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Conversions that run at the same time, of all mounts together. Threads for them are few.
const CONVERSIONS: usize = 4;

/// The provider of one process.
pub struct Provider {
    config: Config,
    identities: Arc<Identities>,
    vaults: Arc<Vaults>,
    metrics: Metrics,
    classes: Classes,
    conversions: Semaphore,
    pod_identity_warned: AtomicBool,
}

impl Provider {
    /// Builds the clients and caches, and registers the metrics. Connects to nothing yet.
    #[must_use]
    pub fn new(mut config: Config, registry: &Registry, clock: &WallClock) -> Self {
        let metrics = Metrics::new(registry, clock.clone());
        let outward: Arc<dyn Http> = Arc::new(Transport::new(config.transport.clone()));
        let encrypted = config.imds_endpoint.scheme() == "https";
        let node = Transport::new(TransportOptions {
            // Plain HTTP, as the real services are, needs none; a bundle takes memory.
            roots: if encrypted { config.transport.roots.clone() } else { Roots::none() },
            proxies: ProxyRules::none(),
            connect_timeout: NODE_CONNECT_TIMEOUT,
            http2: false,
            ..config.transport.clone()
        });
        let identities = Arc::new(Identities::new(Options {
            entra: Arc::clone(&outward),
            node: Arc::new(node),
            imds_endpoint: config.imds_endpoint.clone(),
            arc: config.arc.take(),
            binding: config.binding.clone(),
            nmi_endpoint: config.nmi_endpoint.clone(),
            region: std::mem::take(&mut config.region),
            clock: clock.clone(),
            observer: Arc::new(metrics.clone()),
        }));
        let vaults = Arc::new(Vaults::new(VaultsOptions {
            http: outward,
            clock: clock.clone(),
            cache: config.cache,
            gate: config.gate,
            observer: Arc::new(metrics.clone()),
        }));
        State::register(registry, &metrics, &identities, &vaults);
        Self {
            config,
            identities,
            vaults,
            metrics,
            classes: Classes::default(),
            conversions: Semaphore::new(CONVERSIONS),
            pod_identity_warned: AtomicBool::new(false),
        }
    }

    /// What the provider works with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) const fn identities(&self) -> &Arc<Identities> {
        &self.identities
    }

    pub(crate) const fn vaults(&self) -> &Arc<Vaults> {
        &self.vaults
    }

    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What classes ask for.
    pub(crate) const fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Turns at converting certificates.
    pub(crate) const fn conversions(&self) -> &Semaphore {
        &self.conversions
    }

    /// Says once per process that pod identity is deprecated.
    pub(crate) fn warn_of_pod_identity(&self) {
        if !self.pod_identity_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "usePodIdentity is deprecated: AAD Pod Identity is retired, move to workload identity"
            );
        }
    }
}
