//! Why there is no token.

mod aadsts;
mod reason;

use std::time::Duration;

use serde::Deserialize;

use crate::access::MalformedToken;
use crate::transport::{Answer, Cause, TransportError};
pub use reason::TokenReason;

/// Where a token was asked for. Its name is how the Azure SDK for Go calls the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Entra, with a pod's service-account token.
    WorkloadIdentity,
    /// Entra, with a client secret or certificate.
    ServicePrincipal,
    /// The machine's metadata service.
    ManagedIdentity,
    /// The node's pod identity agent (NMI).
    PodIdentity,
    /// A cluster's token proxy.
    IdentityBinding,
}

impl Source {
    /// Every source, for tables of metrics and documents.
    pub const ALL: [Self; 5] = [
        Self::WorkloadIdentity,
        Self::ServicePrincipal,
        Self::ManagedIdentity,
        Self::PodIdentity,
        Self::IdentityBinding,
    ];

    /// A stable name for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WorkloadIdentity => "workload_identity",
            Self::ServicePrincipal => "service_principal",
            Self::ManagedIdentity => "managed_identity",
            Self::PodIdentity => "pod_identity",
            Self::IdentityBinding => "identity_binding",
        }
    }

    /// How error texts begin.
    pub(crate) const fn credential(self) -> &'static str {
        match self {
            Self::WorkloadIdentity | Self::IdentityBinding => "ClientAssertionCredential",
            Self::ServicePrincipal => "ClientSecretCredential",
            Self::ManagedIdentity => "ManagedIdentityCredential",
            Self::PodIdentity => "PodIdentityCredential",
        }
    }

    /// The troubleshooting page that error texts end with.
    pub(crate) const fn troubleshooting(self) -> Option<&'static str> {
        match self {
            Self::ServicePrincipal => {
                Some("To troubleshoot, visit https://aka.ms/azsdk/go/identity/troubleshoot#client-secret")
            }
            Self::ManagedIdentity => {
                Some("To troubleshoot, visit https://aka.ms/azsdk/go/identity/troubleshoot#managed-id")
            }
            _ => None,
        }
    }

    /// A message that stands for itself, as the SDK ends it.
    pub(crate) fn message(self, message: &str) -> String {
        let name = self.credential();
        match self.troubleshooting() {
            Some(page) if message.ends_with('.') => format!("{name}: {message} {page}"),
            Some(page) => format!("{name}: {message}. {page}"),
            // Not the SDK's, so its errors stand for themselves.
            None if self == Self::PodIdentity => message.to_owned(),
            None => format!("{name}: {message}"),
        }
    }
}

/// No token could be had. The texts begin as those of the Azure SDK for Go.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The issuer answered no.
    #[error("{text}")]
    Refused {
        /// Who was asked.
        source_kind: Source,
        /// The HTTP status.
        status: u16,
        /// Entra's own number (`AADSTS…`), where there is one.
        aadsts: Option<u32>,
        /// The whole text, without anything that was sent as a secret.
        text: String,
    },
    /// There was no answer.
    #[error("{text}")]
    Unreachable {
        /// Who was asked.
        source_kind: Source,
        /// What happened.
        cause: Cause,
        /// The whole text.
        text: String,
    },
    /// The answer holds no token.
    #[error("{}", source_kind.message(&format!("{}{error}", error.prefix(*source_kind))))]
    Malformed {
        /// Who was asked.
        source_kind: Source,
        /// What is wrong with it.
        error: MalformedToken,
    },
    /// The pod identity agent's answer holds no token.
    #[error("nmi did not return expected values in response: token and clientid")]
    Incomplete,
    /// The Azure Arc agent did not do as its protocol says.
    #[error("{}", Source::ManagedIdentity.message(.0))]
    Arc(String),
    /// The caller's time was up while others were waited for.
    #[error("{}", source_kind.message("context deadline exceeded"))]
    Deadline {
        /// Who was asked.
        source_kind: Source,
        /// How long this caller waited.
        waited: Duration,
    },
}

impl TokenError {
    pub(crate) fn refused(source_kind: Source, answer: &Answer, text: String) -> Self {
        Self::Refused { source_kind, status: answer.status.as_u16(), aadsts: aadsts_of(answer), text }
    }

    pub(crate) fn unreachable(source_kind: Source, error: TransportError) -> Self {
        let text = match source_kind {
            Source::ManagedIdentity => source_kind.message(&error.to_string()),
            Source::PodIdentity => error.to_string(),
            _ => source_kind
                .message(&format!("unable to resolve an endpoint: server response error:\n {error}")),
        };
        Self::Unreachable { source_kind, cause: error.cause, text }
    }

    /// Where the token was asked for.
    #[must_use]
    pub const fn source_kind(&self) -> Source {
        match self {
            Self::Refused { source_kind, .. }
            | Self::Unreachable { source_kind, .. }
            | Self::Malformed { source_kind, .. }
            | Self::Deadline { source_kind, .. } => *source_kind,
            Self::Incomplete => Source::PodIdentity,
            Self::Arc(_) => Source::ManagedIdentity,
        }
    }

    /// Whether the issuer said that this identity gets no token, as opposed to not being able to say.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 401 | 403, .. })
    }

    /// Whether it was only the caller's time that was up.
    #[must_use]
    pub const fn is_deadline(&self) -> bool {
        matches!(self, Self::Deadline { .. } | Self::Unreachable { cause: Cause::Deadline, .. })
    }

    /// The stable name of what is wrong.
    #[must_use]
    pub fn reason(&self) -> TokenReason {
        match self {
            Self::Refused { status: 429, .. } => TokenReason::Throttled,
            Self::Refused { status: 500.., .. } => TokenReason::IssuerUnavailable,
            Self::Refused { source_kind: Source::ManagedIdentity, status: 400, .. } => {
                TokenReason::IdentityNotAssigned
            }
            Self::Refused { aadsts, .. } => aadsts.and_then(aadsts::reason).unwrap_or(TokenReason::Refused),
            Self::Unreachable { cause, .. } => match cause {
                Cause::NoSuchHost { .. } | Cause::Dns { .. } => TokenReason::Dns,
                Cause::Tls(_) => TokenReason::Tls,
                Cause::Proxy(_) => TokenReason::Proxy,
                Cause::ConnectTimeout { .. } | Cause::NoAnswer | Cause::Deadline => TokenReason::Timeout,
                Cause::TooLarge { .. } => TokenReason::Malformed,
                Cause::Connect { .. } | Cause::Truncated | Cause::Broken(_) => TokenReason::Connect,
            },
            Self::Malformed { .. } | Self::Incomplete => TokenReason::Malformed,
            Self::Arc(_) => TokenReason::ArcAgent,
            Self::Deadline { .. } => TokenReason::Timeout,
        }
    }

    /// One line that says what to do.
    #[must_use]
    pub fn hint(&self) -> String {
        aadsts::hint(self.reason(), self.source_kind()).to_owned()
    }
}

/// Entra's number: `error_codes` of its JSON, else the first `AADSTS<number>` of its description.
fn aadsts_of(answer: &Answer) -> Option<u32> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        error_codes: Vec<u32>,
        #[serde(default)]
        error_description: String,
    }
    let body: Body = serde_json::from_slice(answer.body.expose()).ok()?;
    let described = || {
        let (_, rest) = body.error_description.split_once("AADSTS")?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..digits].parse().ok()
    };
    body.error_codes.first().copied().or_else(described)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::answer;

    #[test]
    fn entras_numbers_become_reasons_with_hints() {
        for (body, status, reason) in [
            (r#"{"error_codes":[700213]}"#, 400, TokenReason::FederationMissing),
            (r#"{"error_codes":[70021]}"#, 400, TokenReason::FederationMissing),
            (
                r#"{"error_description":"AADSTS700016: Application with…"}"#,
                400,
                TokenReason::ApplicationNotFound,
            ),
            (r#"{"error_codes":[700024]}"#, 401, TokenReason::AssertionExpired),
            (r#"{"error_codes":[7000215]}"#, 401, TokenReason::SecretInvalid),
            (r#"{"error_codes":[7000222]}"#, 401, TokenReason::SecretExpired),
            (r#"{"error_codes":[90002]}"#, 400, TokenReason::TenantNotFound),
            (r#"{"error_codes":[50196]}"#, 400, TokenReason::Throttled),
            (r#"{"error_codes":[1]}"#, 400, TokenReason::Refused),
            ("<html>", 400, TokenReason::Refused),
            ("", 503, TokenReason::IssuerUnavailable),
            ("", 429, TokenReason::Throttled),
        ] {
            let answer = answer(status, body);
            let error = TokenError::refused(Source::WorkloadIdentity, &answer, String::new());
            assert_eq!(error.reason(), reason, "{body}");
            assert!(!error.hint().is_empty());
            assert_eq!(error.is_refusal(), status < 429, "{body}");
        }
    }
}
