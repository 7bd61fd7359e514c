//! Metrics that are read from the driver's state at each scrape.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keymount_daemon::metrics::Definition;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, Opts};

use super::{
    BUDGET, CERTIFICATE, CLASSES, FAILING, LAST_SUCCESS, MOUNTED_BYTES, PROVIDER_CALLS, PROVIDER_UP, QUEUED,
    REPLY_MEMORY, REPLY_MEMORY_LIMIT, STALENESS, STARTUP_TAINT, VOLUMES,
};
use crate::node::Node;
use crate::request::ClassKey;

/// Looks at the node when it is asked.
pub(crate) struct Live {
    node: Arc<Node>,
    descriptions: Vec<Desc>,
}

const DEFINITIONS: [&Definition; 14] = [
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
    &PROVIDER_UP,
    &PROVIDER_CALLS,
    &STARTUP_TAINT,
];

/// The volumes of one class.
#[derive(Default)]
struct Class {
    staleness: Duration,
    /// The earliest of the volumes' last successes; none while one of them has had none.
    last_success: Option<Timestamp>,
    failing: u32,
    /// When the first of its certificates expires.
    expires: Option<Timestamp>,
    volumes: u32,
}

impl Live {
    /// Metrics of this node.
    #[must_use]
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let descriptions = DEFINITIONS
            .iter()
            .flat_map(|definition| gauge(definition).desc().into_iter().cloned().collect::<Vec<_>>());
        Self { descriptions: descriptions.collect(), node }
    }

    fn classes(&self) -> BTreeMap<ClassKey, Class> {
        let mut classes: BTreeMap<ClassKey, Class> = BTreeMap::new();
        self.node.ledger.for_each(|_, volume| {
            let class = classes.entry(volume.class.key().clone()).or_default();
            class.staleness = class.staleness.max(volume.fresh_since.elapsed());
            class.last_success = match (class.volumes, class.last_success, volume.last_success) {
                (0, _, first) => first,
                (_, Some(one), Some(other)) => Some(one.min(other)),
                _ => None,
            };
            class.failing += u32::from(volume.last_failure.is_some());
            let expires = volume.certificates.known().first().map(|first| first.not_after);
            class.expires = [class.expires, expires].into_iter().flatten().min();
            class.volumes += 1;
        });
        classes
    }

    fn of_classes(&self) -> Vec<MetricFamily> {
        let classes = self.classes();
        let [staleness, last_success, failing, certificate] =
            [&STALENESS, &LAST_SUCCESS, &FAILING, &CERTIFICATE].map(gauge);
        // Without rotation content is as old as its pod, and that is no news.
        for (key, class) in classes.iter().filter(|_| self.node.rotation.is_some()) {
            let labels = [key.namespace.as_str(), key.name.as_str()];
            staleness.with_label_values(&labels).set(class.staleness.as_secs_f64());
            failing.with_label_values(&labels).set(class.failing.into());
            if let Some(at) = class.last_success {
                last_success.with_label_values(&labels).set(at.as_duration().as_secs_f64());
            }
        }
        for (key, at) in classes.iter().filter_map(|(key, class)| Some((key, class.expires?))) {
            let labels = [key.namespace.as_str(), key.name.as_str()];
            certificate.with_label_values(&labels).set(at.as_duration().as_secs_f64());
        }
        let known: f64 = classes.values().map(|class| f64::from(class.volumes)).sum();
        let volumes = known + count(self.node.ledger.unknown());
        let of_classes = [staleness, last_success, failing, certificate].map(|gauge| gauge.collect());
        [vec![single(&VOLUMES, volumes)], of_classes.concat()].concat()
    }

    fn of_providers(&self) -> Vec<MetricFamily> {
        let [healthy, calls] = [&PROVIDER_UP, &PROVIDER_CALLS].map(gauge);
        for provider in self.node.providers.states() {
            let name = provider.name.as_str();
            if let Some(well) = provider.healthy {
                healthy.with_label_values(&[name]).set(if well { 1.0 } else { 0.0 });
            }
            calls.with_label_values(&[name, "running"]).set(count(provider.running));
            calls.with_label_values(&[name, "waiting"]).set(count(provider.waiting));
        }
        [healthy, calls].map(|gauge| gauge.collect()).concat()
    }
}

impl Collector for Live {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let queued = gauge(&QUEUED);
        for (queue, waiting) in self.node.reports.waiting() {
            queued.with_label_values(&[queue]).set(count(waiting));
        }
        let (in_use, limit) = self.node.providers.reply_memory();
        let mut all = vec![
            single(&CLASSES, count(self.node.classes.len())),
            single(&MOUNTED_BYTES, bytes(self.node.budget.used())),
            single(&BUDGET, bytes(self.node.budget.limit())),
            single(&REPLY_MEMORY, count(in_use)),
            single(&REPLY_MEMORY_LIMIT, count(limit)),
        ];
        if let Some(taint) = &self.node.startup_taint {
            all.push(single(&STARTUP_TAINT, f64::from(u8::from(taint.is_pending()))));
        }
        all.extend(queued.collect());
        all.extend(self.of_classes());
        all.extend(self.of_providers());
        all
    }
}

fn gauge(definition: &Definition) -> GaugeVec {
    GaugeVec::new(Opts::new(definition.name, definition.help), definition.labels).expect(definition.name)
}

fn single(definition: &Definition, value: f64) -> MetricFamily {
    let gauge = gauge(definition);
    gauge.with_label_values::<&str>(&[]).set(value);
    gauge.collect().remove(0)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "memory sizes, shown to people")]
fn bytes(number: u64) -> f64 {
    number as f64
}
