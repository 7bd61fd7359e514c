//! Command-line flags as Go's `flag` package reads them.
//!
//! Existing manifests pass flags in Go's spelling: `-x`, `--x`, `-x=v`, `-x v`, booleans without a
//! value or with `=v`, durations such as `2m0s`. Usage and error texts are Go's too, because they are
//! what a user of the Go programs sees after a typing mistake. A daemon's flags are one table of
//! [`Flag`]s, from which parser, usage text and the reference page are made.

mod duration;
mod klog;
mod number;
mod usage;

use std::collections::BTreeMap;

pub use duration::GoDuration;
pub use klog::KLOG_FLAGS;

/// One flag: its name without dashes, what it is without being given, and what it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flag {
    /// Name as typed after one or two dashes.
    pub name: &'static str,
    /// Type and default.
    pub default: Default,
    /// Sentence for the usage text. A part in backquotes names the value, as in Go.
    pub help: &'static str,
}

/// Type and default value of a flag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Default {
    /// Text.
    Text(&'static str),
    /// Boolean; the only kind that needs no value.
    Bool(bool),
    /// Signed integer, decimal or with Go's prefixes `0x`, `0o`, `0b`.
    Int(i64),
    /// Unsigned integer.
    Uint(u64),
    /// Go duration such as `1h30m` or `250ms`.
    Duration(GoDuration),
    /// Integer that klog declares with a type of its own; the usage text says `value`.
    Level(i64),
    /// Like [`Level`](Self::Level), also by name: `INFO`, `WARNING`, `ERROR` or `FATAL`, in any case.
    Severity(i64),
    /// Text that klog declares with a type of its own; the usage text says `value`.
    Pattern,
}

/// What a flag is set to.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Bool(bool),
    Int(i64),
    Severity(i64),
    Uint(u64),
    Duration(GoDuration),
}

/// Why the command line cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FlagError {
    /// `-h` or `-help` was given; the text is the usage. Exit code 0.
    #[error("{0}")]
    Help(String),
    /// A mistake; the text is Go's message followed by the usage. Exit code 2.
    #[error("{message}\n{usage}")]
    Usage {
        /// One line that names the mistake.
        message: String,
        /// The usage text.
        usage: String,
    },
}

impl FlagError {
    /// Exit code of the Go program in this case.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Help(_) => 0,
            Self::Usage { .. } => 2,
        }
    }
}

/// Values of all flags of one program.
///
/// Asking for a flag that is not in the program's table, or as another type, is a mistake in the
/// program and panics; the tests of each daemon read every flag once.
#[derive(Clone, Debug)]
pub struct Flags {
    values: BTreeMap<&'static str, Value>,
    given: Vec<&'static str>,
}

impl Flags {
    /// Reads the arguments that follow the program's name.
    ///
    /// Reading stops at the first argument that is no flag, or after `--`; the rest is ignored, as the
    /// Go programs do.
    ///
    /// # Errors
    /// [`FlagError`] for `-h`, an unknown flag, a missing or an unusable value.
    pub fn parse(
        program: &str,
        table: &[&[Flag]],
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<Self, FlagError> {
        let mut flags =
            Self { values: table.iter().copied().flatten().map(initial).collect(), given: Vec::new() };
        let fail = |message: String| FlagError::Usage { message, usage: usage::text(program, table) };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let Some(rest) = argument.strip_prefix('-').filter(|rest| !rest.is_empty()) else { break };
            if rest == "-" {
                break;
            }
            let rest = rest.strip_prefix('-').unwrap_or(rest);
            let (name, attached) = match rest.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (rest, None),
            };
            if name.is_empty() || name.starts_with('-') || rest.starts_with('=') {
                return Err(fail(format!("bad flag syntax: {argument}")));
            }
            let Some((&key, value)) = flags.values.iter_mut().find(|(known, _)| **known == name) else {
                return Err(match name {
                    "h" | "help" => FlagError::Help(usage::text(program, table)),
                    _ => fail(format!("flag provided but not defined: -{name}")),
                });
            };
            let text = match (attached, &value) {
                (Some(text), _) => text,
                (None, Value::Bool(_)) => "true".to_owned(),
                (None, _) => {
                    arguments.next().ok_or_else(|| fail(format!("flag needs an argument: -{name}")))?
                }
            };
            set(value, &text).map_err(|error| {
                fail(match value {
                    Value::Bool(_) => {
                        format!("invalid boolean value {} for -{name}: {error}", quoted(&text))
                    }
                    _ => format!("invalid value {} for flag -{name}: {error}", quoted(&text)),
                })
            })?;
            flags.given.push(key);
        }
        Ok(flags)
    }

    /// A text flag.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Value::Text(text) => text,
            other => wrong_type(name, other),
        }
    }

    /// A boolean flag.
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Bool(on) => *on,
            other => wrong_type(name, other),
        }
    }

    /// A signed integer flag.
    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Int(number) | Value::Severity(number) => *number,
            other => wrong_type(name, other),
        }
    }

    /// An unsigned integer flag.
    #[must_use]
    pub fn uint(&self, name: &str) -> u64 {
        match self.value(name) {
            Value::Uint(number) => *number,
            other => wrong_type(name, other),
        }
    }

    /// A duration flag.
    #[must_use]
    pub fn duration(&self, name: &str) -> GoDuration {
        match self.value(name) {
            Value::Duration(duration) => *duration,
            other => wrong_type(name, other),
        }
    }

    /// Whether the flag stood on the command line.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains(&name)
    }

    fn value(&self, name: &str) -> &Value {
        match self.values.get(name) {
            Some(value) => value,
            None => panic!("flag -{name} is not in the table of this program"),
        }
    }
}

/// klog's severities, by number.
const SEVERITIES: [&str; 4] = ["INFO", "WARNING", "ERROR", "FATAL"];

fn wrong_type(name: &str, value: &Value) -> ! {
    panic!("flag -{name} is read as another type than its table entry says: {value:?}")
}

fn initial(flag: &Flag) -> (&'static str, Value) {
    let value = match flag.default {
        Default::Text(text) => Value::Text(text.to_owned()),
        Default::Pattern => Value::Text(String::new()),
        Default::Bool(on) => Value::Bool(on),
        Default::Int(number) | Default::Level(number) => Value::Int(number),
        Default::Severity(number) => Value::Severity(number),
        Default::Uint(number) => Value::Uint(number),
        Default::Duration(duration) => Value::Duration(duration),
    };
    (flag.name, value)
}

fn set(value: &mut Value, text: &str) -> Result<(), &'static str> {
    match value {
        Value::Text(held) => text.clone_into(held),
        Value::Bool(held) => *held = number::parse_bool(text).ok_or("parse error")?,
        Value::Int(held) => *held = number::parse_int(text)?,
        Value::Severity(held) => {
            let named = SEVERITIES.iter().zip(0..).find(|(name, _)| name.eq_ignore_ascii_case(text));
            *held = named.map_or_else(|| number::parse_int(text), |(_, number)| Ok(number))?;
        }
        Value::Uint(held) => *held = number::parse_uint(text)?,
        Value::Duration(held) => *held = text.parse().map_err(|_| "parse error")?,
    }
    Ok(())
}

/// Text in double quotes as Go's `%q` shows it; enough of it for what people type.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// Parses a boolean as Go's `strconv.ParseBool` does.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    number::parse_bool(text)
}

/// The reference of a table as Markdown rows: name, type, default, help.
#[must_use]
pub fn reference(table: &[&[Flag]]) -> String {
    usage::markdown(table)
}

#[cfg(test)]
mod tests;
