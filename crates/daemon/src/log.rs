//! Logs in klog's text form or as JSON, from `tracing` events.
//!
//! Verbosity follows klog's `-v`: `error!`, `warn!` and `info!` always appear (0), `debug!` from
//! `-v=2` (each operation), `trace!` from `-v=5` (each request, with its secrets left out).
//! Events of dependencies appear from `warn!` up only, whatever the verbosity: their traces show
//! raw headers and frames, and those carry tokens (invariant I5).

mod event;
mod json;
mod text;

use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use keymount_clock::WallClock;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::flags::Flags;
use event::Fields;

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// klog's text: `I1123 23:11:42.097585    4242 node.rs:35] "msg" key="value"`.
    Text,
    /// One JSON object a line with `level`, `timestamp`, `caller`, `message`, as the Go driver writes it.
    DriverJson,
    /// One JSON object a line with `ts`, `caller`, `msg`, `v`, as klog's JSON format has it. Errors
    /// go to standard error, everything else to standard output, as the Go provider does.
    KlogJson,
}

/// Where log lines go.
#[derive(Clone, Debug)]
pub enum Output {
    /// Standard error, and standard output where the [`Format`] says so.
    Standard,
    /// A buffer, for tests that look at what was logged.
    Memory(Arc<Mutex<Vec<u8>>>),
}

/// What to log, how and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Form of a line.
    pub format: Format,
    /// klog verbosity.
    pub verbosity: i64,
    /// Leaves out the header of text lines.
    pub skip_headers: bool,
    /// Where the lines go.
    pub output: Output,
    /// Clock the lines are dated by.
    pub clock: WallClock,
}

impl Options {
    /// The options that klog's flags ask for.
    #[must_use]
    pub fn from_flags(flags: &Flags, format: Format) -> Self {
        Self {
            format,
            verbosity: flags.int("v"),
            skip_headers: flags.bool("skip_headers"),
            output: Output::Standard,
            clock: WallClock::system(),
        }
    }
}

/// Modules of dependencies whose warnings quote what they received: the Kubernetes client logs the whole body of
/// an answer that it cannot read, which may be a Secret.
const QUOTES_BODIES: [&str; 1] = ["kube_client::client"];

/// Flags of klog that are read but change nothing here.
const WITHOUT_EFFECT: [(&str, &str); 11] = [
    ("add_dir_header", NO_SOURCE),
    ("alsologtostderr", NO_FILES),
    ("log_backtrace_at", NO_SOURCE),
    ("log_dir", NO_FILES),
    ("log_file", NO_FILES),
    ("log_file_max_size", NO_FILES),
    ("logtostderr", NO_FILES),
    ("one_output", NO_FILES),
    ("skip_log_headers", NO_FILES),
    ("stderrthreshold", NO_FILES),
    ("vmodule", "-v applies to all files"),
];
const NO_FILES: &str = "logs go to standard error";
const NO_SOURCE: &str = "lines name no source file of Go";

/// Installs the log for the whole process, and a panic hook that logs into it. A second call in one
/// process (tests) changes nothing.
pub fn init(options: Options) {
    // The only error is that a subscriber is installed already.
    if tracing::subscriber::set_global_default(Log::new(options)).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// Logs where a panic happened, and its text only if that is a literal of the program: a formatted
/// one may quote what a tenant or a vault sent.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let text = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(not shown)");
    tracing::error!(place, text, "panicked");
}

/// Says which of the given klog flags have no effect.
pub fn warn_of_flags_without_effect(flags: &Flags) {
    for (flag, why) in WITHOUT_EFFECT.into_iter().filter(|(flag, _)| flags.is_given(flag)) {
        tracing::warn!(flag, why, "flag has no effect");
    }
}

/// The subscriber that writes the lines.
pub struct Log {
    options: Options,
    level: LevelFilter,
}

impl Log {
    /// A log with the given options.
    #[must_use]
    pub const fn new(options: Options) -> Self {
        let level = match options.verbosity {
            i64::MIN..2 => LevelFilter::INFO,
            2..5 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        Self { options, level }
    }

    fn write(&self, level: Level, line: &str) {
        match &self.options.output {
            Output::Standard if self.options.format == Format::KlogJson && level != Level::ERROR => {
                let _ = std::io::stdout().lock().write_all(line.as_bytes());
            }
            Output::Standard => {
                let _ = std::io::stderr().lock().write_all(line.as_bytes());
            }
            Output::Memory(buffer) => {
                buffer.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line.as_bytes());
            }
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = match metadata.target() {
            target if target.starts_with("keymount") => self.level,
            target if QUOTES_BODIES.contains(&target) => LevelFilter::OFF,
            _ => LevelFilter::WARN,
        };
        metadata.is_event() && *metadata.level() <= level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let line = render(&self.options, self.options.clock.now(), event);
        self.write(*event.metadata().level(), &line);
    }

    // Spans are not logged; their ids are never looked at.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn render(options: &Options, now: Timestamp, event: &Event<'_>) -> String {
    let fields = Fields::of(event);
    let metadata = event.metadata();
    match options.format {
        Format::Text => text::line(options.skip_headers, now, metadata, &fields),
        Format::DriverJson => json::driver_line(now, metadata, &fields),
        Format::KlogJson => json::klog_line(now, metadata, &fields),
    }
}

#[cfg(test)]
mod tests;
