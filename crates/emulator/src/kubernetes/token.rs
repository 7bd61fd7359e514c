//! Service-account tokens: signed, verified, and their public key as JWKS.

use jiff::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::pki::{PrivateKey, base64url, public_jwk};
use crate::token::{Jwk, Jwks, Parsed};

/// Signs the tokens of one server, with a key made at its start (ES256).
pub(crate) struct Signer {
    key: SigningKey,
    public: Jwks,
    key_id: String,
    issuer: String,
}

/// Who a token is for, and what it is bound to.
#[derive(Clone, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) account: &'a str,
    pub(crate) account_uid: &'a str,
    /// Kind (`pod`, `secret`), name and uid.
    pub(crate) bound: Option<(&'a str, &'a str, &'a str)>,
    /// Name and uid of the node of a bound pod.
    pub(crate) node: Option<(&'a str, Option<&'a str>)>,
}

impl Signer {
    /// A signer with a new key.
    pub(crate) fn new(issuer: String) -> Self {
        let secret = p256::SecretKey::generate_from_rng(&mut rand::rng());
        let key = SigningKey::from(&secret);
        let public = public_jwk(&PrivateKey::P256(secret));
        let member = |name: &str| public.get(name)?.as_str().map(str::to_owned);
        let key_id = base64url(&Sha256::digest(member("x").unwrap_or_default()));
        let jwk = Jwk {
            kty: "EC".to_owned(),
            kid: Some(key_id.clone()),
            usage: Some("sig".to_owned()),
            alg: Some("ES256".to_owned()),
            crv: member("crv"),
            x: member("x"),
            y: member("y"),
            ..Jwk::default()
        };
        Self { key, public: Jwks { keys: vec![jwk] }, key_id, issuer }
    }

    /// The issuer of the tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A signed token. Times are seconds since 1970.
    pub(crate) fn sign(
        &self,
        subject: &Subject<'_>,
        audiences: &[String],
        issued: i64,
        expires: i64,
        id: &str,
    ) -> String {
        let mut private = json!({
            "namespace": subject.namespace,
            "serviceaccount": {"name": subject.account, "uid": subject.account_uid},
        });
        if let Some((kind, name, uid)) = subject.bound {
            private[kind] = json!({"name": name, "uid": uid});
        }
        if let Some((name, uid)) = subject.node {
            private["node"] =
                uid.map_or_else(|| json!({"name": name}), |uid| json!({"name": name, "uid": uid}));
        }
        let claims = json!({
            "iss": self.issuer, "sub": format!("system:serviceaccount:{}:{}", subject.namespace, subject.account),
            "aud": audiences, "iat": issued, "nbf": issued, "exp": expires, "jti": id, "kubernetes.io": private,
        });
        let header = json!({"alg": "ES256", "kid": self.key_id});
        let encode = |part: &Value| base64url(part.to_string().as_bytes());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", base64url(&signature.to_bytes()))
    }

    /// Namespace and name of the service account of a token for this server that has not expired.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Option<(String, String)> {
        let parsed = Parsed::new(token).ok()?;
        let alive = parsed.seconds("exp")? > now.as_second();
        if !self.public.verifies(&parsed) || !parsed.has_audience(&self.issuer) || !alive {
            return None;
        }
        let (namespace, name) =
            parsed.text("sub")?.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        Some((namespace.to_owned(), name.to_owned()))
    }

    /// The public key, as `/openid/v1/jwks` serves it.
    pub(crate) const fn jwks(&self) -> &Jwks {
        &self.public
    }

    /// The discovery document, as `/.well-known/openid-configuration` serves it.
    pub(crate) fn configuration(&self, server: &str) -> Value {
        json!({
            "issuer": self.issuer, "jwks_uri": format!("{server}/openid/v1/jwks"),
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_verified() {
        let signer = Signer::new("https://issuer.test".to_owned());
        let subject = Subject {
            namespace: "a",
            account: "s",
            account_uid: "u",
            bound: Some(("pod", "p", "pu")),
            node: None,
        };
        let token = |audience: &str| signer.sign(&subject, &[audience.to_owned()], 100, 200, "id");
        let at = |second| Timestamp::from_second(second).expect("a time");
        let ours = token("https://issuer.test");
        assert_eq!(signer.verify(&ours, at(150)), Some(("a".to_owned(), "s".to_owned())));
        assert_eq!(signer.verify(&ours, at(200)), None, "expired");
        assert_eq!(signer.verify(&token("api://AzureADTokenExchange"), at(150)), None, "for someone else");
        assert_eq!(
            Signer::new("https://issuer.test".to_owned()).verify(&ours, at(150)),
            None,
            "by someone else"
        );
        assert_eq!(signer.verify("a.b.c", at(150)), None);
    }
}
