//! The two signals that end a daemon.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Watches SIGTERM and SIGINT: the first cancels the token, so that the daemon drains; a second one
/// ends the process at once with exit code 1, as the Go programs do.
///
/// # Errors
/// The signal handlers could not be installed.
pub fn on_signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("received shutdown signal");
        cancel.cancel();
        either(&mut terminate, &mut interrupt).await;
        tracing::warn!("received a second signal, exiting at once");
        #[expect(
            clippy::exit,
            clippy::disallowed_methods,
            reason = "the second signal must not wait for anything"
        )]
        std::process::exit(1);
    });
    Ok(token)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
