//! The command line: try, check and debug the Secrets Store CSI stack.
//!
//! A program named `kubectl-keymount` in the path is what kubectl runs for `kubectl keymount`, and `kubectl_complete-keymount` what
//! completes the words behind that; links to this one are enough.

mod access;
mod complete;
mod completions;
mod demo;
mod describe;
mod doctor;
mod emulate;
mod ended;
mod explain;
mod internal;
mod lint;
mod output;
mod refresh;
mod status;
mod verify;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "keymount", version = keymount_version(), about = ABOUT, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    /// No colours; NO_COLOR says the same
    #[arg(long, global = true)]
    no_color: bool,
    #[command(subcommand)]
    command: Command,
}

const ABOUT: &str = "Try, check and debug the Secrets Store CSI stack";

#[derive(Subcommand)]
enum Command {
    Status(status::Arguments),
    Describe(describe::Arguments),
    Verify(Box<verify::Arguments>),
    Refresh(refresh::Arguments),
    Doctor(doctor::Arguments),
    Lint(lint::Arguments),
    Explain(explain::Arguments),
    /// Watch the whole stack do its job on this machine: no cluster, no Azure account
    Demo(demo::Arguments),
    /// Serve Key Vault, Entra, IMDS and a small Kubernetes API on loopback, for tests and experiments
    Emulate(Box<emulate::Arguments>),
    Completions(completions::Arguments),
    /// A part of the stack as a process of its own; for `demo`
    #[command(subcommand, hide = true)]
    Internal(internal::Command),
}

pub(crate) const fn keymount_version() -> &'static str {
    match option_env!("KEYMOUNT_VERSION") {
        Some(version) => version,
        None => "local-dev",
    }
}

/// All commands, for completions and the documentation.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs what the arguments say; the first is the name the program was called by.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if is_named(arguments.first(), "kubectl_complete-keymount") {
        return complete::main(&arguments);
    }
    let mut command = command();
    if is_named(arguments.first(), "kubectl-keymount") {
        command = command.bin_name("kubectl keymount");
    }
    let arguments = command.get_matches_from(arguments);
    let Arguments { no_color, command } = match Arguments::from_arg_matches(&arguments) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    if no_color {
        anstream::ColorChoice::Never.write_global();
    }
    match command {
        Command::Status(arguments) => status::main(&arguments),
        Command::Describe(arguments) => describe::main(&arguments),
        Command::Verify(arguments) => verify::main(&arguments),
        Command::Refresh(arguments) => refresh::main(&arguments),
        Command::Doctor(arguments) => doctor::main(&arguments),
        Command::Lint(arguments) => lint::main(&arguments),
        Command::Explain(arguments) => explain::main(&arguments),
        Command::Demo(arguments) => demo::main(&arguments, no_color),
        Command::Emulate(arguments) => emulate::main(*arguments),
        Command::Completions(arguments) => completions::main(&arguments),
        Command::Internal(command) => internal::main(command),
    }
}

/// Whether the program was called by this name: kubectl runs it so.
fn is_named(program: Option<&OsString>, name: &str) -> bool {
    program.and_then(|program| Path::new(program).file_stem()).is_some_and(|found| found == name)
}
