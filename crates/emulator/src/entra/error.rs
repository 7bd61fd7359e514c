//! Errors of the token endpoint.

use std::borrow::Cow;

use axum::body::Body;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use crate::faults::Failure;
use crate::reply;

/// An error answer: `error` of RFC 6749, and an AADSTS number with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntraError {
    pub(crate) status: StatusCode,
    pub(crate) error: Cow<'static, str>,
    pub(crate) code: u32,
    pub(crate) text: String,
}

/// The body, its members in the service's order: people compare such dumps.
#[derive(Serialize)]
struct Description<'a> {
    error: &'a str,
    error_description: String,
    error_codes: [u32; 1],
    timestamp: String,
    trace_id: String,
    correlation_id: String,
    error_uri: String,
}

const FEDERATION_HELP: &str = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation";

impl EntraError {
    const fn new(status: StatusCode, error: &'static str, code: u32, text: String) -> Self {
        Self { status, error: Cow::Borrowed(error), code, text }
    }

    fn client(code: u32, text: String) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", code, text)
    }

    fn request(code: u32, text: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", code, text)
    }

    pub(crate) fn tenant_not_found(tenant: &str) -> Self {
        Self::request(
            90002,
            format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are \
                 signing into the correct cloud. Check with your subscription administrator, this may \
                 happen if there are no active subscriptions for the tenant."
            ),
        )
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{parameter}'.");
        Self::request(900_144, text)
    }

    pub(crate) fn grant_type() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            70003,
            "The app requested an unsupported grant type; this emulator knows client_credentials.".to_owned(),
        )
    }

    pub(crate) fn scope(scope: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_scope",
            70011,
            format!(
                "The provided request must include a 'scope' input parameter. The provided value for the \
                 input parameter 'scope' is not valid. The scope {scope} is not valid."
            ),
        )
    }

    pub(crate) fn unknown_application(client_id: &str, tenant: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "unauthorized_client",
            700_016,
            format!(
                "Application with identifier '{client_id}' was not found in the directory '{tenant}'. This \
                 can happen if the application has not been installed by the administrator of the tenant \
                 or consented to by any user in the tenant. You may have sent your authentication request \
                 to the wrong tenant."
            ),
        )
    }

    pub(crate) fn bad_secret(client_id: &str) -> Self {
        Self::client(
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client \
                 secret value, not the client secret ID, for a secret added to app '{client_id}'."
            ),
        )
    }

    pub(crate) fn expired_secret(client_id: &str) -> Self {
        Self::client(
            7_000_222,
            format!(
                "The provided client secret keys for app '{client_id}' are expired. Visit the Azure portal \
                 to create new keys for your app: https://aka.ms/NewClientSecret, or consider using \
                 certificate credentials for added security: https://aka.ms/certCreds."
            ),
        )
    }

    pub(crate) fn no_credential() -> Self {
        Self::client(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or \
             'client_secret'."
                .to_owned(),
        )
    }

    pub(crate) fn assertion_malformed() -> Self {
        Self::client(50027, "JWT token is invalid or malformed.".to_owned())
    }

    pub(crate) fn assertion_lifetime() -> Self {
        Self::client(
            700_024,
            "Client assertion is not within its valid time range. Ensure that the access token is not \
             expired before using it for user assertion, or request a new token."
                .to_owned(),
        )
    }

    pub(crate) fn assertion_signature() -> Self {
        Self::client(
            700_027,
            "The certificate with identifier used to sign the client assertion is not registered on \
             application. [Reason - The key was not found.]"
                .to_owned(),
        )
    }

    pub(crate) fn no_federation() -> Self {
        Self::client(70025, "The client has no configured federated identity credentials.".to_owned())
    }

    /// No federated credential has this `issuer`, `subject` or `audience` (the name of `what`).
    pub(crate) fn no_match(what: &str, value: &str) -> Self {
        let code = match what {
            "issuer" => 700_211,
            "audience" => 700_212,
            _ => 700_213,
        };
        Self::client(
            code,
            format!(
                "No matching federated identity record found for presented assertion {what} '{value}'. \
                 Check your federated identity credential Subject, Audience and Issuer against the \
                 presented assertion. {FEDERATION_HELP}"
            ),
        )
    }

    pub(crate) fn keys_unreachable(issuer: &str) -> Self {
        Self::request(
            50166,
            format!(
                "Request to External OIDC endpoint failed. The signing keys of '{issuer}' cannot be read."
            ),
        )
    }

    pub(crate) fn respond(&self, now: Timestamp) -> Response<Body> {
        let (trace_id, correlation_id) = (reply::uuid(), reply::uuid());
        let timestamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let Self { status, error, code, text } = self;
        let number = format!("AADSTS{code}");
        let body = Description {
            error,
            error_description: format!(
                "{number}: {text} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}"
            ),
            error_codes: [*code],
            timestamp,
            trace_id,
            correlation_id,
            error_uri: format!("https://login.microsoftonline.com/error?code={code}"),
        };
        reply::json(*status, &body)
    }
}

/// Words a fault's error. The rule's code is the OAuth error; a message that begins with an AADSTS number
/// (`AADSTS700213: ...`) brings its own.
pub(crate) fn render(failure: &Failure, now: Timestamp) -> Response<Body> {
    let (error, code, text) = match failure.status.as_u16() {
        429 => {
            let text = "The server terminated an operation because it encountered a client request loop.";
            ("temporarily_unavailable", 50196, text)
        }
        401 => ("invalid_client", 7_000_215, "Invalid client secret provided."),
        500..=599 => ("temporarily_unavailable", 90033, "A transient error has occurred. Please try again."),
        _ => ("invalid_request", 90014, "The required field is missing."),
    };
    let message = failure.message.as_deref().unwrap_or(text);
    let numbered = message.strip_prefix("AADSTS").and_then(|rest| rest.split_once(": "));
    let (code, text) =
        numbered.and_then(|(number, text)| Some((number.parse().ok()?, text))).unwrap_or((code, message));
    let error = failure.code.clone().map_or(Cow::Borrowed(error), Cow::Owned);
    EntraError { status: failure.status, error, code, text: text.to_owned() }.respond(now)
}
