//! `keymount describe`: one pod's volumes from the class to the vault, and what to do about what is broken.

mod chain;
mod look;
mod show;

use std::io::Write as _;
use std::process::ExitCode;

use crate::access::{Access, Scope};
use crate::ended::ended;
use crate::output::{self, Format, Progress};

/// Explains the volumes of a pod: class, driver, identity, vault, Secrets; the last error, why it comes, and what to do.
///
/// Exit code: 0 when all is well, 1 when something is wrong, 2 when the pod cannot be looked at.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    scope: Scope,
    /// Name of the pod; the word `pod` or `pods` before it may be there or not
    #[arg(value_name = "[pod] POD", num_args = 1..=2, required = true)]
    pod: Vec<String>,
    /// How to show it; wide is the same as table
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    ended("describe", run(arguments))
}

/// Says whether all is well.
async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let name = match arguments.pod.as_slice() {
        [name] => name.strip_prefix("pod/").or_else(|| name.strip_prefix("pods/")).unwrap_or(name),
        [kind, name] if ["pod", "pods", "po"].contains(&kind.as_str()) => name,
        other => anyhow::bail!("cannot describe {}: only pods can be described", other.join(" ")),
    };
    let cluster = arguments.access.cluster().await?;
    let namespace = arguments
        .scope
        .namespace(&cluster)
        .ok_or_else(|| anyhow::anyhow!("a pod is in one namespace: give it with --namespace"))?;
    let progress = Progress::of(format!("looking at {namespace}/{name}"));
    let found = look::look(&cluster, &namespace, name).await?;
    drop(progress);
    let out = &mut anstream::stdout().lock();
    let written = match arguments.output {
        Format::Json | Format::Yaml => output::serialized(out, &found, arguments.output),
        Format::Table | Format::Wide => show::write(out, &found),
    };
    // Whoever reads this through a pipe may have seen enough.
    let _ = written.and_then(|()| out.flush());
    Ok(found.is_well())
}
