//! Keys and certificates as Key Vault makes, takes and hands out: generation, X.509, PFX and PEM, JWK.

mod bundle;
mod issue;
mod jwk;
mod key;

pub use bundle::{Bundle, Format};
pub use issue::{Authority, Template, issue};
pub use jwk::{encode as base64url, public as public_jwk};
pub use key::{Algorithm, PrivateKey};

/// Why a key or certificate could not be made or read. The texts never quote the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkiError {
    /// RSA sizes are 2048, 3072 and 4096 bits.
    #[error("Key size {0} is not supported; RSA keys have 2048, 3072 or 4096 bits")]
    KeySize(u32),
    /// A name, time or extension that X.509 cannot hold.
    #[error("The X.509 property {0} is not valid")]
    Property(&'static str),
    /// Neither PFX nor PEM, or one that cannot be decrypted with the password given.
    #[error("The certificate content is not valid: {0}")]
    Content(&'static str),
    /// A key of a kind Key Vault does not take, or one that is damaged.
    #[error("The private key is not valid or of an unsupported kind")]
    Key,
    /// The library refused something that should have been fine.
    #[error("The certificate could not be built")]
    Internal,
}
