//! `keymount demo`: the whole stack does its job, step by step.
//!
//! Emulator, provider and driver are processes of their own, made of the same libraries as the daemons,
//! on real sockets, with real TLS and real tmpfs mounts in a mount namespace of the demo's own.

mod cluster;
mod isolation;
mod keep;
mod layout;
mod processes;
mod reader;
mod steps;
mod terminal;
mod vault;

use std::path::PathBuf;
use std::process::ExitCode;

use isolation::Isolation;
use layout::Layout;
use terminal::Terminal;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave everything running at the end and print how to look around; Ctrl-C ends it
    #[arg(long)]
    keep: bool,
}

#[derive(clap::Args)]
pub(crate) struct InsideArguments {
    #[arg(long)]
    directory: PathBuf,
    #[arg(long)]
    keep: bool,
    /// Whether this is root of a user namespace only
    #[arg(long)]
    user_namespace: bool,
}

/// Outside: finds a way to mount, starts the demo there, cleans up after it.
pub(crate) fn main(arguments: &Arguments, no_color: bool) -> ExitCode {
    let terminal = Terminal::new();
    let ended = Isolation::find().and_then(|isolation| isolation.run(arguments.keep, no_color));
    ended.unwrap_or_else(|error| {
        terminal.error(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

/// Inside the mount namespace.
pub(crate) fn inside(arguments: &InsideArguments) -> ExitCode {
    let mut terminal = Terminal::new();
    let ended = crate::emulate::runtime().and_then(|runtime| {
        runtime.block_on(async {
            let layout = Layout::make(&arguments.directory, arguments.user_namespace)?;
            Box::pin(steps::tell(&mut terminal, &layout, arguments.keep)).await
        })
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            terminal.error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
