//! Access tokens of this emulator: issued by its Entra and metadata endpoints, checked by its vaults.

use jiff::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Jwk, Jwks, Parsed};
use crate::pki::{PrivateKey, base64url, public_jwk};

/// What an access token says, with the claim names of Entra's v1 tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Audience: the resource, such as `https://vault.azure.net`.
    pub aud: String,
    /// Issuer: `https://sts.windows.net/{tenant}/`.
    pub iss: String,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Not valid before, seconds since 1970.
    pub nbf: i64,
    /// Expires, seconds since 1970.
    pub exp: i64,
    /// Client id of the identity.
    pub appid: String,
    /// Object id of the identity.
    pub oid: String,
    /// Subject: the object id again.
    pub sub: String,
    /// Tenant id.
    pub tid: String,
}

/// Why an access token is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No JWT, or one without the claims of an access token.
    Malformed,
    /// Not signed by this emulator.
    Signature,
    /// Expired, or not valid yet.
    Lifetime,
}

/// Signs and verifies with a key made at start (ES256).
pub struct Signer {
    key: SigningKey,
    public: Jwks,
    kid: String,
}

impl Default for Signer {
    fn default() -> Self {
        Self::new()
    }
}

impl Signer {
    /// A signer with a new key.
    #[must_use]
    pub fn new() -> Self {
        let secret = p256::SecretKey::generate_from_rng(&mut rand::rng());
        let key = SigningKey::from(&secret);
        let public = public_jwk(&PrivateKey::P256(secret));
        let member = |name: &str| public.get(name)?.as_str().map(str::to_owned);
        let kid = base64url(&Sha256::digest(member("x").unwrap_or_default())[..16]);
        let jwk = Jwk {
            kty: "EC".to_owned(),
            kid: Some(kid.clone()),
            usage: Some("sig".to_owned()),
            alg: Some("ES256".to_owned()),
            crv: member("crv"),
            x: member("x"),
            y: member("y"),
            ..Jwk::default()
        };
        Self { key, public: Jwks { keys: vec![jwk] }, kid }
    }

    /// The public half, for the discovery documents.
    #[must_use]
    pub const fn jwks(&self) -> &Jwks {
        &self.public
    }

    /// A signed token.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        let mut payload = json!(claims);
        if let Some(object) = payload.as_object_mut() {
            object.insert("idtyp".to_owned(), "app".into());
            object.insert("ver".to_owned(), "1.0".into());
        }
        self.sign_payload(&payload.to_string())
    }

    fn sign_payload(&self, payload: &str) -> String {
        let header = json!({ "typ": "JWT", "alg": "ES256", "kid": self.kid });
        let signed =
            format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(payload.as_bytes()));
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", base64url(&signature.to_bytes()))
    }

    /// What a token of this signer says, if it is valid at this time.
    ///
    /// # Errors
    /// [`Refused`] says in which way it is not.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refused> {
        let parsed = Parsed::new(token).map_err(|_| Refused::Malformed)?;
        if !self.public.verifies(&parsed) {
            return Err(Refused::Signature);
        }
        let claims = Claims::deserialize(&parsed.claims).map_err(|_| Refused::Malformed)?;
        let now = now.as_second();
        if claims.exp <= now || claims.nbf > now {
            return Err(Refused::Lifetime);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            aud: "https://vault.azure.net".to_owned(),
            iss: "https://sts.windows.net/t/".to_owned(),
            iat: 1000,
            nbf: 1000,
            exp: 4600,
            appid: "app".to_owned(),
            oid: "oid".to_owned(),
            sub: "oid".to_owned(),
            tid: "t".to_owned(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn lifetime_signature_and_form_are_checked() {
        let signer = Signer::new();
        let token = signer.sign(&claims());
        assert_eq!(signer.verify(&token, at(1000)), Ok(claims()));
        assert_eq!(signer.verify(&token, at(4599)), Ok(claims()));
        for (time, error) in [(999, Refused::Lifetime), (4600, Refused::Lifetime)] {
            assert_eq!(signer.verify(&token, at(time)), Err(error));
        }
        assert_eq!(Signer::new().verify(&token, at(2000)), Err(Refused::Signature));
        assert_eq!(signer.verify("junk", at(2000)), Err(Refused::Malformed));
        assert_eq!(signer.verify(&signer.sign_payload("{}"), at(2000)), Err(Refused::Malformed));
    }

    #[test]
    fn unsigned_tokens_are_no_tokens() {
        let signer = Signer::new();
        let payload = base64url(json!(claims()).to_string().as_bytes());
        let token = format!("{}.{payload}.", base64url(br#"{"alg":"none"}"#));
        assert_eq!(signer.verify(&token, at(2000)), Err(Refused::Signature));
    }
}
