//! What the command `keymount emulate` does, without the command line.

use crate::emulator::{Emulator, StartError, Started};
use crate::options::Options;

/// Starts an emulator, announces where it is, and runs until `stop` is ready.
///
/// The caller prints the announcement (as JSON it is the one object of `--json`) and gives a `stop` that
/// ends with SIGTERM or SIGINT. Requests under way at that moment are still answered.
///
/// # Errors
/// [`StartError`], before anything is announced.
pub async fn run(
    options: Options,
    announce: impl FnOnce(&Started),
    stop: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let emulator = Emulator::start(options).await?;
    announce(&emulator.started());
    stop.await;
    emulator.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn announces_serves_and_ends() {
        let (announced, started) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let announce = |started: &Started| announced.send(started.clone()).expect("someone listens");
        let running = tokio::spawn(run(Options::default(), announce, async { drop(stopped.await) }));
        let started = started.await.expect("an announcement");
        let reachable = |url: &str| {
            let address = url.split_once("://").expect("a URL").1;
            TcpStream::connect(address).is_ok()
        };
        let urls = [&started.vault, &started.imds, &started.nmi, &started.admin];
        assert!(urls.iter().all(|url| reachable(url)) && started.ca.exists());
        stop.send(()).expect("it runs");
        running.await.expect("the task").expect("a clean end");
        assert!(!urls.iter().any(|url| reachable(url)) && !started.ca.exists());
    }
}
