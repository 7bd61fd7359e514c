//! The parts of a `kubernetes.io/tls` Secret, from a file that holds a certificate with its key.

use keymount_sensitive::SecretBytes;
use thiserror::Error;

use crate::block::{Block, Blocks, encode_plain};
use crate::certificate::{LABEL, MalformedCertificate};
use crate::chain::issuers;
use crate::encoding::decode_base64;
use crate::key::{KeyError, PrivateKey};
use crate::pfx::{Contents, PfxError, PfxOptions};

/// A file that lacks the part asked for, or holds it in a form that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TlsError {
    /// PEM or PFX, but no certificate in it.
    #[error("no certificate found")]
    NoCertificate,
    /// PEM or PFX, but no private key in it.
    #[error("no private key found")]
    NoPrivateKey,
    /// The private key needs a password.
    #[error("the private key is encrypted")]
    EncryptedKey,
    /// The private key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] MalformedCertificate),
    /// No PEM, and no PFX that can be read.
    #[error(transparent)]
    Pfx(#[from] PfxError),
}

impl TlsError {
    /// A stable code, spelled like the reasons of Kubernetes conditions.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoCertificate => "NoCertificate",
            Self::NoPrivateKey => "NoPrivateKey",
            Self::EncryptedKey => "EncryptedPrivateKey",
            Self::Key(_) => "UnusablePrivateKey",
            Self::Certificate(_) => "MalformedCertificate",
            Self::Pfx(_) => "UnusablePfx",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoCertificate => "map the key to an object that holds the certificate",
            Self::NoPrivateKey => {
                "map the key to the object with the private key; in Key Vault that is objectType: secret, not \
                 cert or key"
            }
            Self::EncryptedKey => "store the private key without a password: the vault protects it",
            Self::Key(_) => "use an RSA, EC (P-256, P-384, P-521) or Ed25519 key as PKCS#1, PKCS#8 or SEC1",
            Self::Certificate(_) => "check the certificate in the vault",
            Self::Pfx(PfxError::Malformed) => {
                "the object is neither PEM nor PFX: map the key to the certificate's object"
            }
            Self::Pfx(error) => error.hint(),
        }
    }
}

/// `tls.crt`: all certificates of the file, in its order. A certificate from PEM keeps its headers, one
/// from PFX has none (upstream turns its bag attributes into headers, which strict readers refuse).
///
/// # Errors
/// [`TlsError`]; never an empty result.
pub fn tls_certificate(content: &[u8]) -> Result<SecretBytes, TlsError> {
    let mut pem = SecretBytes::default();
    match Bundle::read(content)? {
        Bundle::Pem(blocks) => certificates(&blocks).for_each(|block| block.encode(&mut pem)),
        Bundle::Pfx(contents) => {
            contents.certificates.iter().for_each(|der| encode_plain(LABEL, der, &mut pem))
        }
    }
    if pem.expose().is_empty() { Err(TlsError::NoCertificate) } else { Ok(pem) }
}

/// `tls.key`: the file's private key, the last one if there are several: PKCS#1 for RSA, SEC1 for EC,
/// PKCS#8 for Ed25519.
///
/// # Errors
/// [`TlsError`]; never an empty result.
pub fn tls_private_key(content: &[u8]) -> Result<SecretBytes, TlsError> {
    let key = match Bundle::read(content)? {
        Bundle::Pem(blocks) => private_key(&blocks)?,
        Bundle::Pfx(mut contents) => contents.keys.pop().ok_or(TlsError::NoPrivateKey)?,
    };
    let (label, der) = key.to_traditional()?;
    let mut pem = SecretBytes::default();
    encode_plain(label, der.expose(), &mut pem);
    Ok(pem)
}

/// `ca.crt`: the file's certificates, in its order, but for a leaf that another one of them has issued.
///
/// # Errors
/// [`TlsError`]; never an empty result.
pub fn ca_certificates(content: &[u8]) -> Result<SecretBytes, TlsError> {
    let bundle = Bundle::read(content)?;
    let all: Vec<&[u8]> = match &bundle {
        Bundle::Pem(blocks) => certificates(blocks).map(|block| block.bytes.expose().as_slice()).collect(),
        Bundle::Pfx(contents) => contents.certificates.iter().map(Vec::as_slice).collect(),
    };
    let issuers = issuers(&all)?;
    let mut pem = SecretBytes::default();
    for (index, der) in all.iter().enumerate() {
        if issuers[index].is_none() || issuers.contains(&Some(index)) {
            encode_plain(LABEL, der, &mut pem);
        }
    }
    if pem.expose().is_empty() { Err(TlsError::NoCertificate) } else { Ok(pem) }
}

/// What a file is.
enum Bundle {
    Pem(Vec<Block>),
    Pfx(Contents),
}

impl Bundle {
    /// PEM if there is any block in it; else PFX, as it is or as base64 text.
    fn read(content: &[u8]) -> Result<Self, TlsError> {
        let blocks: Vec<_> = Blocks::new(content).collect();
        if !blocks.is_empty() {
            return Ok(Self::Pem(blocks));
        }
        let options = PfxOptions::default();
        let contents = match decode_base64(content.trim_ascii()) {
            Ok(decoded) if !decoded.expose().is_empty() => Contents::read(decoded.expose(), &options),
            _ => Contents::read(content, &options),
        };
        Ok(Self::Pfx(contents?))
    }
}

fn certificates(blocks: &[Block]) -> impl Iterator<Item = &Block> {
    blocks.iter().filter(|block| block.label == LABEL)
}

/// The last block that says it is a private key; if none says so, the last that is one.
fn private_key(blocks: &[Block]) -> Result<PrivateKey, TlsError> {
    let mut others = blocks.iter().rev().filter(|block| block.label != LABEL);
    let Some(block) = others.clone().find(|block| block.label.ends_with("PRIVATE KEY")) else {
        return others.find_map(|block| parse(block).ok()).ok_or(TlsError::NoPrivateKey);
    };
    let has_encrypted_bytes = block.headers.get("Proc-Type").is_some_and(|kind| kind.contains("ENCRYPTED"));
    if has_encrypted_bytes || block.label == "ENCRYPTED PRIVATE KEY" {
        return Err(TlsError::EncryptedKey);
    }
    Ok(parse(block)?)
}

fn parse(block: &Block) -> Result<PrivateKey, KeyError> {
    PrivateKey::parse(block.bytes.expose())
}

#[cfg(test)]
mod tests;
