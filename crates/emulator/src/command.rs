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
