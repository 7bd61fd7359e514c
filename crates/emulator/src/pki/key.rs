//! Private keys.

use p256::elliptic_curve::Generate;
use pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};
use spki::SubjectPublicKeyInfoOwned;
use zeroize::Zeroizing;

use super::PkiError;

/// What kind of key to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with this many bits: 2048, 3072 or 4096.
    Rsa(u32),
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// secp256k1, which Key Vault calls P-256K.
    P256K,
}

/// A private key. Each of the types inside erases itself on drop.
pub enum PrivateKey {
    /// RSA, boxed for its size.
    Rsa(Box<rsa::PrivateKey>),
    /// NIST P-256.
    P256(p256::SecretKey),
    /// NIST P-384.
    P384(p384::SecretKey),
    /// NIST P-521.
    P521(p521::SecretKey),
    /// secp256k1.
    P256K(k256::SecretKey),
}

impl PrivateKey {
    /// A new random key. RSA takes up to seconds: not for the async thread.
    ///
    /// # Errors
    /// [`PkiError::KeySize`] for other RSA sizes.
    pub fn generate(algorithm: Algorithm) -> Result<Self, PkiError> {
        let rng = &mut rand::rng();
        Ok(match algorithm {
            Algorithm::Rsa(bits @ (2048 | 3072 | 4096)) => {
                let key = rsa::PrivateKey::new(rng, bits as usize).map_err(|_| PkiError::Internal)?;
                Self::Rsa(Box::new(key))
            }
            Algorithm::Rsa(bits) => return Err(PkiError::KeySize(bits)),
            Algorithm::P256 => Self::P256(p256::SecretKey::generate_from_rng(rng)),
            Algorithm::P384 => Self::P384(p384::SecretKey::generate_from_rng(rng)),
            Algorithm::P521 => Self::P521(p521::SecretKey::generate_from_rng(rng)),
            Algorithm::P256K => Self::P256K(k256::SecretKey::generate_from_rng(rng)),
        })
    }

    /// A key of the kind this one is.
    ///
    /// # Errors
    /// [`PkiError::KeySize`] for RSA keys that were imported with an odd size.
    pub fn generate_alike(&self) -> Result<Self, PkiError> {
        Self::generate(self.algorithm())
    }

    /// What kind of key this is.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        use rsa::traits::PublicKeyParts;
        match self {
            Self::Rsa(key) => Algorithm::Rsa(u32::try_from(key.size() * 8).unwrap_or(u32::MAX)),
            Self::P256(_) => Algorithm::P256,
            Self::P384(_) => Algorithm::P384,
            Self::P521(_) => Algorithm::P521,
            Self::P256K(_) => Algorithm::P256K,
        }
    }

    /// Reads PKCS#8.
    ///
    /// # Errors
    /// [`PkiError::Key`] for other kinds of keys and damaged ones.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, PkiError> {
        rsa::PrivateKey::from_pkcs8_der(der)
            .map(|key| Self::Rsa(Box::new(key)))
            .or_else(|_| p256::SecretKey::from_pkcs8_der(der).map(Self::P256))
            .or_else(|_| p384::SecretKey::from_pkcs8_der(der).map(Self::P384))
            .or_else(|_| p521::SecretKey::from_pkcs8_der(der).map(Self::P521))
            .or_else(|_| k256::SecretKey::from_pkcs8_der(der).map(Self::P256K))
            .map_err(|_| PkiError::Key)
    }

    /// Writes PKCS#8 DER.
    ///
    /// # Errors
    /// [`PkiError::Internal`], which is not expected.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, PkiError> {
        let document = match self {
            Self::Rsa(key) => key.to_pkcs8_der(),
            Self::P256(key) => key.to_pkcs8_der(),
            Self::P384(key) => key.to_pkcs8_der(),
            Self::P521(key) => key.to_pkcs8_der(),
            Self::P256K(key) => key.to_pkcs8_der(),
        };
        Ok(document.map_err(|_| PkiError::Internal)?.to_bytes())
    }

    /// The public half.
    ///
    /// # Errors
    /// [`PkiError::Internal`], which is not expected.
    pub fn public(&self) -> Result<SubjectPublicKeyInfoOwned, PkiError> {
        let document = match self {
            Self::Rsa(key) => rsa::PublicKey::from(key.as_ref()).to_public_key_der(),
            Self::P256(key) => key.public_key().to_public_key_der(),
            Self::P384(key) => key.public_key().to_public_key_der(),
            Self::P521(key) => key.public_key().to_public_key_der(),
            Self::P256K(key) => key.public_key().to_public_key_der(),
        };
        let document = document.map_err(|_| PkiError::Internal)?;
        SubjectPublicKeyInfoOwned::try_from(document.as_bytes()).map_err(|_| PkiError::Internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkcs8_there_and_back() {
        for algorithm in
            [Algorithm::P256, Algorithm::P384, Algorithm::P521, Algorithm::P256K, Algorithm::Rsa(2048)]
        {
            let key = PrivateKey::generate(algorithm).expect("a key");
            let der = key.to_pkcs8().expect("PKCS#8");
            let again = PrivateKey::from_pkcs8(&der).expect("the same key");
            assert_eq!(again.algorithm(), algorithm);
            assert_eq!(again.public().expect("public"), key.public().expect("public"));
        }
        assert_eq!(PrivateKey::generate(Algorithm::Rsa(1024)).err(), Some(PkiError::KeySize(1024)));
    }
}
