//! Public keys that sign tokens (RFC 7517), and the check of a signature.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::{DecodePem, Encode};
use pkcs8::DecodePublicKey;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use rsa::traits::PublicKeyParts;
use serde::{Deserialize, Serialize};

use super::Parsed;
use crate::pki::base64url;

/// A set of public keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Jwks {
    /// The keys. Those of unknown kinds are kept and never match.
    pub keys: Vec<Jwk>,
}

/// A public key. Members that are of no use here are ignored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Jwk {
    /// `RSA` or `EC`.
    pub kty: String,
    /// Name of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "use")]
    pub usage: Option<String>,
    /// Its algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// RSA modulus, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// RSA exponent, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Curve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// First coordinate, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Second coordinate, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

impl Jwks {
    /// Whether one of the keys has signed the token. RS256, PS256 and ES256 are known.
    #[must_use]
    pub fn verifies(&self, token: &Parsed<'_>) -> bool {
        let named = |key: &&Jwk| token.kid.is_none() || key.kid.is_none() || key.kid == token.kid;
        self.keys.iter().filter(named).any(|key| key.verifies(token).unwrap_or(false))
    }
}

impl Jwk {
    /// The key of a certificate (PEM), if it is RSA.
    #[must_use]
    pub fn of_certificate(pem: &str) -> Option<Self> {
        let certificate = x509_cert::Certificate::from_pem(pem).ok()?;
        let public = certificate.tbs_certificate().subject_public_key_info().to_der().ok()?;
        let key = rsa::PublicKey::from_public_key_der(&public).ok()?;
        Some(Self {
            kty: "RSA".to_owned(),
            n: Some(base64url(&key.n_bytes())),
            e: Some(base64url(&key.e_bytes())),
            ..Self::default()
        })
    }

    fn verifies(&self, token: &Parsed<'_>) -> Option<bool> {
        let member = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
        let verified = match (token.alg.as_str(), self.kty.as_str()) {
            (alg @ ("RS256" | "PS256"), "RSA") => {
                let padding =
                    if alg == "RS256" { &RSA_PKCS1_2048_8192_SHA256 } else { &RSA_PSS_2048_8192_SHA256 };
                let key = RsaPublicKeyComponents { n: member(&self.n)?, e: member(&self.e)? };
                key.verify(padding, token.signed, &token.signature)
            }
            ("ES256", "EC") if self.crv.as_deref() == Some("P-256") => {
                // Uncompressed SEC1: 04, x, y.
                let point = [vec![4], member(&self.x)?, member(&self.y)?].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(token.signed, &token.signature)
            }
            _ => return None,
        };
        Some(verified.is_ok())
    }
}

#[cfg(test)]
mod tests {
    use rsa::signature::{SignatureEncoding, Signer};
    use sha2::Sha256;

    use super::*;
    use crate::pki::{Algorithm, PrivateKey};

    #[test]
    fn rs256_of_a_cluster_is_verified() {
        let PrivateKey::Rsa(key) = PrivateKey::generate(Algorithm::Rsa(2048)).expect("a key") else {
            unreachable!("asked for RSA")
        };
        let signed = format!("{}.{}", base64url(br#"{"alg":"RS256","kid":"k1"}"#), base64url(b"{}"));
        let signer = rsa::pkcs1v15::SigningKey::<Sha256>::new(key.as_ref().clone());
        let signature = signer.sign(signed.as_bytes());
        let token = format!("{signed}.{}", base64url(&signature.to_bytes()));
        let jwk = Jwk {
            kty: "RSA".to_owned(),
            kid: Some("k1".to_owned()),
            n: Some(base64url(&key.n_bytes())),
            e: Some(base64url(&key.e_bytes())),
            ..Jwk::default()
        };
        let verifies =
            |jwk: Jwk, token: &str| Jwks { keys: vec![jwk] }.verifies(&Parsed::new(token).expect("a token"));
        assert!(verifies(jwk.clone(), &token));
        assert!(!verifies(Jwk { kid: Some("k2".to_owned()), ..jwk.clone() }, &token));
        assert!(!verifies(Jwk { n: None, ..jwk.clone() }, &token));
        let forged = token.replace(&base64url(b"{}"), &base64url(br#"{"sub":"x"}"#));
        assert!(!verifies(jwk, &forged));
    }
}
