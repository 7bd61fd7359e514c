//! `keymount status`: what pods have of their classes.

mod gather;
mod rows;
mod secrets;
mod view;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use crate::access::{Access, Scope};
use crate::ended::ended;
use crate::output::{self, Format, Progress, Table};

pub(crate) use gather::{Gathered, Query, all, class_of, csi_volumes};
pub(crate) use secrets::{SecretState, SecretView, secrets_of};
pub(crate) use view::{Problem, State, VolumeView};

/// Shows the volumes of pods: state, versions, last success, age of failures, synced Secrets.
///
/// One line per pod and class. STALE is how long the content could not be fetched again; it stays what it was. EXPIRES is when the
/// first certificate in its files does. Pods that mount a class and of
/// which no driver tells anything are shown, too. `keymount describe pod NAME` says more about one pod.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    scope: Scope,
    /// Only pods on this node
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    /// Only this pod
    #[arg(long, value_name = "POD")]
    pod: Option<String>,
    /// Only volumes of this class
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// Only volumes with which something is wrong; an expired certificate is
    #[arg(long)]
    problems: bool,
    /// How to show it
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
    /// Go on and show what changes; with JSON, one object per line
    #[arg(long, short)]
    watch: bool,
}

pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    ended("status", async { run(arguments).await.map(|()| true) })
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cluster = arguments.access.cluster().await?;
    let query = Query {
        namespace: arguments.scope.namespace(&cluster),
        node: arguments.node.clone(),
        pod: arguments.pod.clone(),
        class: arguments.class.clone(),
        // The plain table has no place for them, and the rights to see them are not everybody's.
        secrets: arguments.output != Format::Table,
    };
    if arguments.watch {
        return watch::watch(&cluster, &query, arguments.output, arguments.problems).await;
    }
    let progress = Progress::of("asking the cluster");
    let mut gathered = query.gather(&cluster).await?;
    drop(progress);
    gathered.notes.iter().for_each(|text| output::note(text));
    let now = gathered.now;
    gathered.volumes.retain(|volume| !arguments.problems || volume.is_bad(now));
    show(&gathered, &query, arguments.output)
}

fn show(gathered: &Gathered, query: &Query, format: Format) -> anyhow::Result<()> {
    let out = &mut anstream::stdout().lock();
    let written = match format {
        Format::Json | Format::Yaml => output::serialized(out, &gathered.volumes, format),
        Format::Table | Format::Wide if gathered.volumes.is_empty() => {
            let place =
                query.namespace.as_ref().map_or_else(String::new, |name| format!(" in namespace {name}"));
            output::note(&format!("no pod mounts a SecretProviderClass{place}"));
            Ok(())
        }
        Format::Table | Format::Wide => {
            let rows: Vec<_> =
                gathered.volumes.iter().map(|volume| rows::row(volume, gathered.now, format)).collect();
            Table::new(rows::header(format)).write(out, &rows)
        }
    };
    // Whoever reads this through a pipe may have seen enough.
    let _ = written.and_then(|()| out.flush());
    Ok(())
}
