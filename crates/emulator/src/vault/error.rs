//! Errors of the Key Vault data plane, with the service's codes and texts.

use axum::body::Body;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::kind::Type;
use crate::faults::Failure;
use crate::pki::PkiError;
use crate::reply;

/// An error answer of a vault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct VaultError {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) inner: Option<String>,
    pub(crate) message: String,
    /// Value of `WWW-Authenticate`.
    pub(crate) challenge: Option<String>,
}

const HELP_NOT_FOUND: &str =
    "For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182";

/// The body, its members in the service's order: people compare such dumps.
#[derive(Serialize)]
struct Envelope<'a> {
    error: Detail<'a>,
}

#[derive(Serialize)]
struct Detail<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    innererror: Option<Inner<'a>>,
}

#[derive(Serialize)]
struct Inner<'a> {
    code: &'a str,
}

impl From<PkiError> for VaultError {
    fn from(error: PkiError) -> Self {
        Self::bad_parameter(error.to_string())
    }
}

impl VaultError {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), inner: None, message: message.into(), challenge: None }
    }

    pub(crate) fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadParameter", message)
    }

    pub(crate) fn forbidden(inner: &str, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::FORBIDDEN, "Forbidden", message);
        Self { inner: Some(inner.to_owned()), ..error }
    }

    pub(crate) fn unauthorized(message: impl Into<String>, challenge: String) -> Self {
        let error = Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message);
        Self { challenge: Some(challenge), ..error }
    }

    pub(crate) fn not_found(kind: Type, id: &str) -> Self {
        let noun = kind.noun();
        Self::new(
            StatusCode::NOT_FOUND,
            &format!("{}NotFound", kind.title()),
            format!(
                "A {noun} with (name/id) {id} was not found in this key vault. If you recently deleted this \
                 {noun} you may be able to recover it using the correct recovery command. {HELP_NOT_FOUND}"
            ),
        )
    }

    pub(crate) fn deleted_not_found(kind: Type, name: &str) -> Self {
        let title = kind.title();
        let text = format!("Deleted {title} not found: {name}");
        Self::new(StatusCode::NOT_FOUND, &format!("{title}NotFound"), text)
    }

    pub(crate) fn disabled(kind: Type, operation: &str) -> Self {
        let text = format!("Operation {operation} is not allowed on a disabled {}.", kind.noun());
        Self::forbidden(&format!("{}Disabled", kind.title()), text)
    }

    pub(crate) fn managed(kind: Type, operation: &str) -> Self {
        let text = format!("Operation {operation} is not allowed on a managed {}.", kind.noun());
        Self::forbidden(&format!("{}Managed", kind.title()), text)
    }

    pub(crate) fn recoverable(kind: Type, name: &str) -> Self {
        let title = kind.title();
        let error = Self::new(
            StatusCode::CONFLICT,
            "Conflict",
            format!(
                "{title} {name} is currently in a deleted but recoverable state, and its name cannot be \
                 reused; in this state, the {} can only be recovered or purged.",
                kind.noun()
            ),
        );
        Self { inner: Some("ObjectIsDeletedButRecoverable".to_owned()), ..error }
    }

    pub(crate) fn not_emulated(what: &str) -> Self {
        let text = format!("{what} is part of Key Vault, but not of this emulator.");
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplementedByEmulator", text)
    }

    /// HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Error code, such as `Forbidden`.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Words a fault's error as the service would.
    pub(crate) fn from_failure(failure: &Failure) -> Self {
        let (code, message) = match failure.status.as_u16() {
            401 => ("Unauthorized", "AKV10000: Request is missing a Bearer or PoP token."),
            403 => ("Forbidden", "Caller is not authorized to perform action on resource."),
            404 => ("SecretNotFound", "A secret with (name/id) was not found in this key vault."),
            409 => ("Conflict", "There was a conflict with another request."),
            429 => ("Throttled", "Request was not processed because too many requests were received."),
            500 => ("InternalServerError", "An unexpected error occurred while processing the request."),
            502 | 503 => ("ServiceUnavailable", "The service is temporarily unavailable."),
            504 => ("GatewayTimeout", "The request timed out."),
            _ => ("BadParameter", "The request is not valid."),
        };
        Self {
            status: failure.status,
            code: failure.code.clone().unwrap_or_else(|| code.to_owned()),
            inner: failure.inner.clone(),
            message: failure.message.clone().unwrap_or_else(|| message.to_owned()),
            challenge: None,
        }
    }

    pub(crate) fn respond(&self) -> Response<Body> {
        let inner = self.inner.as_deref().map(|code| Inner { code });
        let error = Detail { code: &self.code, message: &self.message, innererror: inner };
        let mut response = reply::json(self.status, &Envelope { error });
        if let Some(challenge) = self.challenge.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
