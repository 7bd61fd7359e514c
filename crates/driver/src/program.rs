//! The driver's program, for its own binary and for whoever starts a driver as a part of something.

use std::process::ExitCode;

use keymount_daemon::build::BUILD;
use keymount_daemon::flags::Flags;
use keymount_daemon::hardening::CapabilitySet;
use keymount_daemon::log::Format;
use keymount_daemon::program::{Failure, Program};
use keymount_daemon::seccomp::MOUNTING;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, ConfigError};
use crate::flags::FLAGS;
use crate::process::Driver;

const PROGRAM: Program = Program {
    name: "secrets-store-csi-driver",
    flags: FLAGS,
    version,
    json: Format::DriverJson,
    capabilities: CAPABILITIES,
    system_calls: MOUNTING,
    // It mounts, which no confined process may.
    writes_nothing: false,
};

/// To mount, and to work in directories and on files of any owner.
const CAPABILITIES: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::FOWNER);

/// Runs a driver with these arguments (without the program's name) until it is told to end.
pub fn main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    PROGRAM.run(arguments, run)
}

async fn run(flags: Flags, shutdown: CancellationToken) -> Result<(), Failure> {
    let config = Config::from_flags(&flags).map_err(unusable)?;
    let driver = Driver::build(config).await?;
    driver.announce();
    driver.run(shutdown).await?;
    Ok(())
}

/// The Go driver dies of a bad endpoint with its logger's exit code.
fn unusable(error: ConfigError) -> Failure {
    let exit_code = if matches!(error, ConfigError::Endpoint(_)) { 255 } else { 1 };
    Failure { text: error.to_string(), exit_code }
}

/// The Go driver's form.
fn version() -> String {
    format!(
        r#"{{"BuildVersion":"{}","GitCommit":"{}","BuildDate":"{}"}}"#,
        BUILD.version, BUILD.commit, BUILD.date
    )
}
