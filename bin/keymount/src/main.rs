//! `keymount`: try, check and debug the Secrets Store CSI stack.

mod demo;
mod emulate;
mod explain;
mod internal;
mod lint;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "keymount", version = keymount_version(), about, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch the whole stack do its job on this machine: no cluster, no Azure account
    Demo(demo::Arguments),
    /// Serve Key Vault, Entra, IMDS and a small Kubernetes API on loopback, for tests and experiments
    Emulate(Box<emulate::Arguments>),
    Lint(lint::Arguments),
    Explain(explain::Arguments),
    /// A part of the stack as a process of its own; for `demo`
    #[command(subcommand, hide = true)]
    Internal(internal::Command),
}

const fn keymount_version() -> &'static str {
    match option_env!("KEYMOUNT_VERSION") {
        Some(version) => version,
        None => "local-dev",
    }
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Demo(arguments) => demo::main(&arguments),
        Command::Emulate(arguments) => emulate::main(*arguments),
        Command::Lint(arguments) => lint::main(&arguments),
        Command::Explain(arguments) => explain::main(&arguments),
        Command::Internal(command) => internal::main(command),
    }
}
