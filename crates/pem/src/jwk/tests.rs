use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::EncodePublicKey as _;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::golden;

fn pem(jwk: &Jwk<'_>) -> Result<String, String> {
    let pem = public_key_pem(jwk).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(pem.into_inner()).expect("PEM is text"))
}

#[test]
fn writes_public_keys_as_go_does() {
    golden::compare("jwk.jsonl", |case| {
        let key: Value = serde_json::from_slice(&case.input()).expect("JSON");
        let field = |name| key.get(name).and_then(Value::as_str).unwrap_or_default();
        let [kty, crv, n, e, x, y] = ["kty", "crv", "n", "e", "x", "y"].map(field);
        pem(&Jwk { kty, crv, n, e, x, y }).map(Value::from)
    });
}

#[test]
fn missing_and_absurd_numbers_are_refused() {
    let long = "A".repeat(4 * MAX_NUMBER);
    for (n, e, wrong) in [
        ("", "AQAB", "n"),
        ("AQ", "", "e"),
        ("A!", "AQAB", "n"),
        ("AQ", "gAAAAAAAAAA", "e"),
        ("AQ", "AQAAAAAAAAAA", "e"),
        (long.as_str(), "AQAB", "n"),
    ] {
        let key = Jwk { kty: "RSA", n, e, ..Jwk::default() };
        assert_eq!(public_key_pem(&key).err(), Some(JwkError::InvalidNumber(wrong)), "{n} {e}");
    }
    let padded = Jwk { kty: "RSA", n: "-_8=", e: "AQAB", ..Jwk::default() };
    assert_eq!(pem(&padded), pem(&Jwk { n: "-_8", ..padded }));
}

macro_rules! agrees_with {
    ($curve:ident, $crv:literal, $secret:expr) => {{
        let Ok(secret) = $curve::SecretKey::from_slice($secret) else { return Ok(()) };
        let key = secret.public_key();
        let point = key.to_sec1_point(false);
        let [x, y] =
            [point.x(), point.y()].map(|number| URL_SAFE_NO_PAD.encode(number.expect("a coordinate")));
        let theirs = key.to_public_key_pem(p256::pkcs8::LineEnding::LF).expect("a key");
        let ours = pem(&Jwk { kty: "EC", crv: $crv, x: &x, y: &y, ..Jwk::default() });
        prop_assert_eq!(ours, Ok(theirs));
    }};
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn agrees_with_other_libraries_on_curves(secret in proptest::collection::vec(any::<u8>(), 66)) {
        agrees_with!(p256, "P-256", &secret[..32]);
        agrees_with!(p384, "P-384", &secret[..48]);
        let mut secret = secret;
        secret[0] &= 1;
        agrees_with!(p521, "P-521", &secret);
    }

    #[test]
    fn agrees_with_another_library_on_rsa(mut n in proptest::collection::vec(any::<u8>(), 256), zeros in 0_usize..3) {
        n[0] |= 1;
        n[255] |= 1;
        let modulus = rsa::BoxedUint::from_be_slice(&n, 2048).expect("a number");
        let key = rsa::PublicKey::new(modulus, rsa::BoxedUint::from(65537_u32)).expect("a key");
        let theirs = rsa::pkcs8::EncodePublicKey::to_public_key_pem(&key, rsa::pkcs8::LineEnding::LF).expect("a key");
        let n = URL_SAFE_NO_PAD.encode([vec![0; zeros], n].concat());
        prop_assert_eq!(pem(&Jwk { kty: "RSA-HSM", n: &n, e: "AQAB", ..Jwk::default() }), Ok(theirs));
    }
}
