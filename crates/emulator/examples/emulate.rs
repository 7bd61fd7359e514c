//! The emulator as a process of its own: `cargo run -p keymount-emulator --example emulate -- --json`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use keymount_emulator::command;
use keymount_emulator::{Options, SeedSource, Started};
use tokio::signal::unix::{SignalKind, signal};

/// Azure Key Vault, Entra ID and the metadata service on loopback. It is no vault.
#[derive(Parser)]
struct Flags {
    /// Prints where everything is as one JSON object.
    #[arg(long)]
    json: bool,
    /// `demo`, or a seed file.
    #[arg(long)]
    seed: Option<SeedSource>,
    /// Address of vaults and authority.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Address of the metadata service.
    #[arg(long, default_value = "127.0.0.1:0")]
    imds: SocketAddr,
    /// Address of pod identity.
    #[arg(long, default_value = "127.0.0.1:0")]
    nmi: SocketAddr,
    /// Port of the Kubernetes API.
    #[arg(long, default_value_t = 0)]
    kubernetes: u16,
    /// Address of the admin API.
    #[arg(long, default_value = "127.0.0.1:0")]
    admin: SocketAddr,
    /// Where the CA certificate is written.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Takes any service-account token.
    #[arg(long)]
    allow_any_token: bool,
    /// A vault suffix beside those of Azure.
    #[arg(long)]
    vault_suffix: Vec<String>,
    /// An authority beside those of Azure.
    #[arg(long)]
    authority: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let json = flags.json;
    let options = Options {
        listen: flags.listen,
        imds: flags.imds,
        nmi: flags.nmi,
        kubernetes: Some(flags.kubernetes),
        admin: flags.admin,
        ca_file: flags.ca,
        seed: flags.seed,
        allow_any_token: flags.allow_any_token,
        vault_suffixes: flags.vault_suffix,
        authorities: flags.authority,
        ..Options::default()
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    command::run(options, |started| announce(started, json), stop).await?;
    Ok(())
}

fn announce(started: &Started, json: bool) {
    let text = if json { serde_json::to_string(started) } else { serde_json::to_string_pretty(started) };
    // Whoever closed the output does not want to know.
    let _ = writeln!(std::io::stdout(), "{}", text.unwrap_or_default());
}
