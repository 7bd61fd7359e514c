//! Metrics that are read from the driver's state at each scrape.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymount_daemon::metrics::Definition;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, Opts};

use super::{BUDGET, CLASSES, FAILING, MOUNTED_BYTES, QUEUED, STALENESS, VOLUMES};
use crate::node::Node;

/// Looks at the node when it is asked.
pub(crate) struct Live {
    node: Arc<Node>,
    descriptions: Vec<Desc>,
}

const DEFINITIONS: [&Definition; 7] =
    [&VOLUMES, &CLASSES, &MOUNTED_BYTES, &BUDGET, &STALENESS, &FAILING, &QUEUED];

impl Live {
    /// Metrics of this node.
    #[must_use]
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let descriptions = DEFINITIONS
            .iter()
            .flat_map(|definition| gauge(definition).desc().into_iter().cloned().collect::<Vec<_>>());
        Self { descriptions: descriptions.collect(), node }
    }
}

impl Collector for Live {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut classes: BTreeMap<(String, String), (f64, f64)> = BTreeMap::new();
        let mut volumes = 0_u32;
        self.node.ledger.for_each(|_, volume| {
            volumes += 1;
            let key = volume.class.key();
            let class = classes.entry((key.namespace.clone(), key.name.clone())).or_default();
            class.0 = class.0.max(volume.fresh_since.elapsed().as_secs_f64());
            if volume.last_failure.is_some() {
                class.1 += 1.0;
            }
        });
        let [staleness, failing, queued] = [&STALENESS, &FAILING, &QUEUED].map(gauge);
        for ((namespace, class), (age, failures)) in &classes {
            staleness.with_label_values(&[namespace, class]).set(*age);
            failing.with_label_values(&[namespace, class]).set(*failures);
        }
        let reports = &self.node.reports;
        queued.with_label_values(&["status"]).set(count(reports.status.waiting()));
        queued.with_label_values(&["secret"]).set(count(reports.secrets.waiting()));
        let mut all = [staleness, failing, queued].map(|gauge| gauge.collect()).concat();
        for (definition, value) in [
            (&VOLUMES, f64::from(volumes)),
            (&CLASSES, count(self.node.classes.len())),
            (&MOUNTED_BYTES, bytes(self.node.budget.used())),
            (&BUDGET, bytes(self.node.budget.limit())),
        ] {
            let gauge = gauge(definition);
            gauge.with_label_values::<&str>(&[]).set(value);
            all.extend(gauge.collect());
        }
        all
    }
}

fn gauge(definition: &Definition) -> GaugeVec {
    GaugeVec::new(Opts::new(definition.name, definition.help), definition.labels).expect(definition.name)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "memory sizes, shown to people")]
fn bytes(number: u64) -> f64 {
    number as f64
}
