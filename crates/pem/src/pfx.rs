//! PFX files (PKCS#12, RFC 7292): the form in which Key Vault keeps most certificates.
//!
//! Own code over the RustCrypto primitives: the available readers decide on the empty password, on what
//! a hostile file may cost, and on copies of key material in other ways than a node agent can accept.
//! Reads the old schemes (SHA-1 with 3DES or RC2, the only ones upstream reads) and the current ones
//! (PBES2 with AES, SHA-2), with or without MAC, encrypted or not.

mod asn1;
mod decrypt;
mod password;

use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Encode as _};
use keymount_sensitive::SecretBytes;
use thiserror::Error;

use crate::block::encode_plain;
use crate::certificate::LABEL;
use crate::chain::{ChainError, order};
use crate::encoding::{EncodingError, decode_base64};
use crate::key::{KeyError, PrivateKey};
use asn1::{CertificateBag, ContentInfo, EncryptedData, EncryptedKey, Pfx, SafeBag};
use password::{Password, Work};

/// How to read a PFX file, and what it may cost.
#[derive(Clone, Copy)]
pub struct PfxOptions<'a> {
    /// Its password; Key Vault's files have an empty one.
    pub password: &'a str,
    /// Whether to put the certificates in order, leaf first. Otherwise they keep the file's order.
    pub order_chain: bool,
    /// Bytes of the file.
    pub max_bytes: usize,
    /// Rounds of hashing for all keys of the file together. The default allows files with 600,000
    /// iterations, and takes about a second of CPU at most.
    pub max_iterations: u32,
}

impl Default for PfxOptions<'_> {
    fn default() -> Self {
        Self { password: "", order_chain: true, max_bytes: 1 << 20, max_iterations: 4_000_000 }
    }
}

/// A PFX file as PEM.
pub struct PfxPem {
    /// The keys as PKCS#8 (`PRIVATE KEY`), then the certificates. Attributes of the bags are dropped.
    pub pem: SecretBytes,
    /// False if the certificates could not be put in order because issuers are missing; they then keep
    /// the file's order.
    pub chain_complete: bool,
}

/// A PFX file that cannot be used. The texts are those of Go's `x/crypto/pkcs12`, as far as it has them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PfxError {
    /// The text is not base64.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// Larger than allowed.
    #[error("pkcs12: file exceeds the limit of {0} bytes")]
    TooLarge(usize),
    /// Asks for more rounds of hashing than allowed.
    #[error("pkcs12: file exceeds the limit of {0} iterations")]
    TooManyIterations(u32),
    /// Not the DER of a PFX file.
    #[error("pkcs12: error reading P12 data: asn1: structure error")]
    Malformed,
    /// Not version 3.
    #[error("pkcs12: can only decode v3 PFX PDU's")]
    Version,
    /// Protected by a public key instead of a password.
    #[error("pkcs12: only password-protected PFX is implemented")]
    PublicKeyProtected,
    /// The MAC uses another digest.
    #[error("pkcs12: unknown digest algorithm: {0}")]
    UnknownDigest(ObjectIdentifier),
    /// Encrypted in another way.
    #[error("pkcs12: algorithm {0} is not supported")]
    UnsupportedAlgorithm(ObjectIdentifier),
    /// The MAC, or the padding, says that the password is another one.
    #[error("pkcs12: decryption password incorrect")]
    WrongPassword,
    /// Holds something else than keys and certificates.
    #[error("don't know how to convert a safe bag of type {0}")]
    UnsupportedBag(ObjectIdentifier),
    /// A certificate that is not X.509.
    #[error("pkcs12: only X509 certificates are supported")]
    UnsupportedCertificate,
    /// A key that cannot be used.
    #[error("pkcs12: error parsing PKCS#8 private key: {0}")]
    Key(#[from] KeyError),
    /// The certificates have no order.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl PfxError {
    /// A stable code, spelled like the reasons of Kubernetes conditions.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Encoding(_) | Self::Malformed | Self::Version => "MalformedPfx",
            Self::TooLarge(_) | Self::TooManyIterations(_) => "LimitExceeded",
            Self::WrongPassword => "PfxPasswordRequired",
            Self::Key(_) => "UnusablePrivateKey",
            Self::Chain(_) => "UnusableCertificateChain",
            Self::PublicKeyProtected
            | Self::UnknownDigest(_)
            | Self::UnsupportedAlgorithm(_)
            | Self::UnsupportedBag(_)
            | Self::UnsupportedCertificate => "UnsupportedPfx",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Encoding(_) | Self::Malformed | Self::Version => {
                "the value is not a PFX file: check the secret's content type in the vault"
            }
            Self::TooLarge(_) | Self::TooManyIterations(_) => {
                "import the certificate again, with its own chain only and default key derivation settings"
            }
            Self::PublicKeyProtected | Self::UnknownDigest(_) | Self::UnsupportedAlgorithm(_) => {
                "export the PFX again with AES-256 or 3DES and a SHA-1 or SHA-2 MAC, and import that"
            }
            Self::WrongPassword => {
                "the PFX has a password: import it as a certificate, or with an empty password"
            }
            Self::UnsupportedBag(_) | Self::UnsupportedCertificate => {
                "export the PFX again with nothing but keys and X.509 certificates"
            }
            Self::Key(_) => "use an RSA key, or an EC key on P-256, P-384 or P-521",
            Self::Chain(_) => {
                "check the certificates of the PFX, or switch --construct-pem-chain off to keep their order"
            }
        }
    }
}

/// Converts the base64 text of a PFX file, as Key Vault delivers it, to PEM. Takes CPU time for the key
/// derivation; it belongs on a thread that may block.
///
/// # Errors
/// [`PfxError`].
pub fn pfx_to_pem(base64: &str, options: &PfxOptions<'_>) -> Result<PfxPem, PfxError> {
    if base64.len() / 4 * 3 > options.max_bytes.saturating_mul(2) {
        return Err(PfxError::TooLarge(options.max_bytes));
    }
    let file = decode_base64(base64.as_bytes())?;
    let contents = Contents::read(file.expose(), options)?;
    let mut pem = SecretBytes::default();
    for key in &contents.keys {
        encode_plain("PRIVATE KEY", key.to_pkcs8()?.expose(), &mut pem);
    }
    let certificates: Vec<_> = contents.certificates.iter().map(Vec::as_slice).collect();
    let wanted = options.order_chain && !certificates.is_empty();
    let ordered = if wanted { order(&certificates)? } else { None };
    let chain_complete = ordered.is_some() || !wanted;
    for index in ordered.unwrap_or_else(|| (0..certificates.len()).collect()) {
        encode_plain(LABEL, certificates[index], &mut pem);
    }
    Ok(PfxPem { pem, chain_complete })
}

/// What a PFX file holds, in its order.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) keys: Vec<PrivateKey>,
    /// DER.
    pub(crate) certificates: Vec<Vec<u8>>,
}

impl Contents {
    /// Opens a file. An empty password is tried in both readings that tools have of it.
    pub(crate) fn read(file: &[u8], options: &PfxOptions<'_>) -> Result<Self, PfxError> {
        if file.len() > options.max_bytes {
            return Err(PfxError::TooLarge(options.max_bytes));
        }
        let pfx = Pfx::from_der(file).map_err(|_| PfxError::Malformed)?;
        if pfx.version != 3 {
            return Err(PfxError::Version);
        }
        if pfx.auth_safe.content_type != asn1::DATA {
            return Err(PfxError::PublicKeyProtected);
        }
        let content = octets(&pfx.auth_safe)?;
        let mut work = Work::new(options.max_iterations);
        let mut readings = vec![Password::new(options.password)];
        if options.password.is_empty() {
            readings.push(Password::without_bytes());
        }
        let mut result = Err(PfxError::WrongPassword);
        for password in readings {
            result = match &pfx.mac_data {
                Some(mac) if !decrypt::verify_mac(mac, content, &password, &mut work)? => continue,
                _ => Self::read_safes(content, &password, &mut work),
            };
            if !matches!(result, Err(PfxError::WrongPassword)) {
                break;
            }
        }
        result
    }

    fn read_safes(content: &[u8], password: &Password, work: &mut Work) -> Result<Self, PfxError> {
        let mut contents = Self::default();
        let safes = Vec::<ContentInfo<'_>>::from_der(content).map_err(|_| PfxError::Malformed)?;
        for safe in safes {
            match safe.content_type {
                asn1::DATA => contents.read_bags(octets(&safe)?, password, work)?,
                asn1::ENCRYPTED_DATA => {
                    let data: EncryptedData<'_> =
                        safe.content.decode_as().map_err(|_| PfxError::Malformed)?;
                    let encrypted = data.content.bytes.ok_or(PfxError::Malformed)?.as_bytes();
                    let bags = decrypt::decrypt(&data.content.algorithm, encrypted, password, work)?;
                    contents.read_bags(bags.expose(), password, work)?;
                }
                other => return Err(PfxError::UnsupportedAlgorithm(other)),
            }
        }
        Ok(contents)
    }

    fn read_bags(&mut self, bags: &[u8], password: &Password, work: &mut Work) -> Result<(), PfxError> {
        for bag in Vec::<SafeBag<'_>>::from_der(bags).map_err(|_| PfxError::Malformed)? {
            match bag.id {
                asn1::CERTIFICATE_BAG => {
                    let bag: CertificateBag<'_> = bag.value.decode_as().map_err(|_| PfxError::Malformed)?;
                    if bag.id != asn1::X509_CERTIFICATE {
                        return Err(PfxError::UnsupportedCertificate);
                    }
                    let certificate: &OctetStringRef =
                        bag.value.decode_as().map_err(|_| PfxError::Malformed)?;
                    self.certificates.push(certificate.as_bytes().to_vec());
                }
                asn1::SHROUDED_KEY_BAG => {
                    let key: EncryptedKey<'_> = bag.value.decode_as().map_err(|_| PfxError::Malformed)?;
                    let key = decrypt::decrypt(&key.algorithm, key.bytes.as_bytes(), password, work)?;
                    self.keys.push(PrivateKey::parse_pkcs8(key.expose())?);
                }
                asn1::KEY_BAG => {
                    let key = SecretBytes::new(bag.value.to_der().map_err(|_| PfxError::Malformed)?);
                    self.keys.push(PrivateKey::parse_pkcs8(key.expose())?);
                }
                other => return Err(PfxError::UnsupportedBag(other)),
            }
        }
        Ok(())
    }
}

/// The bytes of a content of type data.
fn octets<'a>(content: &ContentInfo<'a>) -> Result<&'a [u8], PfxError> {
    let octets: &'a OctetStringRef = content.content.decode_as().map_err(|_| PfxError::Malformed)?;
    Ok(octets.as_bytes())
}

#[cfg(test)]
mod tests;
