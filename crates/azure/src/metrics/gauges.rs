//! Gauges that are read off when somebody looks.

use std::sync::{Arc, Weak};

use keymount_daemon::metrics::{Definition, Registry};
use keymount_identity::Identities;
use keymount_keyvault::Vaults;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, Opts};

use super::{CONSTANT, Metrics, THROTTLED, TOKEN_AGE};

/// The gauges, and what they are read off.
pub(crate) struct State {
    age: GaugeVec,
    throttled: GaugeVec,
    metrics: Metrics,
    identities: Weak<Identities>,
    vaults: Weak<Vaults>,
}

impl State {
    /// Registers the gauges, which read these two as long as they exist.
    pub(crate) fn register(
        registry: &Registry,
        metrics: &Metrics,
        identities: &Arc<Identities>,
        vaults: &Arc<Vaults>,
    ) {
        let gauge = |definition: &Definition| {
            let options =
                CONSTANT.iter().fold(Opts::new(definition.name, definition.help), |all, (name, value)| {
                    all.const_label(*name, *value)
                });
            GaugeVec::new(options, definition.labels).expect("a constant metric definition")
        };
        registry.register(Self {
            age: gauge(&TOKEN_AGE),
            throttled: gauge(&THROTTLED),
            metrics: metrics.clone(),
            identities: Arc::downgrade(identities),
            vaults: Arc::downgrade(vaults),
        });
    }
}

impl Collector for State {
    fn desc(&self) -> Vec<&Desc> {
        [self.age.desc(), self.throttled.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.age.reset();
        self.throttled.reset();
        if let Some(identities) = self.identities.upgrade()
            && let Some(age) = identities.oldest_token()
        {
            self.age.with_label_values::<&str>(&[]).set(age.as_secs_f64());
        }
        if let Some(vaults) = self.vaults.upgrade() {
            for (host, wait) in vaults.throttled() {
                let label = self.metrics.vault_label(&host);
                self.throttled.with_label_values(&[label]).set(wait.as_secs_f64());
            }
        }
        [self.age.collect(), self.throttled.collect()].concat()
    }
}
