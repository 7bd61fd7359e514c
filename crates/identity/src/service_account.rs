//! Service-account tokens as kubelet hands them to a CSI driver, and what may be believed of them.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use keymount_sensitive::{SecretBytes, SecretString};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// The audience of tokens for workload identity.
pub const WORKLOAD_IDENTITY_AUDIENCE: &str = "api://AzureADTokenExchange";

/// The audience of tokens for AKS identity bindings.
pub const IDENTITY_BINDING_AUDIENCE: &str = "api://AKSIdentityBinding";

/// The CSI tokens attribute does not hold the wanted token. Texts are those of the Go stack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceAccountTokenError {
    /// There is no attribute.
    #[error("service account tokens not found")]
    Absent,
    /// It is not the JSON that kubelet writes. No token of it is shown.
    #[error("failed to unmarshal service account tokens, error: {0}")]
    Malformed(String),
    /// It holds no token for this audience.
    #[error("token for audience {0} not found")]
    Audience(&'static str),
}

/// One entry of the attribute, which may be null.
#[derive(Default)]
struct Entry(Fields);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(json)?;
        match kind(raw.get()) {
            "null" => Ok(Self::default()),
            "object" => serde_json::from_str(raw.get()).map(Self).map_err(|error| {
                // Positions are those inside the entry, so they would mislead.
                let text = error.to_string();
                let end = text.rfind(" at line ").unwrap_or(text.len());
                serde::de::Error::custom(&text[..end])
            }),
            other => Err(serde::de::Error::custom(format_args!(
                "json: cannot unmarshal {other} into Go value of type auth.saToken"
            ))),
        }
    }
}

/// Its fields. Every one may be absent or null.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(alias = "Token", deserialize_with = "text")]
    token: Option<SecretString>,
    #[serde(rename = "expirationTimestamp", deserialize_with = "timestamp")]
    _expiration: (),
}

fn text<'de, D: Deserializer<'de>>(json: D) -> Result<Option<SecretString>, D::Error> {
    let raw = <&RawValue>::deserialize(json)?;
    let kind = match kind(raw.get()) {
        "string" => return Ok(serde_json::from_str(raw.get()).ok()),
        "null" => return Ok(None),
        kind => kind,
    };
    Err(serde::de::Error::custom(format_args!(
        "json: cannot unmarshal {kind} into Go struct field saToken.token of type string"
    )))
}

/// What Go calls the JSON value that a text is.
fn kind(json: &str) -> &'static str {
    match json.trim_start().as_bytes().first() {
        Some(b'"') => "string",
        Some(b'n') => "null",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "bool",
        _ => "number",
    }
}

fn timestamp<'de, D: Deserializer<'de>>(json: D) -> Result<(), D::Error> {
    let raw = <&RawValue>::deserialize(json)?;
    if !matches!(kind(raw.get()), "string" | "null") {
        return Err(serde::de::Error::custom("Time.UnmarshalJSON: input is not a JSON string"));
    }
    let Ok(Some(text)) = serde_json::from_str::<Option<String>>(raw.get()) else { return Ok(()) };
    if text.parse::<Timestamp>().is_ok() {
        return Ok(());
    }
    // Long text in this place is not a date, and might be a token in the wrong field.
    let shown = if text.len() <= 40 { text.as_str() } else { "…" };
    Err(serde::de::Error::custom(format_args!(
        "parsing time \"{shown}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{shown}\" as \"2006\""
    )))
}

/// Takes the token for `audience` out of the attribute `csi.storage.k8s.io/serviceAccount.tokens`:
/// JSON `{"<audience>": {"token": "…", "expirationTimestamp": "<RFC 3339>"}}`. Whether the token is
/// still valid is for whoever accepts it to decide.
///
/// # Errors
/// When the attribute is empty, malformed, or has no token for this audience.
pub fn token_for(
    attribute: &SecretString,
    audience: &'static str,
) -> Result<SecretString, ServiceAccountTokenError> {
    let json = attribute.expose();
    if json.is_empty() {
        return Err(ServiceAccountTokenError::Absent);
    }
    let mut tokens: HashMap<String, Entry> = serde_json::from_str::<Option<_>>(json)
        .map_err(|error| ServiceAccountTokenError::Malformed(go_words(json, &error)))?
        .unwrap_or_default();
    let Entry(fields) = tokens.remove(audience).unwrap_or_default();
    fields
        .token
        .filter(|token| !token.expose().is_empty())
        .ok_or(ServiceAccountTokenError::Audience(audience))
}

/// What Go would say, as far as that shows no more than one character of the input.
fn go_words(json: &str, error: &serde_json::Error) -> String {
    let first = json.trim_start().chars().next();
    match (error.classify(), first) {
        (Category::Eof, _) => "unexpected end of JSON input".to_owned(),
        (Category::Syntax, Some(first)) if !matches!(first, '{' | '[' | '"') => {
            format!("invalid character '{first}' looking for beginning of value")
        }
        (Category::Data, Some('{')) => {
            let text = error.to_string();
            let own =
                ["json: ", "parsing time ", "Time.UnmarshalJSON: "].iter().any(|own| text.starts_with(own));
            let end = text.rfind(" at line ").unwrap_or(text.len());
            if own { text[..end].to_owned() } else { "json: cannot unmarshal into Go value".to_owned() }
        }
        (Category::Data, _) => {
            format!("json: cannot unmarshal {} into Go value of type map[string]auth.saToken", kind(json))
        }
        _ => format!("invalid JSON at line {} column {}", error.line(), error.column()),
    }
}

/// SHA-256 of a token: what is remembered of tokens that Entra accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(crate) fn of(token: &SecretString) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.expose().as_bytes()).as_ref());
        Self(hash)
    }
}

/// What a token says of itself. Nobody has checked its signature.
#[derive(Deserialize)]
pub(crate) struct Claims {
    #[serde(rename = "iss")]
    pub(crate) issuer: String,
    #[serde(rename = "sub")]
    pub(crate) subject: String,
    #[serde(rename = "exp")]
    expires: f64,
}

impl Claims {
    /// How long the token still lives by its own account.
    pub(crate) fn lifetime(&self, now: Timestamp) -> Duration {
        Duration::try_from_secs_f64(self.expires - seconds(now)).unwrap_or_default()
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit into the mantissa")]
fn seconds(moment: Timestamp) -> f64 {
    moment.as_second() as f64
}

/// Reads a token's claims if it may have to do with caches at all: an unexpired JWT whose subject is
/// the very service account that kubelet reported for the pod. Anybody can write such a token, so it
/// also takes Entra's acceptance of it before anything cached is served; but a token that fails here
/// comes from somewhere else, and nothing of it may enter or leave a cache.
pub(crate) fn admissible(
    token: &SecretString,
    namespace: &str,
    service_account: &str,
    now: Timestamp,
) -> Option<Claims> {
    let mut parts = token.expose().split('.');
    let (_, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || signature.is_empty() || service_account.is_empty() {
        return None;
    }
    let payload = SecretBytes::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    let claims: Claims = serde_json::from_slice(payload.expose()).ok()?;
    let genuine = claims.subject == format!("system:serviceaccount:{namespace}:{service_account}")
        && !claims.issuer.is_empty()
        && claims.expires > seconds(now);
    genuine.then_some(claims)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A token that says of itself what the arguments say.
    pub(crate) fn jwt(issuer: &str, subject: &str, expires: i64, signature: &str) -> SecretString {
        let claims = serde_json::json!({ "iss": issuer, "sub": subject, "exp": expires }).to_string();
        let (header, claims) = (URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#), URL_SAFE_NO_PAD.encode(claims));
        SecretString::new(format!("{header}.{claims}.{signature}"))
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("a time")
    }

    #[test]
    fn the_attribute_in_every_state() {
        let find = |json: &str| {
            token_for(&SecretString::new(json.to_owned()), WORKLOAD_IDENTITY_AUDIENCE)
                .map(SecretString::into_inner)
                .map_err(|error| error.to_string())
        };
        let absent = Err("token for audience api://AzureADTokenExchange not found".to_owned());
        let good = r#"{"api://AzureADTokenExchange":{"token":"t","expirationTimestamp":"2026-11-24T10:00:00Z"},
                       "api://AKSIdentityBinding":{"token":"b"}}"#;
        assert_eq!(find(good), Ok("t".to_owned()));
        assert_eq!(find(""), Err("service account tokens not found".to_owned()));
        assert_eq!(find("{}"), absent);
        assert_eq!(find("null"), absent);
        assert_eq!(find(r#"{"other":{"token":"t"}}"#), absent);
        assert_eq!(find(r#"{"api://AzureADTokenExchange":{"token":""}}"#), absent);
        assert_eq!(find(r#"{"api://AzureADTokenExchange":null}"#), absent);
        for (json, end) in [
            ("invalid", "invalid character 'i' looking for beginning of value"),
            (r#"{"a":"#, "unexpected end of JSON input"),
            (
                r#"{"a":{"token":1}}"#,
                "json: cannot unmarshal number into Go struct field saToken.token of type string",
            ),
            (
                r#"{"a":{"token":"t","expirationTimestamp":"soon"}}"#,
                "parsing time \"soon\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"soon\" as \"2006\"",
            ),
            (
                r#"{"a":{"token":"t","expirationTimestamp":5}}"#,
                "Time.UnmarshalJSON: input is not a JSON string",
            ),
            ("[]", "json: cannot unmarshal array into Go value of type map[string]auth.saToken"),
            (r#""c4n4ry""#, "json: cannot unmarshal string into Go value of type map[string]auth.saToken"),
            (r#"{"a":"c4n4ry"}"#, "json: cannot unmarshal string into Go value of type auth.saToken"),
        ] {
            let expected = format!("failed to unmarshal service account tokens, error: {end}");
            assert_eq!(find(json), Err(expected), "{json}");
        }
    }

    #[test]
    fn only_the_pods_own_unexpired_token_is_admissible() {
        let own = "system:serviceaccount:shop:web";
        let ok = |token: &SecretString| admissible(token, "shop", "web", now()).is_some();
        assert!(ok(&jwt("https://issuer", own, 1_800_000_001, "s")));
        assert!(!ok(&jwt("https://issuer", own, 1_800_000_000, "s")), "expired");
        assert!(!ok(&jwt("https://issuer", "system:serviceaccount:bank:web", 1_800_000_001, "s")));
        assert!(!ok(&jwt("https://issuer", "system:serviceaccount:shop:web2", 1_800_000_001, "s")));
        assert!(!ok(&jwt("", own, 1_800_000_001, "s")), "no issuer");
        assert!(!ok(&jwt("https://issuer", own, 1_800_000_001, "")), "no signature");
        for opaque in ["", "opaque", "a.b.c", "a.b", "....", "a.e30.c"] {
            assert!(!ok(&SecretString::new(opaque.to_owned())), "{opaque}");
        }
        let nameless = jwt("https://issuer", "system:serviceaccount:shop:", 1_800_000_001, "s");
        assert!(admissible(&nameless, "shop", "", now()).is_none(), "kubelet reported no service account");
    }

    proptest! {
        #[test]
        fn no_attribute_and_no_token_panics(text in ".{0,200}", claims in ".{0,100}") {
            let _ = token_for(&SecretString::new(text.clone()), WORKLOAD_IDENTITY_AUDIENCE);
            let payload = URL_SAFE_NO_PAD.encode(claims);
            for token in [text, format!("h.{payload}.s")] {
                let claims = admissible(&SecretString::new(token), "shop", "web", now());
                prop_assert!(claims.is_none_or(|claims| claims.subject == "system:serviceaccount:shop:web"));
            }
        }
    }
}
