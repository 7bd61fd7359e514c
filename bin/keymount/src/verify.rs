//! `keymount verify`: would a mount of this class work for this service account?

mod ask;
mod attempt;
mod pod;
mod report;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::access::{Access, Scope};
use crate::ended::ended;
use crate::output::{self, Format, Progress};

pub(crate) use attempt::Attempt;
pub(crate) use pod::inside;
pub(crate) use report::Report;

/// Tries whether a class works for a service account, against the real vault and tenant.
///
/// Goes the way of a mount: class, credential, DNS, TCP, TLS, token, each object, with the time each takes. The code is the provider's own, so
/// are errors and codes. Nothing is mounted and no content is shown. Runs on this machine with a token that the cluster makes for the service
/// account, or with --in-cluster in a pod of its own with that service account, from the cluster's network. HTTPS_PROXY, SSL_CERT_FILE and
/// AZURE_ENVIRONMENT_FILEPATH count as they do for the provider; a pod gets them by --env and --ca-file.
///
/// Exit code: 0 when a mount would work, 1 when it would not, 2 when that cannot be found out.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    scope: Scope,
    /// Name of the class
    #[arg(value_name = "CLASS", required_unless_present = "pod")]
    class: Option<String>,
    /// Take the class from this file instead of the cluster
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Service account of the pods
    #[arg(long, value_name = "NAME", default_value = "default", conflicts_with = "pod")]
    service_account: String,
    /// Service account, Secret and classes of this pod
    #[arg(long, value_name = "POD")]
    pod: Option<String>,
    /// Secret with the credential of a service principal, as in nodePublishSecretRef
    #[arg(long, value_name = "SECRET", conflicts_with = "pod")]
    node_publish_secret: Option<String>,
    /// Cloud of classes that name none, as in the provider's flag
    #[arg(long, value_name = "NAME", default_value = "AzurePublicCloud")]
    cloud_name: String,
    /// How long it may take in all, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// In a short-lived pod with the service account
    #[arg(long)]
    in_cluster: bool,
    /// Image of that pod
    #[arg(long, value_name = "IMAGE", default_value_t = pod::default_image())]
    image: String,
    /// Node of that pod
    #[arg(long, value_name = "NODE", requires = "in_cluster")]
    node: Option<String>,
    /// Certificates of authorities that this pod trusts, in PEM, as the provider does by SSL_CERT_FILE
    #[arg(long, value_name = "FILE", requires = "in_cluster")]
    ca_file: Option<PathBuf>,
    /// Variable of that pod, such as HTTPS_PROXY; may be given several times
    #[arg(long, value_name = "NAME=VALUE", requires = "in_cluster", value_parser = variable)]
    env: Vec<(String, String)>,
    /// That pod is in the node's network, as the provider is
    #[arg(long, requires = "in_cluster")]
    host_network: bool,
    /// How to show it; wide is the same as table
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it has the form NAME=VALUE".to_owned()),
    }
}

pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    ended("verify", run(arguments))
}

/// Says whether all mounts would work.
async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let cluster = arguments.access.cluster().await?;
    let namespace = arguments
        .scope
        .namespace(&cluster)
        .ok_or_else(|| anyhow::anyhow!("a class is in one namespace: give it with --namespace"))?;
    let timeout = Duration::from_secs(arguments.timeout);
    let authorities = match &arguments.ca_file {
        Some(path) => {
            Some(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?)
        }
        None => None,
    };
    let mut reports = Vec::new();
    for question in ask::questions(arguments, &cluster, &namespace).await? {
        let progress = Progress::of(format!("trying {namespace}/{}", question.class));
        let report = if arguments.in_cluster {
            let options = pod::Options {
                image: &arguments.image,
                node: arguments.node.as_deref(),
                cloud_name: &arguments.cloud_name,
                authorities: authorities.as_deref(),
                environment: &arguments.env,
                host_network: arguments.host_network,
                timeout,
            };
            Box::pin(pod::run(&cluster, &question, &options)).await?
        } else {
            question.here(&cluster, &arguments.cloud_name, timeout).await?
        };
        drop(progress);
        reports.push(report);
    }
    let out = &mut anstream::stdout().lock();
    let written = match arguments.output {
        Format::Json | Format::Yaml => output::serialized(out, &reports, arguments.output),
        Format::Table | Format::Wide => reports.iter().try_for_each(|report| report.show(out)),
    };
    // Whoever reads this through a pipe may have seen enough.
    let _ = written.and_then(|()| out.flush());
    Ok(reports.iter().all(|report| report.works))
}
