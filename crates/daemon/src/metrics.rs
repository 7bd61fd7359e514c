//! Metrics: definitions as data, one registry per daemon, the text exposition.
//!
//! A daemon lists its metrics as constants and collects them in one table of [`Definition`]s, each of a
//! [`Kind`]; the reference page is made from that table.

mod process;

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry as Prometheus, TextEncoder,
};

/// Upper bounds in seconds that reach from a hundredth of a second to past a minute.
pub const SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// One metric: its exposed name, what it counts, and its labels. Label values come from fixed sets
/// (codes, reasons, kinds), never from texts or from names that tenants choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Definition {
    /// Exposed name.
    pub name: &'static str,
    /// HELP text.
    pub help: &'static str,
    /// Kind and, for histograms, the bucket bounds in the metric's unit.
    pub kind: Kind,
    /// Label names.
    pub labels: &'static [&'static str],
}

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Grows, and starts at zero with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution over the given upper bounds.
    Histogram(&'static [f64]),
}

/// The registry of one daemon. Clones share it.
#[derive(Clone)]
pub struct Registry {
    prometheus: Prometheus,
    constant: Arc<Vec<(&'static str, &'static str)>>,
}

impl Registry {
    /// An empty registry whose series all carry the given labels, with the metrics of the process
    /// itself and a `target_info` as the Go programs expose it.
    #[must_use]
    pub fn new(program: &str, constant: &[(&'static str, &'static str)]) -> Self {
        let registry = Self { prometheus: Prometheus::new(), constant: Arc::new(constant.to_vec()) };
        registry.register(process::Process::new());
        let info = GaugeVec::new(
            Opts::new("target_info", "Target metadata")
                .const_label("service_name", format!("unknown_service:{program}"))
                .const_label("telemetry_sdk_language", "rust")
                .const_label("telemetry_sdk_name", "keymount")
                .const_label("telemetry_sdk_version", crate::build::BUILD.version),
            &[],
        );
        let info = info.expect("a constant metric definition");
        info.with_label_values::<&str>(&[]).set(1.0);
        registry.register(info);
        registry
    }

    /// Registers a counter.
    ///
    /// # Panics
    /// If the definition is invalid or registered twice: a mistake in the daemon's table.
    #[must_use]
    pub fn counter(&self, definition: &Definition) -> IntCounterVec {
        let counter = IntCounterVec::new(self.options(definition), definition.labels).expect(definition.name);
        self.register(counter.clone());
        counter
    }

    /// Registers a gauge.
    ///
    /// # Panics
    /// If the definition is invalid or registered twice: a mistake in the daemon's table.
    #[must_use]
    pub fn gauge(&self, definition: &Definition) -> GaugeVec {
        let gauge = GaugeVec::new(self.options(definition), definition.labels).expect(definition.name);
        self.register(gauge.clone());
        gauge
    }

    /// Registers a histogram.
    ///
    /// # Panics
    /// If the definition is no histogram, invalid or registered twice: a mistake in the daemon's table.
    #[must_use]
    pub fn histogram(&self, definition: &Definition) -> HistogramVec {
        let Kind::Histogram(buckets) = definition.kind else { panic!("{} is no histogram", definition.name) };
        let options = HistogramOpts::from(self.options(definition)).buckets(buckets.to_vec());
        let histogram = HistogramVec::new(options, definition.labels).expect(definition.name);
        self.register(histogram.clone());
        histogram
    }

    /// Registers a collector that is asked at each scrape.
    ///
    /// # Panics
    /// If one of its metrics is registered already: a mistake in the daemon.
    pub fn register(&self, collector: impl Collector + 'static) {
        self.prometheus.register(Box::new(collector)).expect("every metric is registered once");
    }

    /// Everything in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.prometheus.gather(), &mut text) {
            tracing::error!(err = %error, "failed to encode the metrics");
        }
        text
    }

    fn options(&self, definition: &Definition) -> Opts {
        self.constant.iter().fold(Opts::new(definition.name, definition.help), |options, (name, value)| {
            options.const_label(*name, *value)
        })
    }
}

/// The reference of a table as Markdown rows: name, type, labels, meaning.
#[must_use]
pub fn reference(table: &[&Definition]) -> String {
    let rows = table.iter().map(|definition| {
        let kind = match definition.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        format!(
            "| `{}` | {kind} | {} | {} |\n",
            definition.name,
            definition.labels.join(", "),
            definition.help
        )
    });
    format!("| metric | type | labels | meaning |\n|---|---|---|---|\n{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: Definition = Definition {
        name: "node_publish_total",
        help: "Total number of node publish calls",
        kind: Kind::Counter,
        labels: &["provider", "os_type"],
    };
    const TIME: Definition = Definition {
        name: "rotation_reconcile_duration_sec",
        help: "How long",
        kind: Kind::Histogram(&[0.1, 1.0]),
        labels: &["os_type"],
    };

    #[test]
    fn exposition_is_the_classic_text_format() {
        let registry = Registry::new("driver", &[("otel_scope_name", "driver"), ("otel_scope_version", "")]);
        registry.counter(&CALLS).with_label_values(&["azure", "linux"]).inc();
        registry.histogram(&TIME).with_label_values(&["linux"]).observe(0.5);
        let text = registry.text();
        let ours: Vec<_> =
            text.lines().filter(|line| line.contains("node_") || line.contains("rotation_")).collect();
        insta::assert_snapshot!(ours.join("\n"), @r#"
        # HELP node_publish_total Total number of node publish calls
        # TYPE node_publish_total counter
        node_publish_total{os_type="linux",otel_scope_name="driver",otel_scope_version="",provider="azure"} 1
        # HELP rotation_reconcile_duration_sec How long
        # TYPE rotation_reconcile_duration_sec histogram
        rotation_reconcile_duration_sec_bucket{os_type="linux",otel_scope_name="driver",otel_scope_version="",le="0.1"} 0
        rotation_reconcile_duration_sec_bucket{os_type="linux",otel_scope_name="driver",otel_scope_version="",le="1"} 1
        rotation_reconcile_duration_sec_bucket{os_type="linux",otel_scope_name="driver",otel_scope_version="",le="+Inf"} 1
        rotation_reconcile_duration_sec_sum{os_type="linux",otel_scope_name="driver",otel_scope_version=""} 0.5
        rotation_reconcile_duration_sec_count{os_type="linux",otel_scope_name="driver",otel_scope_version=""} 1
        "#);
        assert!(text.contains("target_info{"), "{text}");
    }

    #[test]
    fn the_process_describes_itself() {
        let text = Registry::new("driver", &[]).text();
        for name in [
            "process_resident_memory_bytes",
            "process_cpu_seconds_total",
            "process_open_fds",
            "process_max_fds",
        ] {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).expect(name);
            let value: f64 = line.rsplit(' ').next().and_then(|v| v.parse().ok()).expect(line);
            assert!(value > 0.0 || name.contains("cpu"), "{line}");
        }
    }
}
