//! All vaults of one process: their gates, their shared content.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keymount_clock::WallClock;
use keymount_identity::transport::Http;
use keymount_identity::{Flights, Scope, Session};
use tokio::time::Instant;
use url::Url;

use crate::bundle::Content;
use crate::cache::{CacheOptions, ObjectCache, Place};
use crate::error::VaultError;
use crate::gate::{Gate, GateOptions, Lane};
use crate::item::ObjectKind;
use crate::vault::Vault;

/// How many vaults are remembered; a node's pods use fewer.
const MAX_VAULTS: usize = 256;

/// How one request ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The vault answered with this status.
    Status(u16),
    /// There was no answer.
    Failed,
}

/// Where an object came from, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// From the cache.
    Cache,
    /// From a fetch that somebody else had started.
    Joined,
    /// From the vault.
    Vault,
}

/// What is told about requests, for metrics.
pub trait Observer: Send + Sync {
    /// A request was sent to the vault on `host`.
    fn requested(&self, host: &str, kind: ObjectKind, outcome: Outcome, elapsed: Duration);
    /// An object was delivered, or its fetch was begun or joined.
    fn served(&self, kind: ObjectKind, from: Served);
}

/// Tells nobody.
impl Observer for () {
    fn requested(&self, _: &str, _: ObjectKind, _: Outcome, _: Duration) {}
    fn served(&self, _: ObjectKind, _: Served) {}
}

/// What the vaults are asked with.
pub struct VaultsOptions {
    /// To the vaults: proxies apply.
    pub http: Arc<dyn Http>,
    /// The time of day, for `Retry-After` dates.
    pub clock: WallClock,
    /// Bounds of shared content.
    pub cache: CacheOptions,
    /// Bounds per vault.
    pub gate: GateOptions,
    /// Who counts.
    pub observer: Arc<dyn Observer>,
}

/// All vaults of one process.
pub struct Vaults {
    pub(crate) http: Arc<dyn Http>,
    pub(crate) clock: WallClock,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) cache: Arc<ObjectCache>,
    pub(crate) flights: Flights<(Place, Lane), Result<Arc<Content>, VaultError>>,
    gate_options: GateOptions,
    gates: Mutex<HashMap<Arc<str>, Arc<Gate>>>,
}

impl Vaults {
    /// No vault has been asked yet.
    #[must_use]
    pub fn new(options: VaultsOptions) -> Self {
        Self {
            http: options.http,
            clock: options.clock,
            observer: options.observer,
            cache: ObjectCache::new(options.cache),
            flights: Flights::default(),
            gate_options: options.gate,
            gates: Mutex::default(),
        }
    }

    /// One mount's view of a vault.
    ///
    /// `url` is `https://<name>.<suffix>/`, and `shown_host` its host in the spelling of the class, for
    /// texts. `resource` is what tokens are asked for; without one, the
    /// vault's own challenge tells. Nothing is asked after `deadline`.
    #[must_use]
    pub fn vault(
        self: &Arc<Self>,
        url: Url,
        shown_host: &str,
        resource: Option<&str>,
        session: Session,
        lane: Lane,
        deadline: Instant,
    ) -> Vault {
        let host: Arc<str> = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()).into(),
            None => url.host_str().unwrap_or_default().into(),
        };
        let gate = self.gate(&host);
        let origin = format!("https://{shown_host}").into();
        Vault::new(
            Arc::clone(self),
            url,
            origin,
            host,
            gate,
            session,
            resource.map(Scope::of),
            lane,
            deadline,
        )
    }

    /// The vaults that throttle now, and for how long they are still left alone.
    #[must_use]
    pub fn throttled(&self) -> Vec<(Arc<str>, Duration)> {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.iter().filter_map(|(host, gate)| Some((Arc::clone(host), gate.closed_for()?))).collect()
    }

    fn gate(&self, host: &Arc<str>) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(host) {
            return Arc::clone(gate);
        }
        if gates.len() >= MAX_VAULTS {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1 || !gate.is_idle());
        }
        let gate = Gate::new(self.gate_options);
        if gates.len() < MAX_VAULTS {
            gates.insert(Arc::clone(host), Arc::clone(&gate));
        }
        gate
    }
}
