//! `cargo xtask bench`: what a driver and a provider cost, measured through their sockets.
//!
//! Runs in namespaces of its own that `benches/run.sh` makes. docs/performance.md explains the rows and has the figures.

mod azure;
mod baseline;
mod cluster;
mod figure;
mod load;
mod node;
mod peer;
mod process;
mod report;
mod rows;
mod scrape;
mod subject;

use std::path::PathBuf;

use clap::Parser;

use crate::report::Report;
use crate::rows::{Effort, Row};
use crate::subject::Subject;

/// Measures a driver and a provider through their sockets, with the flags of driver v1.6.0 and provider v1.8.2
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// The driver under test
    #[arg(long, value_name = "PATH")]
    driver: Option<PathBuf>,
    /// The provider under test
    #[arg(long, value_name = "PATH")]
    provider: Option<PathBuf>,
    /// Another driver, measured in turn with the first
    #[arg(long, value_name = "PATH")]
    against_driver: Option<PathBuf>,
    /// Another provider, measured in turn with the first
    #[arg(long, value_name = "PATH")]
    against_provider: Option<PathBuf>,
    /// Only these rows; see --list
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    rows: Vec<String>,
    /// How often each row is measured; the median counts
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: usize,
    /// How much work each row does, in percent of the usual
    #[arg(long, value_name = "PERCENT", default_value_t = 100)]
    effort: usize,
    /// Where the figures are written as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fails if a figure that this file names is worse than it allows
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Lists the rows
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.list {
        report::list(rows::ALL);
        return Ok(());
    }
    let rows = chosen(&arguments.rows)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(&arguments, &rows))
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Row>> {
    if names.is_empty() {
        return Ok(rows::ALL.iter().collect());
    }
    let row = |name: &String| {
        let found = rows::ALL.iter().find(|row| row.name == name);
        found.ok_or_else(|| anyhow::anyhow!("there is no row {name}; --list shows them"))
    };
    names.iter().map(row).collect()
}

async fn measure(arguments: &Arguments, rows: &[&'static Row]) -> anyhow::Result<()> {
    let subjects = [
        Subject::new("measured", arguments.driver.clone(), arguments.provider.clone()),
        Subject::new("other", arguments.against_driver.clone(), arguments.against_provider.clone()),
    ];
    anyhow::ensure!(
        subjects.iter().any(Subject::is_there),
        "nothing to measure: give --driver or --provider"
    );
    let effort = Effort { percent: arguments.effort };
    let mut report = Report::new();
    let mut failed = 0;
    for row in rows {
        for round in 1..=arguments.rounds {
            for subject in subjects.iter().filter(|subject| subject.has(row.needs)) {
                report::progress(row, subject, round, arguments.rounds);
                match (row.run)(subject, effort).await {
                    Ok(figures) => report.add(row, subject, &figures),
                    Err(error) => {
                        report::failed(row, subject, &error);
                        failed += 1;
                    }
                }
            }
        }
        report.print(row);
    }
    report.finish(arguments.json.as_deref())?;
    anyhow::ensure!(failed == 0, "{failed} measurements failed");
    match &arguments.baseline {
        Some(path) => baseline::check(path, &report),
        None => Ok(()),
    }
}
