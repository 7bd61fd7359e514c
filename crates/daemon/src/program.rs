//! The frame of a daemon's `main`: flags, version, log, runtime, signals, exit code.

use std::io::Write as _;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use crate::flags::{Flag, Flags};
use crate::grpc::Endpoint;
use crate::hardening::{self, CapabilitySet};
use crate::log::{self, Format};
use crate::{runtime, seccomp, shutdown};

/// What is particular about one daemon.
pub struct Program {
    /// Name of the program, as its usage text shows it.
    pub name: &'static str,
    /// Its flags.
    pub flags: &'static [&'static [Flag]],
    /// What `--version` prints.
    pub version: fn() -> String,
    /// Form of the log when `--log-format-json` is given.
    pub json: Format,
    /// Capabilities it keeps, of those it is started with.
    pub capabilities: CapabilitySet,
    /// System calls it makes beside those of every daemon.
    pub system_calls: &'static [i64],
    /// Writes no files: from its start on it may only make and remove sockets beside its own endpoint, and run no
    /// other program.
    pub writes_nothing: bool,
}

/// A failure that ends the process.
#[derive(Debug)]
pub struct Failure {
    /// For the log.
    pub text: String,
    /// Exit code; the Go programs use 1 for nearly everything.
    pub exit_code: u8,
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { text: error.to_string(), exit_code: 1 }
    }
}

impl Program {
    /// Runs the daemon. `body` is given the flags and a token that the first SIGTERM or SIGINT cancels;
    /// the second one ends the process at once.
    pub fn run<F>(
        &self,
        arguments: impl IntoIterator<Item = String>,
        body: impl FnOnce(Flags, CancellationToken) -> F,
    ) -> ExitCode
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let flags = match Flags::parse(self.name, self.flags, arguments) {
            Ok(flags) => flags,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "{error}");
                return ExitCode::from(error.exit_code());
            }
        };
        if flags.bool("version") {
            let _ = writeln!(std::io::stdout(), "{}", (self.version)());
            return ExitCode::SUCCESS;
        }
        let format = if flags.bool("log-format-json") { self.json } else { Format::Text };
        log::init(log::Options::from_flags(&flags, format));
        log::warn_of_flags_without_effect(&flags);
        hardening::apply(self.capabilities);
        // Before system calls are given up: these are among them.
        if self.writes_nothing
            && let Ok(Endpoint::Unix(socket)) = flags.text("endpoint").parse()
            && let Some(directory) = socket.parent()
        {
            hardening::confine(directory);
        }
        if let Err(error) = seccomp::apply(self.system_calls) {
            tracing::warn!(err = %error, "cannot give up system calls");
        }
        let ended = runtime::build().map_err(Failure::from).and_then(|runtime| {
            runtime.block_on(async {
                let stop = shutdown::on_signals()?;
                body(flags, stop).await
            })
        });
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                tracing::error!(err = failure.text, "exiting");
                ExitCode::from(failure.exit_code)
            }
        }
    }
}
