//! Why a provider call gave no content.

use std::fmt;
use std::io;
use std::path::PathBuf;

use tonic::{Code, Status};

use crate::error::reason;

/// Where the time went when a call ran out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waiting for one of the places that `--provider-max-calls` gives.
    Queue,
    /// Waiting for the provider's socket.
    Connect,
    /// Waiting for the provider's answer.
    Mount,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "waiting for other calls to this provider (--provider-max-calls)",
            Self::Connect => "connecting to the provider",
            Self::Mount => "waiting for the provider's answer; its log says what it was doing",
        })
    }
}

/// Why a provider call gave no content. Texts begin as those of driver v1.6.0.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// The class names a provider that cannot exist.
    #[error(
        "error connecting to provider {0:?}: invalid provider: provider {0:?} \
         (spec.provider must be 1 to 30 letters, digits, - or _)"
    )]
    InvalidName(String),
    /// No directory has its socket.
    #[error(
        "error connecting to provider {name:?}: provider not found: provider {name:?} \
         (no {name}.sock in {searched}; {}; install the provider on this node or correct spec.provider)",
        present_text(present)
    )]
    NotFound {
        /// Name of the provider.
        name: String,
        /// Directories that were searched.
        searched: String,
        /// Providers that are there.
        present: Vec<String>,
    },
    /// The socket is there but nobody answers on it.
    #[error(
        "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: \
         dial unix {path}: connect: {source}\" (the provider's pod on this node is not running)"
    )]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The provider answered with an error, or the connection broke.
    #[error("rpc error: code = {} desc = {message}{}", go_code(*code), too_large_hint(message))]
    Rpc {
        /// gRPC code.
        code: Code,
        /// The provider's text.
        message: String,
        /// The provider's own stable reason, if it tells one in its metadata.
        reason: Option<String>,
    },
    /// The provider's reply carries an error code.
    #[error("mount request failed with provider error code {0}")]
    Code(String),
    /// The provider's reply names no object version.
    #[error(
        "missing object versions (the provider must name at least one object; check that the class asks for any)"
    )]
    MissingVersions,
    /// No time was left.
    #[error("rpc error: code = DeadlineExceeded desc = context deadline exceeded while {0}")]
    Deadline(Stage),
    /// The pod is going away, or this process is.
    #[error("rpc error: code = Canceled desc = the mount was cancelled")]
    Cancelled,
}

impl ProviderError {
    /// Reason for the `error_type` label, as driver v1.6.0 has it.
    #[must_use]
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::InvalidName(_) | Self::NotFound { .. } => reason::NONE,
            Self::Code(code) if is_label(code) => code,
            Self::Code(_) => reason::PROVIDER_ERROR,
            _ => reason::GRPC_PROVIDER_ERROR,
        }
    }

    /// gRPC code that this error has by itself.
    #[must_use]
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::Refused { .. } => Code::Unavailable,
            Self::Rpc { code, .. } => *code,
            Self::Deadline(_) => Code::DeadlineExceeded,
            Self::Cancelled => Code::Cancelled,
            _ => Code::Unknown,
        }
    }
}

impl From<Status> for ProviderError {
    fn from(status: Status) -> Self {
        // tonic reports a reply over the limit as OUT_OF_RANGE; everybody else's client, and the
        // documentation people find, say RESOURCE_EXHAUSTED with these words.
        if status.code() == Code::OutOfRange
            && let Some((found, limit)) = too_large(status.message())
        {
            let message = format!("grpc: received message larger than max ({found} vs. {limit})");
            return Self::Rpc { code: Code::ResourceExhausted, message, reason: None };
        }
        Self::Rpc { code: status.code(), message: status.message().to_owned(), reason: told_reason(&status) }
    }
}

/// Key of the metadata in which our providers tell the stable reason of a failure.
const REASON_KEY: &str = "keymount-reason";

/// The reason that a provider tells, if it is a word in CamelCase: everybody who sees the pod may read it.
fn told_reason(status: &Status) -> Option<String> {
    let reason = status.metadata().get(REASON_KEY)?.to_str().ok()?;
    let is_word = reason.len() <= 64
        && reason.starts_with(|c: char| c.is_ascii_uppercase())
        && reason.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| reason.to_owned())
}

/// Sizes in tonic's text for a message over the limit.
fn too_large(message: &str) -> Option<(u64, u64)> {
    let mut numbers = message
        .strip_prefix("Error, decoded message length too large:")?
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

fn too_large_hint(message: &str) -> &'static str {
    if message.contains("grpc: received message larger than max (") {
        " (raise --max-call-recv-msg-size, or split the class)"
    } else {
        ""
    }
}

fn present_text(present: &[String]) -> String {
    if present.is_empty() {
        "no provider is installed there".to_owned()
    } else {
        format!("installed there: {}", present.join(", "))
    }
}

/// A provider chooses its error codes; only short plain words become labels.
fn is_label(code: &str) -> bool {
    (1..=40).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Names of the codes as Go prints them.
#[must_use]
pub(crate) const fn go_code(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_begin_as_the_go_drivers() {
        let not_found = ProviderError::NotFound {
            name: "azur".to_owned(),
            searched: "/a, /b".to_owned(),
            present: vec!["azure".to_owned()],
        };
        for (error, start, reason) in [
            (
                ProviderError::InvalidName("bad/name".to_owned()),
                r#"error connecting to provider "bad/name": invalid provider: provider "bad/name""#,
                "",
            ),
            (not_found, r#"error connecting to provider "azur": provider not found: provider "azur""#, ""),
            (Status::not_found("boom").into(), "rpc error: code = NotFound desc = boom", "GRPCProviderError"),
            (
                ProviderError::Code("AuthFailed".to_owned()),
                "mount request failed with provider error code AuthFailed",
                "AuthFailed",
            ),
            (
                ProviderError::Code("some long text, with a tenant's name".to_owned()),
                "mount request failed with provider error code some long text",
                "ProviderError",
            ),
            (ProviderError::MissingVersions, "missing object versions", "GRPCProviderError"),
            (
                ProviderError::Deadline(Stage::Mount),
                "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
                "GRPCProviderError",
            ),
        ] {
            assert!(error.to_string().starts_with(start), "{error}");
            assert_eq!(error.reason(), reason, "{error}");
        }
    }

    #[test]
    fn the_reason_of_a_provider_is_a_word_or_it_is_none() {
        for (told, reason) in [
            ("ObjectNotFound", Some("ObjectNotFound")),
            ("objectNotFound", None),
            ("Object not found", None),
            ("https://kv.vault.azure.net", None),
            ("", None),
            (&"A".repeat(65), None),
        ] {
            let mut status = Status::unknown("boom");
            status.metadata_mut().insert(REASON_KEY, told.parse().unwrap());
            let ProviderError::Rpc { reason: found, .. } = ProviderError::from(status) else {
                panic!("{told}")
            };
            assert_eq!(found.as_deref(), reason);
        }
    }

    #[test]
    fn a_reply_over_the_limit_is_reported_as_everybody_reports_it() {
        let status = Status::out_of_range(
            "Error, decoded message length too large: found 5242880 bytes, the limit is: 4194304 bytes",
        );
        let error = ProviderError::from(status);
        assert_eq!(error.code(), Code::ResourceExhausted);
        let text = error.to_string();
        assert!(text.contains("grpc: received message larger than max (5242880 vs. 4194304)"), "{text}");
        assert!(text.ends_with("(raise --max-call-recv-msg-size, or split the class)"), "{text}");
        // The same code from the provider itself is something else.
        let quota = ProviderError::from(Status::resource_exhausted("user quota exceeded"));
        assert!(!quota.to_string().contains("--max-call"), "{quota}");
    }
}
