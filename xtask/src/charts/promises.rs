//! What the charts say about the programs must be so: flags, metrics, versions.

use std::collections::BTreeSet;

use anyhow::ensure;
use keymount_daemon::flags::Flag;
use keymount_daemon::metrics::{Definition, Kind};

use super::{AZURE, CRDS, Chart, DRIVER};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Of every daemon.
const PROCESS_METRICS: &[&str] = &["process_resident_memory_bytes"];

/// Words with an underscore in queries that are neither metrics nor labels.
const FUNCTIONS: &[&str] = &["histogram_quantile", "label_values", "__rate_interval"];

pub(super) fn check() -> anyhow::Result<()> {
    flags_exist(&DRIVER, keymount_driver::flags::FLAGS)?;
    flags_exist(&AZURE, keymount_azure::flags::TABLE)?;
    metrics_exist(&DRIVER, keymount_driver::metrics::TABLE)?;
    metrics_exist(&AZURE, keymount_azure::metrics::TABLE)?;
    for chart in [CRDS, DRIVER, AZURE] {
        versions_agree(&chart)?;
    }
    Ok(())
}

/// Every argument in the helpers of the chart is a flag of the program.
fn flags_exist(chart: &Chart, table: &[&[Flag]]) -> anyhow::Result<()> {
    let known: BTreeSet<&str> = table.iter().copied().flatten().map(|flag| flag.name).collect();
    let helpers = chart.read("templates/_helpers.tpl")?;
    let unknown: Vec<_> = arguments(&helpers).into_iter().filter(|name| !known.contains(name)).collect();
    ensure!(unknown.is_empty(), "{}: no such flags: {unknown:?}", chart.folder);
    ensure!(arguments(&helpers).len() > 5, "{}: the arguments were not found", chart.folder);
    Ok(())
}

/// Names before the `=` of lines `- --name=…`, quoted or not, printed by a template or not.
fn arguments(helpers: &str) -> Vec<&str> {
    let lines = helpers.lines().filter_map(|line| line.trim().strip_prefix("- "));
    lines
        .filter_map(|line| Some(line.split_once('-')?.1.trim_start_matches('-').split_once('=')?.0))
        .collect()
}

/// Every metric that alerts and dashboard ask for is one of the program.
fn metrics_exist(chart: &Chart, table: &[&Definition]) -> anyhow::Result<()> {
    let mut known: BTreeSet<String> =
        PROCESS_METRICS.iter().chain(FUNCTIONS).map(|name| (*name).to_owned()).collect();
    for metric in table {
        known.extend(metric.labels.iter().map(|label| (*label).to_owned()));
        match metric.kind {
            Kind::Histogram(_) => {
                known.extend(["bucket", "count", "sum"].map(|part| format!("{}_{part}", metric.name)));
            }
            Kind::Counter | Kind::Gauge => _ = known.insert(metric.name.to_owned()),
        }
    }
    for file in ["templates/prometheusrule.yaml", "files/dashboard.json"] {
        let text = chart.read(file)?;
        let queries: Vec<_> = text.lines().filter_map(query).collect();
        ensure!(!queries.is_empty(), "{}/{file}: no queries found", chart.folder);
        for word in queries.iter().flat_map(|query| words(query)) {
            ensure!(known.contains(word), "{}/{file}: no such metric or label: {word}", chart.folder);
        }
    }
    Ok(())
}

/// The query of a line of a rule or a dashboard.
fn query(line: &str) -> Option<&str> {
    let line = line.trim();
    line.strip_prefix("expr: ")
        .or_else(|| line.strip_prefix("\"expr\": "))
        .or_else(|| line.strip_prefix("\"definition\": "))
}

/// Words that could be metrics: those with an underscore, outside of template expressions.
fn words(query: &str) -> Vec<&str> {
    let query = query.split("{{").next().unwrap_or_default();
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.contains('_')).collect()
}

/// Chart, application, image and dependencies are of the version of this workspace.
fn versions_agree(chart: &Chart) -> anyhow::Result<()> {
    let told = chart.read("Chart.yaml")?;
    for line in told.lines().filter_map(|line| {
        line.trim().strip_prefix("version: ").or_else(|| line.strip_prefix("appVersion: "))
    }) {
        ensure!(line == VERSION, "{}/Chart.yaml: {line} is not {VERSION}", chart.folder);
    }
    if let Some(image) = chart.values()?.default(&["linux", "image", "tag"].map(str::to_owned)) {
        ensure!(image.as_str() == Some(&format!("v{VERSION}")), "{}: image {image}", chart.folder);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_found_however_they_are_written() {
        let helpers = "- -v={{ . }}\n- --log-format-json=true\n- {{ printf \"--user-agent=%s\" . | quote }}\n{{- with .x }}\n";
        assert_eq!(arguments(helpers), ["v", "log-format-json", "user-agent"]);
    }

    #[test]
    fn words_of_queries_are_metrics_and_labels() {
        let line = r#"  expr: sum by (error_type) (rate(node_publish_error_total{x="$y"}[10m])) > {{ .Values.a_b }}"#;
        assert_eq!(words(query(line).unwrap()), ["error_type", "node_publish_error_total"]);
    }
}
