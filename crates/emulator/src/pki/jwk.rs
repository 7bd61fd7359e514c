//! The public JSON Web Key of a private key (RFC 7518 section 6), in Key Vault's spelling.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::elliptic_curve::sec1::ToSec1Point;
use rsa::traits::PublicKeyParts;
use serde_json::{Map, Value};

use super::PrivateKey;

/// Unpadded base64url, as all binary members of a JWK are written.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `kty` (`RSA` or `EC`) and the public members: `n` and `e`, or `crv`, `x` and `y`.
#[must_use]
pub fn public(key: &PrivateKey) -> Map<String, Value> {
    let mut jwk = Map::new();
    let mut set = |name: &str, value: String| jwk.insert(name.to_owned(), value.into());
    let mut curve = |name: &str, point: &[u8]| {
        // Uncompressed SEC1: 04, x, y.
        let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
        set("kty", "EC".to_owned());
        set("crv", name.to_owned());
        set("x", encode(x));
        set("y", encode(y));
    };
    match key {
        PrivateKey::Rsa(key) => {
            set("kty", "RSA".to_owned());
            set("n", encode(&key.n_bytes()));
            set("e", encode(&key.e_bytes()));
        }
        PrivateKey::P256(key) => curve("P-256", key.public_key().to_sec1_point(false).as_bytes()),
        PrivateKey::P384(key) => curve("P-384", key.public_key().to_sec1_point(false).as_bytes()),
        PrivateKey::P521(key) => curve("P-521", key.public_key().to_sec1_point(false).as_bytes()),
        PrivateKey::P256K(key) => curve("P-256K", key.public_key().to_sec1_point(false).as_bytes()),
    }
    jwk
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Algorithm;

    #[test]
    fn coordinates_have_their_full_length() {
        for (algorithm, curve, length) in
            [(Algorithm::P256, "P-256", 32), (Algorithm::P384, "P-384", 48), (Algorithm::P521, "P-521", 66)]
        {
            let jwk = public(&PrivateKey::generate(algorithm).expect("a key"));
            assert_eq!(jwk["crv"], curve);
            for member in ["x", "y"] {
                let bytes = URL_SAFE_NO_PAD.decode(jwk[member].as_str().expect("text")).expect("base64url");
                assert_eq!(bytes.len(), length, "{curve} {member}");
            }
        }
        let rsa = public(&PrivateKey::generate(Algorithm::Rsa(2048)).expect("a key"));
        assert_eq!((rsa["kty"].as_str(), rsa["e"].as_str()), (Some("RSA"), Some("AQAB")));
        assert_eq!(rsa["n"].as_str().map(str::len), Some(342));
    }
}
