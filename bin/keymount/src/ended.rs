//! How the commands end that ask a cluster.

use std::process::ExitCode;

use crate::output;

/// It could not be found out, or not be done.
const UNUSABLE: u8 = 2;

/// Does the work of a command, which says whether all is well, and gives the exit code: 0 if it is, 1 if it is not, 2 if the work could not
/// be done; why then stands on standard error.
pub(crate) fn ended(command: &str, work: impl Future<Output = anyhow::Result<bool>>) -> ExitCode {
    match crate::emulate::runtime().and_then(|runtime| runtime.block_on(Box::pin(work))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::complain(command, &format!("{error:#}"));
            UNUSABLE.into()
        }
    }
}
