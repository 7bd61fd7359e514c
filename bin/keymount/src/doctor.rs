//! `keymount doctor`: is the stack as it should be, in the cluster and on this node?

mod check;
mod cluster;
mod node;
mod redact;
mod rights;
mod vaults;

use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use crate::access::Access;
use crate::ended::ended;
use crate::output::{self, BAD, DIM, DOUBTFUL, GOOD, LABEL, Progress, TITLE};

use check::{Check, Checks, Verdict};

/// Looks at everything the stack needs, and says what is not as it should be.
///
/// In the cluster: the API server and its clock, custom resource definitions, CSIDriver object, DaemonSets, nodes, rights of the driver, states of
/// volumes, mistakes in classes, the way to issuers and vaults from here. On a node (--on-node; by itself where kubelet's directory is): sockets,
/// registration, providers and their versions, kernel, swap. What may not be looked at is left out and said so.
/// `-o report` is Markdown to attach to an issue: names of nodes, namespaces, vaults and the like are replaced, so are ids and addresses.
///
/// Exit code: 0 when nothing is wrong (warnings do not count), 1 when something is, 2 when the cluster cannot be reached.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    /// Also this node; without a kubeconfig, only this node
    #[arg(long)]
    on_node: bool,
    /// Only this node, not the cluster
    #[arg(long, conflicts_with = "no_node")]
    only_node: bool,
    /// Only the cluster
    #[arg(long, conflicts_with = "on_node")]
    no_node: bool,
    /// Kubelet's directory
    #[arg(long, value_name = "DIRECTORY", default_value = "/var/lib/kubelet")]
    kubelet_dir: std::path::PathBuf,
    /// Where providers have their sockets
    #[arg(long, value_name = "DIRECTORY", default_values = ["/var/run/secrets-store-csi-providers", "/etc/kubernetes/secrets-store-csi-providers"])]
    provider_dir: Vec<std::path::PathBuf>,
    /// Cloud of classes that name none, as in the provider's flag
    #[arg(long, value_name = "NAME", default_value = "AzurePublicCloud")]
    cloud_name: String,
    /// How to show it
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
    /// Replaces names, ids and addresses in every output, as `-o report` does
    #[arg(long)]
    redact: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// Markdown for an issue, redacted
    Report,
}

pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    ended("doctor", run(arguments))
}

async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut checks = Checks::default();
    if !arguments.only_node {
        let progress = Progress::of("looking at the cluster");
        cluster::look(&arguments.access.cluster().await?, &arguments.cloud_name, &mut checks).await?;
        drop(progress);
    }
    let on_node =
        arguments.on_node || arguments.only_node || (!arguments.no_node && arguments.kubelet_dir.is_dir());
    if on_node {
        let progress = Progress::of("looking at the node");
        node::look(&arguments.kubelet_dir, &arguments.provider_dir, &mut checks).await;
        drop(progress);
    }
    let well = checks.all().iter().all(|check| check.verdict != Verdict::Bad);
    let (redactor, mut all) = checks.into_parts();
    if arguments.redact || arguments.output == Format::Report {
        let mut redactor = redactor;
        all.iter_mut().for_each(|check| check.redact(&mut redactor));
    }
    let out = &mut anstream::stdout().lock();
    let written = match arguments.output {
        Format::Text => text(out, &all),
        Format::Json => {
            #[derive(Serialize)]
            struct Report<'a> {
                version: &'a str,
                well: bool,
                checks: &'a [Check],
            }
            let report = Report { version: crate::keymount_version(), well, checks: &all };
            output::serialized(out, &report, output::Format::Json)
        }
        Format::Report => markdown(out, &all),
    };
    // Whoever reads this through a pipe may have seen enough.
    let _ = written.and_then(|()| out.flush());
    Ok(well)
}

fn text(out: &mut impl std::io::Write, all: &[Check]) -> std::io::Result<()> {
    let mut area = "";
    for check in all {
        if check.area != area {
            let gap = if area.is_empty() { "" } else { "\n" };
            area = check.area;
            writeln!(out, "{gap}{TITLE}{area}{TITLE:#}")?;
        }
        let (sign, style) = match check.verdict {
            Verdict::Good => ("✓", GOOD),
            Verdict::Doubtful => ("!", DOUBTFUL),
            Verdict::Bad => ("✗", BAD),
            Verdict::NotSeen => ("·", DIM),
        };
        writeln!(out, "  {style}{sign}{style:#} {:<22} {}", check.name, check.text)?;
        if let Some(remedy) = &check.remedy {
            writeln!(out, "    {LABEL}→{LABEL:#} {remedy}")?;
        }
    }
    let count = |verdict| all.iter().filter(|check| check.verdict == verdict).count();
    let (bad, doubtful, unseen) = (count(Verdict::Bad), count(Verdict::Doubtful), count(Verdict::NotSeen));
    let style = match (bad, doubtful + unseen) {
        (0, 0) => GOOD,
        (0, _) => DOUBTFUL,
        _ => BAD,
    };
    let seen = all.len() - unseen;
    write!(out, "\n{style}{seen} looked at: {bad} wrong, {doubtful} doubtful{style:#}")?;
    match unseen {
        0 => writeln!(out),
        unseen => writeln!(out, "; {unseen} could not be looked at, so nothing is known of them"),
    }
}

fn markdown(out: &mut impl std::io::Write, all: &[Check]) -> std::io::Result<()> {
    writeln!(out, "keymount doctor {}\n", crate::keymount_version())?;
    writeln!(out, "| area | check | | |\n|---|---|---|---|")?;
    for check in all {
        let verdict = match check.verdict {
            Verdict::Good => "ok",
            Verdict::Doubtful => "**doubtful**",
            Verdict::Bad => "**wrong**",
            Verdict::NotSeen => "not seen",
        };
        let text = check.text.replace('|', "\\|").replace('\n', "<br>");
        writeln!(out, "| {} | {} | {verdict} | {text} |", check.area, check.name)?;
    }
    Ok(())
}
