//! Private keys in the three forms people have, and the three Go writes.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Encode as _};
use keymount_sensitive::SecretBytes;
use pkcs1::RsaPrivateKeyRef;
use pkcs8::PrivateKeyInfoRef;
use sec1::{EcParameters, EcPrivateKey};
use spki::AlgorithmIdentifierRef;
use thiserror::Error;

use crate::curve::Curve;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A private key. Has no `Debug` and no `Clone`, and is erased when it is dropped.
pub(crate) enum PrivateKey {
    /// PKCS#1, as DER.
    Rsa(SecretBytes),
    /// The number, padded to the curve's size, and the uncompressed public point.
    Ec { curve: Curve, number: SecretBytes, point: Vec<u8> },
    /// The `CurvePrivateKey` of RFC 8410, as DER.
    Ed25519(SecretBytes),
}

/// A private key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// In none of the three forms.
    #[error("failed to parse key for type pkcs1, pkcs8 or ec")]
    Malformed,
    /// On a curve that is not P-256, P-384 or P-521.
    #[error("x509: failed to parse EC private key embedded in PKCS#8: x509: unknown elliptic curve")]
    UnknownCurve,
    /// Neither RSA nor EC nor Ed25519.
    #[error("unknown private key type found while getting key. Only rsa and ecdsa are supported")]
    UnsupportedAlgorithm(ObjectIdentifier),
}

impl PrivateKey {
    /// Reads PKCS#1, PKCS#8 or SEC1, in Go's order.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = rsa(der) {
            return Ok(Self::Rsa(key));
        }
        match PrivateKeyInfoRef::from_der(der) {
            Ok(info) => Self::from_pkcs8(&info),
            Err(_) => ec(der, None),
        }
    }

    /// Reads PKCS#8.
    pub(crate) fn parse_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::Malformed)?;
        Self::from_pkcs8(&info)
    }

    fn from_pkcs8(info: &PrivateKeyInfoRef<'_>) -> Result<Self, KeyError> {
        let inner = info.private_key.as_bytes();
        match info.algorithm.oid {
            RSA => rsa(inner).map(Self::Rsa),
            EC => {
                let parameters = info.algorithm.parameters;
                ec(inner, parameters.and_then(|oid| oid.decode_as::<ObjectIdentifier>().ok()))
            }
            ED25519 => match <&OctetStringRef>::from_der(inner) {
                Ok(seed) if seed.as_bytes().len() == 32 => Ok(Self::Ed25519(inner.to_vec().into())),
                _ => Err(KeyError::Malformed),
            },
            other => Err(KeyError::UnsupportedAlgorithm(other)),
        }
    }

    /// PKCS#8 as Go writes it: no attributes, the curve outside of the EC key only, the public point
    /// inside always.
    ///
    /// # Errors
    /// When the key is too large to be written: more than 256 MiB.
    pub(crate) fn to_pkcs8(&self) -> Result<SecretBytes, KeyError> {
        match self {
            Self::Rsa(pkcs1) => wrap(RSA, Some(AnyRef::NULL), pkcs1),
            Self::Ec { curve, number, point } => {
                let oid = curve.oid();
                wrap(EC, Some(AnyRef::from(&oid)), &sec1(number, point, None)?)
            }
            Self::Ed25519(key) => wrap(ED25519, None, key),
        }
    }

    /// The key as the driver writes it into `tls.key`: PKCS#1 or SEC1, and PKCS#8 for Ed25519, which has
    /// no other form. With the PEM label.
    ///
    /// # Errors
    /// As [`to_pkcs8`](Self::to_pkcs8).
    pub(crate) fn to_traditional(&self) -> Result<(&'static str, SecretBytes), KeyError> {
        Ok(match self {
            Self::Rsa(pkcs1) => ("RSA PRIVATE KEY", pkcs1.expose().clone().into()),
            Self::Ec { curve, number, point } => ("EC PRIVATE KEY", sec1(number, point, Some(*curve))?),
            Self::Ed25519(_) => ("PRIVATE KEY", self.to_pkcs8()?),
        })
    }
}

fn rsa(der: &[u8]) -> Result<SecretBytes, KeyError> {
    let key = RsaPrivateKeyRef::from_der(der).map_err(|_| KeyError::Malformed)?;
    written(key.to_der())
}

fn ec(der: &[u8], outer_curve: Option<ObjectIdentifier>) -> Result<PrivateKey, KeyError> {
    let key = EcPrivateKey::from_der(der).map_err(|_| KeyError::Malformed)?;
    let inner_curve = key.parameters.and_then(EcParameters::named_curve);
    let oid = outer_curve.or(inner_curve).ok_or(KeyError::UnknownCurve)?;
    let curve = Curve::from_oid(oid).ok_or(KeyError::UnknownCurve)?;
    let number = padded(key.private_key, curve.size()).ok_or(KeyError::Malformed)?;
    let point = curve.public_point(number.expose()).ok_or(KeyError::Malformed)?;
    Ok(PrivateKey::Ec { curve, number, point })
}

/// A big-endian number with as many bytes as asked for; none if it is larger.
pub(crate) fn padded(number: &[u8], size: usize) -> Option<SecretBytes> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = &number[zeros..];
    let mut padded = SecretBytes::new(vec![0; size]);
    padded.expose_mut().get_mut(size.checked_sub(digits.len())?..)?.copy_from_slice(digits);
    Some(padded)
}

fn sec1(number: &SecretBytes, point: &[u8], curve: Option<Curve>) -> Result<SecretBytes, KeyError> {
    let key = EcPrivateKey {
        private_key: number.expose(),
        parameters: curve.map(|curve| EcParameters::NamedCurve(curve.oid())),
        public_key: Some(point),
    };
    written(key.to_der())
}

fn wrap(
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'_>>,
    key: &SecretBytes,
) -> Result<SecretBytes, KeyError> {
    let algorithm = AlgorithmIdentifierRef { oid, parameters };
    written(OctetStringRef::new(key.expose()).and_then(|key| PrivateKeyInfoRef::new(algorithm, key).to_der()))
}

fn written(der: der::Result<Vec<u8>>) -> Result<SecretBytes, KeyError> {
    der.map(SecretBytes::new).map_err(|_| KeyError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    #[test]
    fn reads_and_writes_keys_as_go_does() {
        golden::compare("private-key.jsonl", |case| {
            let key = PrivateKey::parse(&case.input());
            let forms = key.and_then(|key| Ok([key.to_pkcs8()?, key.to_traditional()?.1]));
            let [pkcs8, own] = forms.map_err(|error| error.to_string())?;
            Ok([golden::bytes(pkcs8.expose()), golden::bytes(own.expose())].into_iter().collect())
        });
    }
}
