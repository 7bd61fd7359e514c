//! Entra's (and AD FS's) token endpoint: the client-credentials grant.

use keymount_sensitive::{SecretBytes, SecretString};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use crate::access::{AccessToken, TokenResponse};
use crate::error::{Source, TokenError};
use crate::scope::Scope;
use crate::transport::{Http, Request, Schedule, credential_dump, send_with_retries};
use crate::transport::{Method, TransportError};

/// How the client proves itself.
pub(crate) enum Proof<'a> {
    /// A client secret.
    Secret(&'a SecretString),
    /// A signed assertion: the pod's service-account token, or one signed with a certificate.
    Assertion(&'a SecretString),
}

/// One token request.
pub(crate) struct Grant<'a> {
    pub(crate) source: Source,
    pub(crate) client: &'a str,
    pub(crate) proof: Proof<'a>,
    pub(crate) scope: &'a Scope,
    /// A vault's demand for a token with certain claims, decoded.
    pub(crate) claims: Option<&'a str>,
}

/// Where the request goes, and what error texts call that.
pub(crate) struct Endpoint<'a> {
    pub(crate) url: &'a Url,
    pub(crate) shown: &'a Url,
    /// The `Host` to send where it is not the URL's.
    pub(crate) host: Option<http::HeaderValue>,
}

impl<'a> Endpoint<'a> {
    /// The endpoint as it is.
    pub(crate) const fn of(url: &'a Url) -> Self {
        Self { url, shown: url, host: None }
    }
}

/// Asks for a token, on the service schedule and within `deadline`.
pub(crate) async fn request_token(
    http: &dyn Http,
    clock: &keymount_clock::WallClock,
    endpoint: &Endpoint<'_>,
    grant: &Grant<'_>,
    deadline: Instant,
) -> Result<AccessToken, TokenError> {
    let source = grant.source;
    let answer = send_with_retries(http, &Schedule::SERVICE, clock, deadline, || {
        let request = Request::post_form(endpoint.url.clone(), grant.form());
        match &endpoint.host {
            Some(host) => request.header(http::header::HOST, host.clone()),
            None => request,
        }
    })
    .await
    .map_err(|error: TransportError| {
        TokenError::unreachable(source, error.shown_as(endpoint.shown.as_str()))
    })?;
    if answer.status != 200 {
        let (Proof::Secret(secret) | Proof::Assertion(secret)) = grant.proof;
        let encoded = encode(secret.expose());
        let secrets = [secret.expose().as_str(), encoded.expose().as_str()];
        let dump = credential_dump(Method::Post, endpoint.shown, &answer, &secrets);
        let page = source.troubleshooting().map(|page| format!("\n{page}")).unwrap_or_default();
        let text = format!("{} authentication failed. \n{dump}{page}", source.credential());
        return Err(TokenError::refused(source, &answer, text));
    }
    TokenResponse::parse(answer.body.expose(), clock)
        .map_err(|error| TokenError::Malformed { source_kind: source, error })
}

/// What stands for itself in a form.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

fn encode(text: &str) -> SecretString {
    SecretString::new(percent_encode(text.as_bytes(), FORM).to_string())
}

impl Grant<'_> {
    fn form(&self) -> SecretBytes {
        let claims = claims(self.claims).to_string();
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client),
            ("scope", self.scope.as_str()),
            ("claims", &claims),
        ];
        match self.proof {
            Proof::Secret(secret) => fields.push(("client_secret", secret.expose())),
            Proof::Assertion(assertion) => fields.extend([
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", assertion.expose().as_str()),
            ]),
        }
        // Three bytes for each byte at most: the buffer never grows and leaves no copy behind.
        let most = fields.iter().map(|(name, value)| name.len() + value.len() * 3 + 2).sum();
        let mut form = SecretBytes::new(Vec::with_capacity(most));
        for (name, value) in fields {
            let form = form.expose_mut();
            if !form.is_empty() {
                form.push(b'&');
            }
            form.extend_from_slice(name.as_bytes());
            form.push(b'=');
            for piece in percent_encode(value.as_bytes(), FORM) {
                form.extend_from_slice(piece.as_bytes());
            }
        }
        form
    }
}

/// The capability to answer claims challenges, merged with a challenge's own claims.
fn claims(challenge: Option<&str>) -> Value {
    let capability = json!({ "values": ["CP1"] });
    let demanded = challenge.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let mut claims = demanded.filter(Value::is_object).unwrap_or_else(|| json!({}));
    if !claims["access_token"].is_object() {
        claims["access_token"] = json!({});
    }
    claims["access_token"]["xms_cc"] = capability;
    claims
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use keymount_clock::WallClock;

    use super::*;
    use crate::transport::{RULE, Scripted, answer};

    fn url() -> Url {
        Url::parse("https://login.test/t/oauth2/v2.0/token").expect("a URL")
    }

    async fn ask(http: &Scripted, proof: Proof<'_>, source: Source) -> Result<AccessToken, TokenError> {
        let clock = WallClock::system();
        let (url, scope) = (url(), Scope::of("https://vault.azure.net"));
        let endpoint = Endpoint::of(&url);
        let grant = Grant { source, client: "app", proof, scope: &scope, claims: None };
        request_token(http, &clock, &endpoint, &grant, Instant::now() + Duration::from_secs(100)).await
    }

    fn token(secret: &str) -> SecretString {
        SecretString::new(secret.to_owned())
    }

    #[tokio::test]
    async fn the_form_holds_what_entra_needs() {
        let seen = Arc::new(Mutex::new(HashMap::new()));
        let record = Arc::clone(&seen);
        let http = Scripted::new(move |request| {
            let form = url::form_urlencoded::parse(request.body().unwrap_or_default());
            *record.lock().expect("the lock") = form.into_owned().collect::<HashMap<_, _>>();
            assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
            async { Ok(answer(200, r#"{"access_token":"a","expires_in":3599}"#)) }
        });
        let issued = ask(&http, Proof::Assertion(&token("a.b+c/=&")), Source::WorkloadIdentity).await;
        assert_eq!(issued.expect("a token").secret().expose(), "a");
        let form = std::mem::take(&mut *seen.lock().expect("the lock"));
        for (name, value) in [
            ("grant_type", "client_credentials"),
            ("client_id", "app"),
            ("client_assertion", "a.b+c/=&"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("scope", "https://vault.azure.net/.default"),
            ("claims", r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#),
        ] {
            assert_eq!(form.get(name).map(String::as_str), Some(value), "{name}");
        }
        ask(&http, Proof::Secret(&token("s e c")), Source::ServicePrincipal).await.expect("a token");
        assert_eq!(seen.lock().expect("the lock").get("client_secret").map(String::as_str), Some("s e c"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_reads_as_the_sdks_and_shows_no_secret() {
        let http = Scripted::new(|_| async {
            Ok(answer(401, r#"{"error":"invalid_client","error_codes":[7000215],"echo":"c4n%26ry c4n&ry"}"#))
        });
        let error = ask(&http, Proof::Secret(&token("c4n&ry")), Source::ServicePrincipal).await.err();
        let error = error.expect("an error");
        let text = error.to_string();
        let begin = format!(
            "ClientSecretCredential authentication failed. \nPOST https://login.test/t/oauth2/v2.0/token\n{RULE}\n\
             RESPONSE 401: 401 Unauthorized\n{RULE}\n{{\n  \"error\": \"invalid_client\","
        );
        assert!(text.starts_with(&begin), "{text}");
        assert!(text.ends_with(&format!(
            "\n{RULE}\nTo troubleshoot, visit https://aka.ms/azsdk/go/identity/troubleshoot#client-secret"
        )));
        assert!(!text.contains("c4n"), "{text}");
        assert_eq!(http.log().len(), 1, "a refusal is not repeated");
    }

    #[tokio::test(start_paused = true)]
    async fn server_errors_are_repeated_on_schedule() {
        let http = Scripted::new(|_| async { Ok(answer(503, "")) });
        let started = Instant::now();
        let error = ask(&http, Proof::Assertion(&token("t")), Source::WorkloadIdentity).await.err();
        assert!(error.expect("an error").to_string().contains("RESPONSE 503"));
        assert_eq!(http.log().len(), 4);
        let waited = started.elapsed().as_millis();
        assert!((7040..=11_440).contains(&waited), "{waited} ms");
    }

    #[test]
    fn claims_of_a_challenge_are_merged() {
        let merged = claims(Some(r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#));
        assert_eq!(merged["access_token"]["nbf"]["value"], "1");
        assert_eq!(merged["access_token"]["xms_cc"]["values"][0], "CP1");
        for odd in [None, Some("junk"), Some("[]"), Some(r#"{"access_token":1}"#)] {
            assert_eq!(claims(odd)["access_token"]["xms_cc"]["values"][0], "CP1");
        }
    }
}
