//! The node's agent of AAD Pod Identity (NMI), deprecated.

use http::HeaderValue;
use http::header::HeaderName;
use keymount_clock::WallClock;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::access::{AccessToken, MalformedToken, TokenResponse};
use crate::credential::Pod;
use crate::error::{Source, TokenError};
use crate::scope::Scope;
use crate::transport::{Http, Method, Request, TransportError};

/// Where the agent listens.
pub const DEFAULT_ENDPOINT: &str = "http://localhost:2579";

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    token: Option<TokenResponse>,
    #[serde(default)]
    clientid: Option<String>,
}

/// Asks once: the agent is on this machine and retries by itself.
pub(crate) async fn request_token(
    http: &dyn Http,
    clock: &WallClock,
    endpoint: &Url,
    pod: &Pod,
    scope: &Scope,
    deadline: Instant,
) -> Result<AccessToken, TokenError> {
    let source_kind = Source::PodIdentity;
    let mut url = endpoint.clone();
    url.set_path("/host/token/");
    url.set_query(Some(&format!("resource={}", scope.resource())));
    let malformed = |error| TokenError::Malformed { source_kind, error };
    let mut request = Request::get(url.clone());
    for (name, value) in [("podns", &pod.namespace), ("podname", &pod.name)] {
        // Kubernetes names are header values; anything else identifies no pod to the agent.
        if let Ok(value) = HeaderValue::from_str(value) {
            request = request.header(HeaderName::from_static(name), value);
        }
    }
    let answer = match tokio::time::timeout_at(deadline, http.send(request)).await {
        Ok(answer) => answer.map_err(|error| TokenError::unreachable(source_kind, error))?,
        Err(_) => {
            let error = TransportError::deadline(Method::Get, &url);
            return Err(TokenError::unreachable(source_kind, error));
        }
    };
    if answer.status != 200 {
        let body: String = String::from_utf8_lossy(answer.body.expose()).chars().take(1024).collect();
        let status = answer.status.as_u16();
        let text = format!("nmi response failed with status code: {status}, response body: {body}");
        return Err(TokenError::refused(source_kind, &answer, text));
    }
    let answered: Answered = serde_json::from_slice(answer.body.expose())
        .map_err(|error| malformed(MalformedToken::not_json(answer.body.expose(), &error)))?;
    let token = answered.token.filter(|token| token.has_token());
    match (token, answered.clientid.filter(|id| !id.is_empty())) {
        (Some(token), Some(_)) => token.into_token(clock).map_err(malformed),
        _ => Err(TokenError::Incomplete),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::{Scripted, answer};

    async fn ask(status: u16, body: &'static str) -> (Result<AccessToken, String>, Vec<String>) {
        let http = Scripted::new(move |request| {
            assert_eq!(request.headers()["podname"], "web-0");
            assert_eq!(request.headers()["podns"], "shop");
            async move { Ok(answer(status, body)) }
        });
        let endpoint = Url::parse(DEFAULT_ENDPOINT).expect("a URL");
        let pod = Pod { namespace: "shop".to_owned(), name: "web-0".to_owned(), ..Pod::default() };
        let scope = Scope::of("https://vault.azure.net");
        let deadline = Instant::now() + Duration::from_secs(5);
        let token = request_token(&http, &WallClock::system(), &endpoint, &pod, &scope, deadline).await;
        (token.map_err(|error| error.to_string()), http.log())
    }

    #[tokio::test]
    async fn the_agent_is_asked_as_upstream_asks_it() {
        let (token, log) = ask(
            200,
            r#"{"token":{"access_token":"t","expires_in":"3599","expires_on":"1900000000"},"clientid":"c"}"#,
        )
        .await;
        assert_eq!(token.expect("a token").secret().expose(), "t");
        assert_eq!(log, ["GET http://localhost:2579/host/token/?resource=https://vault.azure.net"]);
    }

    #[tokio::test]
    async fn refusals_and_gaps() {
        let text = async |status, body| ask(status, body).await.0.err().expect("an error");
        assert_eq!(
            text(404, "no AzureAssignedIdentity found").await,
            "nmi response failed with status code: 404, response body: no AzureAssignedIdentity found"
        );
        for gap in [
            r#"{"token":{"access_token":"","expires_in":"1"},"clientid":"c"}"#,
            r#"{"token":{"access_token":"t","expires_in":"1"},"clientid":""}"#,
            r#"{"clientid":"c"}"#,
        ] {
            assert_eq!(
                text(200, gap).await,
                "nmi did not return expected values in response: token and clientid"
            );
        }
    }
}
