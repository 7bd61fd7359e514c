//! The public half of a key of Key Vault.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use der::Encode as _;
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use keymount_sensitive::SecretBytes;
use pkcs1::RsaPublicKeyRef;
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use thiserror::Error;

use crate::block::encode_plain;
use crate::curve::Curve;
use crate::key::padded;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// As lenient as Go's `RawURLEncoding`, and padding is taken as well.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes of the largest number that is taken: an RSA modulus of 16384 bits.
const MAX_NUMBER: usize = 2048;

/// A public JSON web key of Key Vault (REST: `JsonWebKey`); numbers are base64url, and what does not
/// belong to the type is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jwk<'a> {
    /// Key type.
    pub kty: &'a str,
    /// Curve of an EC key.
    pub crv: &'a str,
    /// Modulus of an RSA key.
    pub n: &'a str,
    /// Exponent of an RSA key.
    pub e: &'a str,
    /// Point of an EC key.
    pub x: &'a str,
    /// Point of an EC key.
    pub y: &'a str,
}

/// A key that cannot be written as PEM.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JwkError {
    /// Neither RSA nor EC.
    #[error("failed to get key. key type '{0}' currently not supported")]
    UnsupportedType(String),
    /// Another curve than P-256, P-384 and P-521.
    #[error("curve {0} is not supported")]
    UnsupportedCurve(String),
    /// The coordinates are not those of a point of the curve.
    #[error("{0} point not on curve")]
    NotOnCurve(&'static str),
    /// A coordinate is too long for the curve.
    #[error("overflowing coordinate")]
    Overflow,
    /// A number is missing, is not base64url, or is out of range.
    #[error("failed to get key. invalid value of '{0}'")]
    InvalidNumber(&'static str),
}

impl JwkError {
    /// A stable code, spelled like the reasons of Kubernetes conditions.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::UnsupportedType(_) | Self::UnsupportedCurve(_) => "UnsupportedKey",
            Self::NotOnCurve(_) | Self::Overflow | Self::InvalidNumber(_) => "MalformedKey",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::UnsupportedType(_) => {
                "objectType: key writes public keys of RSA and EC keys; other keys have none"
            }
            Self::UnsupportedCurve(_) => "create the key on P-256, P-384 or P-521",
            Self::NotOnCurve(_) | Self::Overflow | Self::InvalidNumber(_) => {
                "the vault's answer is damaged: check what stands between"
            }
        }
    }
}

/// The key as `PUBLIC KEY` PEM (SubjectPublicKeyInfo), byte for byte as Go writes it.
///
/// # Errors
/// [`JwkError`].
pub fn public_key_pem(jwk: &Jwk<'_>) -> Result<SecretBytes, JwkError> {
    let der = match jwk.kty {
        "RSA" | "RSA-HSM" => rsa(jwk)?,
        "EC" | "EC-HSM" => ec(jwk)?,
        other => return Err(JwkError::UnsupportedType(other.to_owned())),
    };
    let mut pem = SecretBytes::default();
    encode_plain("PUBLIC KEY", &der, &mut pem);
    Ok(pem)
}

fn rsa(jwk: &Jwk<'_>) -> Result<Vec<u8>, JwkError> {
    let [n, e] = [number("n", jwk.n)?, number("e", jwk.e)?];
    let significant = |number: &[u8]| number.iter().skip_while(|byte| **byte == 0).count();
    // Go has 63 bits for it.
    if significant(&e) > 8 || (significant(&e) == 8 && e[e.len() - 8] > 0x7f) {
        return Err(JwkError::InvalidNumber("e"));
    }
    let modulus = UintRef::new(&n).map_err(|_| JwkError::InvalidNumber("n"))?;
    let public_exponent = UintRef::new(&e).map_err(|_| JwkError::InvalidNumber("e"))?;
    let key = RsaPublicKeyRef { modulus, public_exponent }.to_der();
    let key = key.map_err(|_| JwkError::InvalidNumber("n"))?;
    spki(RSA, AnyRef::NULL, &key).ok_or(JwkError::InvalidNumber("n"))
}

fn ec(jwk: &Jwk<'_>) -> Result<Vec<u8>, JwkError> {
    let curve =
        Curve::from_jwk_name(jwk.crv).ok_or_else(|| JwkError::UnsupportedCurve(jwk.crv.to_owned()))?;
    // Go takes what is missing for 0, and there is no such point.
    if jwk.x.is_empty() || jwk.y.is_empty() {
        return Err(JwkError::NotOnCurve(curve.go_name()));
    }
    let [x, y] = [number("x", jwk.x)?, number("y", jwk.y)?].map(|number| padded(&number, curve.size()));
    let point = match (x, y) {
        (Some(x), Some(y)) => [&[4][..], x.expose(), y.expose()].concat(),
        _ => return Err(JwkError::Overflow),
    };
    if !curve.has_point(&point) {
        return Err(JwkError::NotOnCurve(curve.go_name()));
    }
    let oid = curve.oid();
    spki(EC, AnyRef::from(&oid), &point).ok_or(JwkError::InvalidNumber("x"))
}

fn number(name: &'static str, text: &str) -> Result<Vec<u8>, JwkError> {
    let bytes = BASE64_URL.decode(text).ok().filter(|bytes| (1..=MAX_NUMBER).contains(&bytes.len()));
    bytes.ok_or(JwkError::InvalidNumber(name))
}

fn spki(oid: ObjectIdentifier, parameters: AnyRef<'_>, key: &[u8]) -> Option<Vec<u8>> {
    let algorithm = AlgorithmIdentifierRef { oid, parameters: Some(parameters) };
    let subject_public_key = BitStringRef::from_bytes(key).ok()?;
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der().ok()
}

#[cfg(test)]
mod tests;
