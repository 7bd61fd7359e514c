//! Why a vault's object could not be had.

mod hints;
mod reason;

use std::time::Duration;

use keymount_identity::TokenError;
use keymount_identity::transport::{Answer, Cause, Method, TransportError, error_code, service_dump};
use serde_json::Value;
use url::Url;

use crate::challenge::ChallengeError;
pub use reason::VaultReason;

/// A vault's object could not be had. `Display` is the text that the Go stack has for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no token to ask with.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The vault answered with an error.
    #[error("{text}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The service's code, and the more precise one inside it.
        codes: Codes,
        /// The whole text, without anything that was sent as a secret.
        text: String,
    },
    /// There was no whole answer.
    #[error(transparent)]
    Unreachable(#[from] TransportError),
    /// The vault refused the token in a way that must not be answered.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// The answer is not what this interface sends.
    #[error("unmarshalling type {model}: {detail}")]
    Malformed {
        /// The model, as the SDK calls it.
        model: &'static str,
        /// What is wrong, without quoting.
        detail: String,
    },
    /// A list goes on at a place that is not the vault.
    #[error("the list continues at another host than {0}: its nextLink was not followed")]
    ForeignLink(String),
    /// A list does not end.
    #[error("the list has more than {0} pages")]
    EndlessList(usize),
    /// A list is too long to be kept in memory.
    #[error("the list has more than {0} bytes")]
    LongList(usize),
    /// Others used the vault's patience up; this request was not sent (again).
    #[error(
        "GET {url}: the vault answers 429 (Too Many Requests) and may be asked again in {} s, later than this \
         request can wait", wait.as_secs()
    )]
    Throttled {
        /// What was to be asked.
        url: Box<str>,
        /// How long the vault is left alone.
        wait: Duration,
    },
    /// Too many requests wait for this vault.
    #[error("GET {url}: {waiting} requests are waiting for this vault already")]
    Crowded {
        /// What was to be asked.
        url: Box<str>,
        /// The bound.
        waiting: usize,
    },
    /// The time of the mount was up.
    #[error(
        "context deadline exceeded: GET {url} was {stage} for {} s{}",
        waited.as_secs(),
        last.as_ref().map(|last| format!(", and the last try ended with: {last}")).unwrap_or_default()
    )]
    Deadline {
        /// What was asked.
        url: Box<str>,
        /// What it was doing.
        stage: &'static str,
        /// For how long.
        waited: Duration,
        /// How the try before ended, in short.
        last: Option<String>,
    },
    /// The name is missing.
    #[error("parameter {0} cannot be empty")]
    NameEmpty(&'static str),
    /// The name would lead elsewhere in the vault's tree.
    #[error("an object's name or version cannot be . or ..")]
    NameIsDots,
}

/// `error.code` and the innermost `innererror.code` of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    /// `error.code`.
    pub outer: Option<String>,
    /// The innermost code.
    pub inner: Option<String>,
}

impl VaultError {
    pub(crate) fn refused(origin: &str, url: &Url, answer: &Answer, secrets: &[&str]) -> Self {
        Self::Refused {
            status: answer.status.as_u16(),
            codes: Codes::of(answer),
            text: service_dump(Method::Get, origin, url, answer, secrets),
        }
    }

    /// Whether the vault (or the issuer) said that this identity may not, so that what is cached for it
    /// must go.
    #[must_use]
    pub const fn is_denial(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403, .. })
    }

    /// Whether it was only the asker's time that was up.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        match self {
            Self::Deadline { .. } | Self::Throttled { .. } => true,
            Self::Token(error) => error.is_deadline(),
            Self::Unreachable(error) => error.cause == Cause::Deadline,
            _ => false,
        }
    }

    /// The stable name of what is wrong.
    #[must_use]
    pub fn reason(&self) -> VaultReason {
        match self {
            Self::Token(error) => VaultReason::Token(error.reason()),
            Self::Refused { status, codes, text } => reason::of_refusal(*status, codes, text),
            Self::Unreachable(error) => match error.cause {
                Cause::NoSuchHost { .. } | Cause::Dns { .. } => VaultReason::Dns,
                Cause::Connect { .. } | Cause::Truncated | Cause::Broken(_) => VaultReason::Connect,
                Cause::Tls(_) => VaultReason::Tls,
                Cause::Proxy(_) => VaultReason::Proxy,
                Cause::ConnectTimeout { .. } | Cause::NoAnswer | Cause::Deadline => VaultReason::Timeout,
                Cause::TooLarge { .. } => VaultReason::Malformed,
            },
            Self::Challenge(_) | Self::ForeignLink(_) => VaultReason::Suspicious,
            Self::Malformed { .. } | Self::EndlessList(_) | Self::LongList(_) => VaultReason::Malformed,
            Self::Throttled { .. } => VaultReason::Throttled,
            Self::Crowded { .. } => VaultReason::Crowded,
            Self::Deadline { .. } => VaultReason::Timeout,
            Self::NameEmpty(_) | Self::NameIsDots => VaultReason::InvalidName,
        }
    }

    /// One line that says what to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Token(error) => error.hint(),
            _ => self.reason().hint().to_owned(),
        }
    }
}

impl Codes {
    fn of(answer: &Answer) -> Self {
        let body: Value = serde_json::from_slice(answer.body.expose()).unwrap_or(Value::Null);
        let mut inner = None;
        let mut object = &body["error"];
        // Some gateways spell it with a capital; levels are few, but the body is foreign.
        for _ in 0..8 {
            let next =
                if object["innererror"].is_object() { &object["innererror"] } else { &object["innerError"] };
            let Some(code) = next["code"].as_str() else { break };
            inner = Some(code.to_owned());
            object = next;
        }
        Self { outer: error_code(answer), inner }
    }
}

#[cfg(test)]
mod tests {
    use keymount_identity::transport::answer;

    use super::*;

    #[test]
    fn every_kind_of_refusal_has_its_reason_and_a_hint() {
        let url = Url::parse("https://kv.vault.azure.net/secrets/s/").expect("a URL");
        let inner =
            |code: &str| format!(r#"{{"error":{{"code":"Forbidden","innererror":{{"code":"{code}"}}}}}}"#);
        for (status, body, reason) in [
            (400, String::new(), VaultReason::BadRequest),
            (401, String::new(), VaultReason::Unauthorized),
            (
                401,
                r#"{"error":{"code":"Unauthorized","message":"AKV10032: Invalid issuer."}}"#.to_owned(),
                VaultReason::WrongTenant,
            ),
            (403, inner("AccessDenied"), VaultReason::AccessPolicy),
            (403, inner("ForbiddenByPolicy"), VaultReason::AccessPolicy),
            (403, inner("ForbiddenByRbac"), VaultReason::Rbac),
            (403, inner("ForbiddenByFirewall"), VaultReason::Firewall),
            (403, inner("ForbiddenByConnection"), VaultReason::PrivateLink),
            (403, inner("SecretDisabled"), VaultReason::Disabled),
            (403, inner("KeyDisabled"), VaultReason::Disabled),
            (403, String::new(), VaultReason::Forbidden),
            (404, String::new(), VaultReason::NotFound),
            (429, String::new(), VaultReason::Throttled),
            (503, String::new(), VaultReason::ServerError),
            (302, String::new(), VaultReason::Redirected),
            (418, String::new(), VaultReason::Unexpected),
        ] {
            let error = VaultError::refused("https://kv", &url, &answer(status, body.as_str()), &[]);
            assert_eq!(error.reason(), reason, "{status} {body}");
            assert!(error.hint().len() > 20, "{reason:?}");
            assert_eq!(error.is_denial(), matches!(status, 401 | 403));
        }
    }

    #[test]
    fn the_innermost_code_counts_in_either_spelling() {
        let body = r#"{"error":{"code":"Forbidden","innererror":{"code":"A","innerError":{"code":"B"}}}}"#;
        let codes = Codes::of(&answer(403, body));
        assert_eq!(codes, Codes { outer: Some("Forbidden".to_owned()), inner: Some("B".to_owned()) });
        assert_eq!(Codes::of(&answer(403, r#"{"error":{"innererror":null}}"#)).inner, None);
    }
}
