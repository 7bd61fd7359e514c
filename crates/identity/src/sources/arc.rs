//! Azure Arc machines: the Connected Machine agent stands in for the metadata service.
//!
//! The agent answers the first request with the name of a key file that only privileged processes can
//! read; the second request proves by its content that the caller is one. The name comes from the
//! network, so it must lie in the one directory the agent uses.

use std::path::{Path, PathBuf};

use keymount_clock::WallClock;
use keymount_sensitive::SecretString;
use tokio::time::Instant;
use url::Url;

use super::imds::metadata_request;
use crate::access::{AccessToken, TokenResponse};
use crate::error::{Source, TokenError};
use crate::scope::Scope;
use crate::transport::{Http, Method, Schedule, TransportError, credential_dump, send_with_retries};

/// Where the agent listens.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:40342/metadata/identity/oauth2/token";

/// The agent's executable: where it is, the machine is one of Azure Arc.
const AGENT: &str = "/opt/azcmagent/bin/himds";

/// Where the agent puts key files.
const KEYS: &str = "/var/opt/azcmagent/tokens";

/// Key files are a few hundred bytes.
const MAX_KEY_BYTES: u64 = 4096;

const API_VERSION: &str = "2020-06-01";

/// The agent of an Azure Arc machine.
#[derive(Clone, Debug)]
pub struct ArcAgent {
    endpoint: Url,
    keys: PathBuf,
}

impl ArcAgent {
    /// Finds out whether this is an Azure Arc machine, as MSAL does: `IDENTITY_ENDPOINT` and
    /// `IMDS_ENDPOINT` are both set, or the agent is installed.
    #[must_use]
    pub fn detect(read: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let read = |name: &str| read(name).filter(|value| !value.is_empty());
        let endpoint = read("IDENTITY_ENDPOINT");
        let told = endpoint.is_some() && read("IMDS_ENDPOINT").is_some();
        if !told && !Path::new(AGENT).exists() {
            return None;
        }
        let endpoint = Url::parse(endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT)).ok()?;
        Some(Self { endpoint, keys: KEYS.into() })
    }

    /// What identifies the machine's identity in a cache key.
    pub(crate) const fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    pub(crate) async fn request_token(
        &self,
        http: &dyn Http,
        clock: &WallClock,
        scope: &Scope,
        deadline: Instant,
    ) -> Result<AccessToken, TokenError> {
        let source = Source::ManagedIdentity;
        let unreachable = |error: TransportError| TokenError::unreachable(source, error);
        let mut url = self.endpoint.clone();
        url.query_pairs_mut()
            .append_pair("api-version", API_VERSION)
            .append_pair("resource", scope.resource());
        let send = |key: Option<SecretString>| {
            let url = url.clone();
            async move {
                let request = || match &key {
                    Some(key) => metadata_request(&url).authorization("Basic", key),
                    None => metadata_request(&url),
                };
                send_with_retries(http, &Schedule::SERVICE, clock, deadline, request).await
            }
        };
        let challenge = send(None).await.map_err(unreachable)?;
        if challenge.status != 401 {
            let status = challenge.status.as_u16();
            return Err(TokenError::Arc(format!("expected a 401 response, received {status}")));
        }
        let header = challenge.header("www-authenticate").unwrap_or_default().to_owned();
        let key = self.read_key(&header).await?;
        let answer = send(Some(key)).await.map_err(unreachable)?;
        if !matches!(answer.status.as_u16(), 200 | 202) {
            let dump = credential_dump(Method::Get, &url, &answer, &[]);
            let page = source.troubleshooting().unwrap_or_default();
            let text = format!("{} authentication failed. \n{dump}\n{page}", source.credential());
            return Err(TokenError::refused(source, &answer, text));
        }
        TokenResponse::parse(answer.body.expose(), clock)
            .map_err(|error| TokenError::Malformed { source_kind: source, error })
    }

    async fn read_key(&self, header: &str) -> Result<SecretString, TokenError> {
        let failed = |text: String| TokenError::Arc(text);
        if header.is_empty() {
            return Err(failed("response has no www-authenticate header".to_owned()));
        }
        let Some((_, path)) = header.split_once("Basic realm=") else {
            return Err(failed("basic realm= not found in the www-authenticate header".to_owned()));
        };
        let path = Path::new(path.trim());
        if path.extension().is_none_or(|extension| extension != "key") {
            return Err(failed("invalid file extension, expected .key".to_owned()));
        }
        // Lexically: `..` is a component of its own and makes the parent another one.
        if path.parent() != Some(self.keys.as_path()) {
            let (expected, found) = (self.keys.display(), path.parent().unwrap_or(Path::new("")).display());
            return Err(failed(format!("invalid file path, expected {expected}, got {found}")));
        }
        let unreadable =
            |error: std::io::Error| failed(format!("failed to read {path:?} due to error: {error}"));
        let metadata = tokio::fs::metadata(path).await.map_err(unreadable)?;
        if !metadata.is_file() || metadata.len() > MAX_KEY_BYTES {
            let size = metadata.len();
            return Err(failed(format!(
                "invalid secret file size, expected {MAX_KEY_BYTES}, file size was {size}"
            )));
        }
        tokio::fs::read_to_string(path).await.map(SecretString::new).map_err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::{Scripted, answer};

    async fn ask(keys: &Path, realm: &'static str, first: u16) -> (Result<AccessToken, String>, usize) {
        let directory = keys.display().to_string();
        let http = Scripted::new(move |request| {
            let reply = match request.headers().get("authorization") {
                Some(key) if key == "Basic k3y" => answer(200, r#"{"access_token":"t","expires_in":"3600"}"#),
                Some(_) => answer(401, "wrong key"),
                None => answer(first, "").with_header("www-authenticate", &realm.replace('@', &directory)),
            };
            async { Ok(reply) }
        });
        let agent = ArcAgent {
            endpoint: Url::parse("http://127.0.0.1:40342/metadata/identity/oauth2/token").expect("a URL"),
            keys: keys.to_owned(),
        };
        let scope = Scope::of("https://vault.azure.net");
        let deadline = Instant::now() + Duration::from_secs(5);
        let token = agent.request_token(&http, &WallClock::system(), &scope, deadline).await;
        (token.map_err(|error| error.to_string()), http.log().len())
    }

    #[tokio::test]
    async fn the_key_file_proves_the_caller() {
        let keys = tempfile::tempdir().expect("a directory");
        std::fs::write(keys.path().join("1.key"), "k3y").expect("written");
        std::fs::write(keys.path().join("huge.key"), "x".repeat(5000)).expect("written");
        let (token, requests) = ask(keys.path(), "Basic realm=@/1.key", 401).await;
        assert_eq!(token.expect("a token").secret().expose(), "t");
        assert_eq!(requests, 2);
        for (realm, first, begin) in [
            ("Basic realm=@/1.key", 200, "expected a 401 response, received 200"),
            ("", 401, "response has no www-authenticate header"),
            ("Bearer x", 401, "basic realm= not found"),
            ("Basic realm=/etc/shadow", 401, "invalid file extension"),
            ("Basic realm=/etc/x.key", 401, "invalid file path, expected "),
            ("Basic realm=@/../../etc/x.key", 401, "invalid file path, expected "),
            ("Basic realm=@/sub/x.key", 401, "invalid file path, expected "),
            ("Basic realm=@/absent.key", 401, "failed to read "),
            ("Basic realm=@/huge.key", 401, "invalid secret file size, expected 4096, file size was 5000"),
        ] {
            let error = ask(keys.path(), realm, first).await.0.err().expect("an error");
            assert!(error.starts_with(&format!("ManagedIdentityCredential: {begin}")), "{realm}: {error}");
        }
    }

    #[test]
    fn arc_is_known_by_its_environment() {
        let detect = |variables: &[(&str, &str)]| {
            ArcAgent::detect(|name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let endpoint = ("IDENTITY_ENDPOINT", "http://localhost:40342/metadata/identity/oauth2/token");
        assert!(detect(&[]).is_none() || Path::new(AGENT).exists());
        assert!(detect(&[endpoint]).is_none() || Path::new(AGENT).exists());
        let agent = detect(&[endpoint, ("IMDS_ENDPOINT", "http://localhost:40342")]).expect("an agent");
        assert_eq!(agent.endpoint.as_str(), endpoint.1);
    }
}
