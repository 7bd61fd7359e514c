//! The elliptic curves of Key Vault, as far as converting keys needs arithmetic: the public point of a
//! private key that was stored without it, and whether a point is on its curve.

use der::asn1::ObjectIdentifier;
use p256::elliptic_curve::sec1::ToSec1Point as _;

/// A NIST curve. The others Go knows (P-224) or Key Vault knows (P-256K) are not supported by the
/// respective other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// Runs an expression with the crate of the curve under the name `curve`.
macro_rules! with_curve {
    ($curve:expr, $body:expr) => {
        match $curve {
            Curve::P256 => {
                use p256 as curve;
                $body
            }
            Curve::P384 => {
                use p384 as curve;
                $body
            }
            Curve::P521 => {
                use p521 as curve;
                $body
            }
        }
    };
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(crate) fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.oid() == oid)
    }

    /// By its name in a JSON web key.
    pub(crate) fn from_jwk_name(name: &str) -> Option<Self> {
        match name {
            "P-256" => Some(Self::P256),
            "P-384" => Some(Self::P384),
            "P-521" => Some(Self::P521),
            _ => None,
        }
    }

    pub(crate) const fn oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::P256 => "1.2.840.10045.3.1.7",
            Self::P384 => "1.3.132.0.34",
            Self::P521 => "1.3.132.0.35",
        })
    }

    /// Its name in Go's error texts.
    pub(crate) const fn go_name(self) -> &'static str {
        match self {
            Self::P256 => "P256",
            Self::P384 => "P384",
            Self::P521 => "P521",
        }
    }

    /// Bytes of a coordinate and of a private key.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The uncompressed public point of a private key of [`size`](Self::size) bytes; none if the number
    /// is no private key of the curve.
    pub(crate) fn public_point(self, private: &[u8]) -> Option<Vec<u8>> {
        with_curve!(self, {
            let key = curve::SecretKey::from_slice(private).ok()?;
            Some(key.public_key().to_sec1_point(false).as_bytes().to_vec())
        })
    }

    /// Whether an uncompressed point is on the curve.
    pub(crate) fn has_point(self, point: &[u8]) -> bool {
        with_curve!(self, curve::PublicKey::from_sec1_bytes(point).is_ok())
    }
}
