//! Certificates and keys, from the forms in which vaults keep them to the forms programs read.
//!
//! Pure: no network, no file. What comes out is, byte for byte, what the Go stack writes (Azure provider
//! v1.8.2 and driver v1.6.0), because programs read these files; what goes in may be more than that:
//! current PFX encryptions, Ed25519.
//!
//! | from | to | |
//! |---|---|---|
//! | PFX of a certificate's secret | keys, then the chain | [`pfx_to_pem`] |
//! | certificates in any order | leaf, intermediates, root | [`order_chain`] |
//! | public key as JSON web key | `PUBLIC KEY` | [`public_key_pem`] |
//! | `cer` of a certificate | `CERTIFICATE` | [`certificate_pem`] |
//! | key and certificates | `.crt` and `.key` files | [`split`](fn@split) |
//! | a file of a volume | `tls.crt`, `tls.key`, `ca.crt` | [`tls_certificate`], [`tls_private_key`], [`ca_certificates`] |
//! | a file of a volume | when its certificate expires | [`first_expiry`] |
//! | encoded secrets | their bytes | [`decode_base64`], [`decode_hex`] |
//!
//! Input is foreign: nothing here panics on it, and its cost in time and memory is bounded by its size
//! (and for PFX by [`PfxOptions`]). What may hold a private key is a
//! [`SecretBytes`](keymount_sensitive::SecretBytes), intermediate buffers included; the stack is not erased.

mod block;
mod certificate;
mod chain;
mod curve;
mod encoding;
mod expiry;
#[cfg(test)]
mod golden;
mod jwk;
mod key;
mod pfx;
mod split;
mod tls;

pub use block::{Block, Blocks};
pub use certificate::{MalformedCertificate, certificate_pem};
pub use chain::{Chain, ChainError, order_chain};
pub use encoding::{EncodingError, decode_base64, decode_hex};
pub use expiry::first_expiry;
pub use jwk::{Jwk, JwkError, public_key_pem};
pub use key::KeyError;
pub use pfx::{PfxError, PfxOptions, PfxPem, pfx_to_pem};
pub use split::split;
pub use tls::{TlsError, ca_certificates, tls_certificate, tls_private_key};
