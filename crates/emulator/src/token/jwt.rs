//! The compact form of a JWT (RFC 7519), unverified.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

/// Tokens longer than this are not looked at.
const MAX_LENGTH: usize = 64 * 1024;

/// Not three parts of base64url with JSON in the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON Web Token")]
pub struct Malformed;

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
}

/// A token taken apart. Nothing in it is verified.
pub struct Parsed<'a> {
    /// Signature algorithm the header names.
    pub alg: String,
    /// Key the header names.
    pub kid: Option<String>,
    /// What the signature is over.
    pub signed: &'a [u8],
    /// The signature.
    pub signature: Vec<u8>,
    /// The payload, a JSON object.
    pub claims: Value,
}

impl<'a> Parsed<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`Malformed`], which says nothing about the token.
    pub fn new(token: &'a str) -> Result<Self, Malformed> {
        if token.len() > MAX_LENGTH {
            return Err(Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Malformed)?;
        let claims: Value = serde_json::from_slice(&decode(payload)?).map_err(|_| Malformed)?;
        if !claims.is_object() {
            return Err(Malformed);
        }
        let signature = decode(signature)?;
        Ok(Self { alg: header.alg, kid: header.kid, signed: signed.as_bytes(), signature, claims })
    }

    /// A claim that is text.
    #[must_use]
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// A time claim, in whole seconds since 1970. A JWT may have fractions (RFC 7519, NumericDate).
    #[must_use]
    pub fn seconds(&self, claim: &str) -> Option<i64> {
        let value = self.claims.get(claim)?;
        value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
    }

    /// Whether the audience, which may be one text or a list, contains this one.
    #[must_use]
    pub fn has_audience(&self, audience: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(list)) => list.iter().any(|one| one == audience),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences_come_alone_or_in_lists() {
        let parsed = |claims: &str| {
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let token = format!("{}.{}.{}", part(r#"{"alg":"none"}"#), part(claims), part("s"));
            Parsed::new(&token).map(|parsed| parsed.has_audience("a"))
        };
        assert_eq!(parsed(r#"{"aud":"a"}"#), Ok(true));
        assert_eq!(parsed(r#"{"aud":["b","a"]}"#), Ok(true));
        assert_eq!(parsed(r#"{"aud":["b"]}"#), Ok(false));
        assert_eq!(parsed("{}"), Ok(false));
        assert_eq!(parsed("[]"), Err(Malformed));
    }

    #[test]
    fn times_may_have_fractions() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims = r#"{"whole":12,"fraction":12.75,"text":"12","huge":1e300}"#;
        let token = format!("{}.{}.{}", part(r#"{"alg":"none"}"#), part(claims), part("s"));
        let parsed = Parsed::new(&token).expect("a token");
        let times = ["whole", "fraction", "text", "huge", "none"].map(|claim| parsed.seconds(claim));
        assert_eq!(times, [Some(12), Some(12), None, Some(i64::MAX), None]);
    }

    #[test]
    fn junk_is_malformed() {
        for token in ["", ".", "..", "a.b", "a.b.c", "e30.e30.", "ä.ö.ü"] {
            assert_eq!(Parsed::new(token).err(), Some(Malformed), "{token}");
        }
        assert_eq!(Parsed::new(&"a".repeat(MAX_LENGTH + 1)).err(), Some(Malformed));
    }
}
