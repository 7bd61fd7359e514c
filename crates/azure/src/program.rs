//! The process: flags, configuration, servers, end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use keymount_clock::WallClock;
use keymount_daemon::build::BUILD;
use keymount_daemon::flags::Flags;
use keymount_daemon::grpc::{self, Listener};
use keymount_daemon::hardening::CapabilitySet;
use keymount_daemon::http;
use keymount_daemon::log::Format;
use keymount_daemon::metrics::Registry;
use keymount_daemon::program::{Failure, Program};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::metrics::CONSTANT;
use crate::provider::Provider;
use crate::service::{RUNTIME_NAME, Services};
use crate::{flags, health};

/// How long running mounts may go on after a signal; the pod's grace period is 30 s.
const DRAIN: Duration = Duration::from_secs(20);

/// Runs the provider. `arguments` are those that follow the program's name, `environment` reads a
/// variable.
pub fn main(
    arguments: impl IntoIterator<Item = String>,
    environment: impl Fn(&str) -> Option<String>,
) -> ExitCode {
    let program = Program {
        name: RUNTIME_NAME,
        flags: flags::TABLE,
        version,
        json: Format::KlogJson,
        capabilities: CapabilitySet::empty(),
        system_calls: &[],
        writes_nothing: true,
    };
    program.run(arguments, |flags, stop| async move {
        tracing::info!(version = BUILD.version, "Starting Azure Key Vault Provider");
        announce(&flags);
        run(Config::new(&flags, environment).await?, stop).await
    })
}

fn version() -> String {
    let text = |text: &str| serde_json::Value::from(text);
    format!(r#"{{"version":{},"buildDate":{}}}"#, text(BUILD.version), text(BUILD.date))
}

fn announce(flags: &Flags) {
    if flags.bool("construct-pem-chain") {
        tracing::info!("construct pem chain feature enabled");
    }
    if flags.bool("write-cert-and-key-in-separate-files") {
        tracing::info!("write cert and key in separate files feature enabled");
    }
    if flags.bool("enable-pprof") {
        tracing::warn!(flag = "enable-pprof", "flag has no effect: there is no profiling server");
    }
}

/// Serves until `stop` is cancelled, then lets running mounts end.
///
/// # Errors
/// When a socket or the health port cannot be opened, or the socket fails.
pub async fn run(config: Config, stop: CancellationToken) -> Result<(), Failure> {
    let registry = Registry::new(RUNTIME_NAME, CONSTANT);
    let provider = Arc::new(Provider::new(config, &registry, &WallClock::system()));
    let config = provider.config();
    let listener = Listener::bind(&config.endpoint).await?;
    tracing::info!(address = listener.address(), "Listening for connections");
    let health_port = format!(":{}", config.health_port);
    let health = http::bind(&health_port).await.map_err(|error| Failure {
        text: format!("failed to start health check server on {health_port}: {error}"),
        exit_code: 1,
    })?;
    tokio::spawn(serve(health, health::router(Arc::clone(&provider)), stop.clone(), "health"));
    let metrics_port = format!(":{}", config.metrics_port);
    match http::bind(&metrics_port).await {
        Ok(listener) => {
            tokio::spawn(serve(listener, http::metrics(registry), stop.clone(), "metrics"));
        }
        // Pods start without metrics, too.
        Err(error) => tracing::error!(err = %error, port = metrics_port, "metrics are not served"),
    }
    grpc::serve(listener, Services::new(provider).routes(), stop, DRAIN).await?;
    tracing::info!("terminating the server");
    Ok(())
}

async fn serve(
    listener: tokio::net::TcpListener,
    router: axum::Router,
    stop: CancellationToken,
    what: &'static str,
) {
    if let Err(error) = http::serve(listener, router, stop).await {
        tracing::error!(err = %error, server = what, "an HTTP server ended");
    }
}
