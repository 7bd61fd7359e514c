//! `keymount emulate`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use keymount_emulator::{NOTICE, Options, SeedSource, Started, command};
use tokio::signal::unix::{SignalKind, signal};

/// What is emulated is for tests and experiments. It is no vault.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print where everything is as one JSON object, and nothing else
    #[arg(long)]
    json: bool,
    /// What to fill it with: `demo`, or a seed file (see docs/emulator.md)
    #[arg(long, value_name = "demo|FILE")]
    seed: Option<SeedSource>,
    /// Address of vaults and authority; port 0 is any that is free
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Address of the Instance Metadata Service
    #[arg(long, default_value = "127.0.0.1:0")]
    imds: SocketAddr,
    /// Address of pod identity
    #[arg(long, default_value = "127.0.0.1:0")]
    nmi: SocketAddr,
    /// Port of the Kubernetes API on 127.0.0.1
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    kubernetes: u16,
    /// Address of the admin API
    #[arg(long, default_value = "127.0.0.1:0")]
    admin: SocketAddr,
    /// Where the CA certificate is written; a private directory otherwise
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Take every unexpired service account token, whoever signed it
    #[arg(long)]
    allow_any_token: bool,
    /// A vault suffix beside those of Azure
    #[arg(long, value_name = "NAME")]
    vault_suffix: Vec<String>,
    /// An authority beside those of Azure
    #[arg(long, value_name = "NAME")]
    authority: Vec<String>,
    /// Lifetime of tokens from the authority, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3599)]
    token_lifetime: u64,
}

pub(crate) fn main(arguments: Arguments) -> ExitCode {
    let json = arguments.json;
    let options = Options {
        listen: arguments.listen,
        imds: arguments.imds,
        nmi: arguments.nmi,
        kubernetes: Some(arguments.kubernetes),
        admin: arguments.admin,
        ca_file: arguments.ca,
        seed: arguments.seed,
        allow_any_token: arguments.allow_any_token,
        vault_suffixes: arguments.vault_suffix,
        authorities: arguments.authority,
        token_lifetime: Duration::from_secs(arguments.token_lifetime),
        ..Options::default()
    };
    let ended = runtime().and_then(|runtime| {
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let stop = async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            command::run(options, |started| announce(started, json), stop).await.map_err(anyhow::Error::from)
        })
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "keymount emulate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Two workers, as the daemons have.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn announce(started: &Started, json: bool) {
    let text = if json { serde_json::to_string(started).unwrap_or_default() } else { listing(started) };
    let mut out = std::io::stdout().lock();
    // Whoever started this may have closed the other end: the emulator serves all the same.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn listing(started: &Started) -> String {
    let vaults: String = started.vaults.values().map(|url| format!("\n             {url}")).collect();
    format!(
        "{NOTICE}\n\nvault        {}{vaults}\nauthority    {}\ntenant       {}\nimds         {}\nnmi          {}\n\
         kubernetes   {}\nca           {}\nadmin        {}\n\nCtrl-C ends it.",
        started.vault,
        started.authority,
        started.tenant,
        started.imds,
        started.nmi,
        started.kubernetes.as_deref().unwrap_or("off"),
        started.ca.display(),
        started.admin,
    )
}
