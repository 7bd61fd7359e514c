//! The instance metadata service of an Azure machine: managed identities.

use http::HeaderValue;
use http::header::HeaderName;
use keymount_clock::WallClock;
use tokio::time::Instant;
use url::Url;

use crate::access::{AccessToken, TokenResponse};
use crate::error::{Source, TokenError};
use crate::scope::Scope;
use crate::transport::{Answer, Http, Method, Request, Schedule, credential_dump, send_with_retries};

/// The real service, reachable from the machine only.
pub const DEFAULT_ENDPOINT: &str = "http://169.254.169.254";

const PATH: &str = "/metadata/identity/oauth2/token";
const API_VERSION: &str = "2018-02-01";

/// Which of a machine's identities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ManagedIdentityId {
    /// The machine's own.
    #[default]
    SystemAssigned,
    /// A user-assigned one by its client id.
    ClientId(String),
    /// A user-assigned one by its object (principal) id.
    ObjectId(String),
    /// A user-assigned one by its Azure resource id.
    ResourceId(String),
}

impl ManagedIdentityId {
    /// Reads the parameter `userAssignedIdentityID`: empty, a client id, a resource id
    /// (`/subscriptions/…`), or `objectID:<id>`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.is_empty() {
            Self::SystemAssigned
        } else if text.starts_with('/') {
            Self::ResourceId(text.to_owned())
        } else if let Some(id) = text.strip_prefix("objectID:") {
            Self::ObjectId(id.to_owned())
        } else {
            Self::ClientId(text.to_owned())
        }
    }

    pub(crate) fn query(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::SystemAssigned => None,
            Self::ClientId(id) => Some(("client_id", id)),
            Self::ObjectId(id) => Some(("object_id", id)),
            Self::ResourceId(id) => Some(("msi_res_id", id)),
        }
    }
}

pub(crate) async fn request_token(
    http: &dyn Http,
    clock: &WallClock,
    endpoint: &Url,
    identity: &ManagedIdentityId,
    scope: &Scope,
    deadline: Instant,
) -> Result<AccessToken, TokenError> {
    let mut url = endpoint.clone();
    url.set_path(PATH);
    url.query_pairs_mut()
        .clear()
        .append_pair("api-version", API_VERSION)
        .append_pair("resource", scope.resource())
        .extend_pairs(identity.query());
    let answer = send_with_retries(http, &Schedule::METADATA, clock, deadline, || metadata_request(&url))
        .await
        .map_err(|error| TokenError::unreachable(Source::ManagedIdentity, error))?;
    if !matches!(answer.status.as_u16(), 200 | 202) {
        let text = refusal(&url, identity, &answer);
        return Err(TokenError::refused(Source::ManagedIdentity, &answer, text));
    }
    TokenResponse::parse(answer.body.expose(), clock)
        .map_err(|error| TokenError::Malformed { source_kind: Source::ManagedIdentity, error })
}

/// A GET with the header that keeps forged requests (by redirects, by proxies) from the service.
pub(crate) fn metadata_request(url: &Url) -> Request {
    Request::get(url.clone()).header(HeaderName::from_static("metadata"), HeaderValue::from_static("true"))
}

fn refusal(url: &Url, identity: &ManagedIdentityId, answer: &Answer) -> String {
    let source = Source::ManagedIdentity;
    let body = String::from_utf8_lossy(answer.body.expose());
    match (answer.status.as_u16(), identity) {
        (400, ManagedIdentityId::SystemAssigned) => {
            let responded = match body.trim() {
                "" => String::new(),
                _ => format!(". The endpoint responded with {}", body.chars().take(1024).collect::<String>()),
            };
            format!("{}: failed to authenticate a system assigned identity{responded}", source.credential())
        }
        // Not a metadata service at all, but a desktop's stand-in for it.
        (403, _) if body.contains("unreachable") => {
            let body: String = body.chars().take(1024).collect();
            format!("{}: unexpected response {body:?}", source.credential())
        }
        (status, _) => {
            let message =
                if status == 400 { "the requested identity isn't assigned to this resource" } else { "" };
            let dump = credential_dump(Method::Get, url, answer, &[]);
            let page = source.troubleshooting().unwrap_or_default();
            format!("{} authentication failed. {message}\n{dump}\n{page}", source.credential())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::{RULE, Scripted, answer};

    async fn ask(http: &Scripted, identity: &str) -> Result<AccessToken, TokenError> {
        let endpoint = Url::parse(DEFAULT_ENDPOINT).expect("a URL");
        let identity = ManagedIdentityId::parse(identity);
        let scope = Scope::of("https://vault.azure.net");
        let deadline = Instant::now() + Duration::from_secs(110);
        request_token(http, &WallClock::system(), &endpoint, &identity, &scope, deadline).await
    }

    #[tokio::test]
    async fn each_kind_of_identity_has_its_parameter() {
        let http = Scripted::new(|request| {
            assert_eq!(request.headers()["metadata"], "true");
            async {
                Ok(answer(200, r#"{"access_token":"t","expires_in":"86399","expires_on":"1900000000"}"#))
            }
        });
        for identity in ["", "11111111-1111", "objectID:2222", "/subscriptions/s/x"] {
            ask(&http, identity).await.expect("a token");
        }
        let common = "GET http://169.254.169.254/metadata/identity/oauth2/token\
                      ?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";
        assert_eq!(
            http.log(),
            [
                common.to_owned(),
                format!("{common}&client_id=11111111-1111"),
                format!("{common}&object_id=2222"),
                format!("{common}&msi_res_id=%2Fsubscriptions%2Fs%2Fx"),
            ]
        );
    }

    #[tokio::test]
    async fn refusals_read_as_the_sdks() {
        let body = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
        let http = Scripted::new(move |_| async move { Ok(answer(400, body)) });
        let text = |result: Result<AccessToken, TokenError>| result.err().expect("an error").to_string();
        let user = text(ask(&http, "client").await);
        let begin = format!(
            "ManagedIdentityCredential authentication failed. the requested identity isn't assigned to this \
             resource\nGET http://169.254.169.254/metadata/identity/oauth2/token\n{RULE}\nRESPONSE 400: 400 Bad Request\n"
        );
        assert!(user.starts_with(&begin), "{user}");
        assert!(user.ends_with("https://aka.ms/azsdk/go/identity/troubleshoot#managed-id"));
        assert_eq!(
            text(ask(&http, "").await),
            format!(
                "ManagedIdentityCredential: failed to authenticate a system assigned identity. \
                 The endpoint responded with {body}"
            )
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_update_of_the_service_is_sat_out() {
        let http = Scripted::new(|_| async { Ok(answer(410, "")) });
        let started = Instant::now();
        assert!(ask(&http, "").await.is_err());
        assert_eq!(http.log().len(), 7);
        assert!(started.elapsed() > Duration::from_secs(70), "{:?}", started.elapsed());
    }
}
