//! What a vault says when it refuses a token (`WWW-Authenticate`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keymount_identity::resource_covers;
use url::Url;

/// A challenge that must not be answered. Texts are those of the Azure SDK for Go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// It names no resource.
    #[error("could not find a valid resource in the WWW-Authenticate header")]
    NoResource,
    /// The resource is no URL.
    #[error("invalid challenge resource {0:?}: it is not a URL")]
    NotUrl(String),
    /// The resource is not one this vault belongs to: a token for it is none of the vault's business.
    #[error(
        "challenge resource \"{0}\" doesn't match the requested domain. Set \
         DisableChallengeResourceVerification to true in your client options to disable. See \
         https://aka.ms/azsdk/blog/vault-uri for more information"
    )]
    Mismatch(String),
    /// A demand for claims that cannot be read.
    #[error("authentication challenge contains invalid claims")]
    Claims,
}

/// What a vault asks for. The tenant and authority it names are not read: an assertion or a secret is
/// only ever posted to the configured authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token for this resource.
    Resource(String),
    /// A token with these claims (decoded JSON).
    Claims(String),
}

impl Challenge {
    /// Reads the header of a vault on `host`.
    pub(crate) fn parse(header: &str, host: &str) -> Result<Self, ChallengeError> {
        let parameter = |name: &str| parameter(header, name);
        if parameter("error").as_deref() == Some("insufficient_claims")
            && let Some(claims) = parameter("claims").filter(|claims| !claims.is_empty())
        {
            let decoded = STANDARD.decode(claims).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            return decoded.map(Self::Claims).ok_or(ChallengeError::Claims);
        }
        let resource = parameter("scope").or_else(|| parameter("resource")).unwrap_or_default();
        if resource.is_empty() {
            return Err(ChallengeError::NoResource);
        }
        if Url::parse(&resource).is_err() {
            return Err(ChallengeError::NotUrl(resource));
        }
        if !resource_covers(&resource, host) {
            return Err(ChallengeError::Mismatch(resource));
        }
        Ok(Self::Resource(resource))
    }
}

/// The value of `name=value` or `name="value"`; parameters are separated by commas, spaces or both.
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header;
    while let Some(at) = rest.find(name) {
        let starts = rest[..at].chars().next_back().is_none_or(|c| c == ' ' || c == ',');
        let after = &rest[at + name.len()..];
        rest = after;
        let Some(value) = after.trim_start().strip_prefix('=') else { continue };
        if starts {
            let value = value.trim_start();
            return Some(match value.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
                None => value.split([',', ' ']).next().unwrap_or_default().to_owned(),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOST: &str = "kv.vault.azure.net";

    #[test]
    fn the_services_own_forms() {
        let resource = Ok(Challenge::Resource("https://vault.azure.net".to_owned()));
        for header in [
            r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#,
            r#"Bearer authorization="https://login.windows.net/t" resource="https://vault.azure.net""#,
            "Bearer resource=https://vault.azure.net, authorization=https://login.windows.net/t",
        ] {
            assert_eq!(Challenge::parse(header, HOST), resource, "{header}");
        }
        assert_eq!(
            Challenge::parse(
                r#"Bearer scope="https://vault.azure.net/.default", resource="https://other.net""#,
                HOST
            ),
            Ok(Challenge::Resource("https://vault.azure.net/.default".to_owned()))
        );
        assert_eq!(
            Challenge::parse(
                r#"Bearer realm="", authorization_uri="https://x", error="insufficient_claims", claims="eyJhIjoxfQ==""#,
                HOST
            ),
            Ok(Challenge::Claims(r#"{"a":1}"#.to_owned()))
        );
    }

    #[test]
    fn challenges_that_are_not_answered() {
        let error = |header: &str| Challenge::parse(header, HOST).expect_err("an error");
        assert_eq!(error("Bearer"), ChallengeError::NoResource);
        assert_eq!(error(r#"Bearer authorization="https://x/t""#), ChallengeError::NoResource);
        assert!(matches!(error(r#"Bearer resource="not a url""#), ChallengeError::NotUrl(_)));
        for foreign in
            ["https://management.azure.com", "https://azure.net.evil", "https://kv.vault.azure.net"]
        {
            let error = error(&format!(r#"Bearer resource="{foreign}""#)).to_string();
            assert!(error.starts_with(&format!("challenge resource \"{foreign}\" doesn't match")), "{error}");
        }
        assert_eq!(error(r#"Bearer error="insufficient_claims", claims="%%""#), ChallengeError::Claims);
    }

    proptest! {
        #[test]
        fn no_header_panics(header in ".{0,200}") {
            let _ = Challenge::parse(&header, HOST);
        }

        #[test]
        fn what_is_answered_belongs_to_the_vault(resource in "https://[a-z.]{1,30}") {
            let header = format!("Bearer resource=\"{resource}\"");
            if let Ok(Challenge::Resource(found)) = Challenge::parse(&header, HOST) {
                prop_assert!(resource_covers(&found, HOST));
            }
        }
    }
}
