//! Parts of the stack as processes of their own, so that one binary can show the whole.

use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::demo;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// The node driver, with the driver's own flags
    Driver {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The Azure provider, with the provider's own flags
    ProviderAzure {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The emulator, with the flags of `emulate`
    Emulate(Box<crate::emulate::Arguments>),
    /// The attempt of `verify --in-cluster`, in its pod
    Verify {
        #[arg(long, default_value_t = 60)]
        timeout: u64,
        #[arg(long, default_value = "AzurePublicCloud")]
        cloud_name: String,
    },
    /// The demo, once it has a mount namespace of its own
    Demo(demo::InsideArguments),
}

pub(crate) fn main(command: Command) -> ExitCode {
    // Nothing is left behind, whatever ends the process that started this one.
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    match command {
        Command::Driver { arguments } => keymount_driver::program::main(arguments),
        Command::ProviderAzure { arguments } => keymount_azure::program::main(arguments, environment),
        Command::Emulate(arguments) => crate::emulate::main(*arguments),
        Command::Verify { timeout, cloud_name } => verify(timeout, cloud_name),
        Command::Demo(arguments) => demo::inside(&arguments),
    }
}

fn verify(timeout: u64, cloud_name: String) -> ExitCode {
    let timeout = std::time::Duration::from_secs(timeout);
    let ended = crate::emulate::runtime()
        .and_then(|runtime| runtime.block_on(Box::pin(crate::verify::inside(timeout, cloud_name))));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::output::complain("verify", &format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the provider's process gets its configuration from here")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
