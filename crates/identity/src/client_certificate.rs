//! A service principal's certificate: assertions signed with its key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use keymount_sensitive::SecretString;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use url::Url;

/// How long an assertion is valid, in seconds: it is used at once.
const LIFETIME: i64 = 600;

/// A certificate with its private key, from PEM text.
pub struct ClientCertificate {
    pem: SecretString,
    key: RsaKeyPair,
    sha256: String,
    sha1: String,
}

/// The text is no certificate with an RSA key. Nothing of it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientCertificateError {
    /// No `CERTIFICATE` block.
    #[error("no certificates found")]
    NoCertificate,
    /// No private key block, or an encrypted one.
    #[error("no private key found")]
    NoKey,
    /// The key is not RSA of 2048 to 4096 bits.
    #[error("key must be an RSA key")]
    NotRsa,
}

impl ClientCertificate {
    /// Reads PEM text with the certificate (the first one counts) and its unencrypted RSA key, in any
    /// order.
    ///
    /// # Errors
    /// When one of the two is missing or unusable.
    pub fn from_pem(pem: SecretString) -> Result<Self, ClientCertificateError> {
        let text = pem.expose().as_bytes();
        let certificate =
            CertificateDer::from_pem_slice(text).map_err(|_| ClientCertificateError::NoCertificate)?;
        let key = match PrivateKeyDer::from_pem_slice(text) {
            Ok(PrivateKeyDer::Pkcs8(key)) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            Ok(PrivateKeyDer::Pkcs1(key)) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            Ok(_) => return Err(ClientCertificateError::NotRsa),
            Err(_) => return Err(ClientCertificateError::NoKey),
        };
        let key = key.map_err(|_| ClientCertificateError::NotRsa)?;
        let thumbprint = |algorithm| URL_SAFE_NO_PAD.encode(digest(algorithm, &certificate));
        let (sha256, sha1) = (thumbprint(&SHA256), thumbprint(&SHA1_FOR_LEGACY_USE_ONLY));
        Ok(Self { pem, key, sha256, sha1 })
    }

    /// What makes this credential differ from others, for a keyed hash.
    pub(crate) fn identity(&self) -> &[u8] {
        self.pem.expose().as_bytes()
    }

    /// A signed assertion that `client` is who it says, for one token endpoint. AD FS knows only the
    /// older algorithms.
    pub(crate) fn assertion(&self, client: &str, endpoint: &Url, adfs: bool, now: Timestamp) -> SecretString {
        let header = if adfs {
            json!({ "alg": "RS256", "typ": "JWT", "x5t": self.sha1 })
        } else {
            json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.sha256 })
        };
        let encoding: &dyn RsaEncoding = if adfs { &RSA_PKCS1_SHA256 } else { &RSA_PSS_SHA256 };
        let random = SystemRandom::new();
        let mut id = [0; 16];
        // A repeated id is refused by the issuer at worst.
        let _ = random.fill(&mut id);
        let now = now.as_second();
        let claims = json!({
            "aud": endpoint.as_str(), "iss": client, "sub": client,
            "jti": URL_SAFE_NO_PAD.encode(id), "nbf": now, "exp": now + LIFETIME,
        });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let mut signature = vec![0; self.key.public().modulus_len()];
        if self.key.sign(encoding, &random, signed.as_bytes(), &mut signature).is_err() {
            // Without random numbers there is no signature, and the issuer refuses.
            signature.clear();
        }
        SecretString::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{self, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    /// Made for this test with `openssl req -x509 -newkey rsa:2048 -nodes`; protects nothing.
    const PEM: &str = include_str!("client_certificate/test.pem");

    fn certificate(pem: &str) -> Result<ClientCertificate, ClientCertificateError> {
        ClientCertificate::from_pem(SecretString::new(pem.to_owned()))
    }

    #[test]
    fn assertions_are_signed_and_say_for_whom() {
        let certificate = certificate(PEM).expect("a certificate");
        let endpoint = Url::parse("https://login.test/t/oauth2/v2.0/token").expect("a URL");
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        for (adfs, algorithm, header) in [
            (false, &signature::RSA_PSS_2048_8192_SHA256, "PS256"),
            (true, &signature::RSA_PKCS1_2048_8192_SHA256, "RS256"),
        ] {
            let assertion = certificate.assertion("app", &endpoint, adfs, now);
            let parts: Vec<&str> = assertion.expose().split('.').collect();
            let decoded: Vec<Vec<u8>> =
                parts.iter().map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url")).collect();
            let signed = assertion.expose().rsplit_once('.').expect("three parts").0;
            let key = UnparsedPublicKey::new(algorithm, certificate.key.public().as_ref());
            key.verify(signed.as_bytes(), &decoded[2]).expect("a good signature");
            let json: Value = serde_json::from_slice(&decoded[0]).expect("JSON");
            assert_eq!(json["alg"], header);
            let claims: Value = serde_json::from_slice(&decoded[1]).expect("JSON");
            assert_eq!((&claims["iss"], &claims["sub"]), (&json!("app"), &json!("app")));
            assert_eq!(claims["aud"], endpoint.as_str());
            assert_eq!(claims["exp"], 1_800_000_600);
        }
    }

    #[test]
    fn texts_that_are_no_certificate_with_key() {
        let (key, cert) = PEM.split_at(PEM.find("-----BEGIN CERTIFICATE").expect("a certificate"));
        assert_eq!(certificate("c4n4ry").err(), Some(ClientCertificateError::NoCertificate));
        assert_eq!(certificate(key).err(), Some(ClientCertificateError::NoCertificate));
        assert_eq!(certificate(cert).err(), Some(ClientCertificateError::NoKey));
        let ec = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        assert_eq!(certificate(&format!("{cert}\n{ec}")).err(), Some(ClientCertificateError::NotRsa));
        assert!(certificate(&format!("{cert}\n{key}")).is_ok());
    }
}
