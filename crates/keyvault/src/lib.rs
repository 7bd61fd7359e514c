//! Key Vault: its REST interface (api-version 7.4), asked sparingly.
//!
//! [`Vaults`] is one process's; [`Vaults::vault`] gives a mount its view of one vault, on which it asks
//! for [secrets](Vault::secret), [keys](Vault::key), [certificates](Vault::certificate) and
//! [lists of versions](Vault::versions). In front of every request stands the vault's gate (bounds,
//! throttling, first mounts before rotations), and in front of that the content others of the same
//! identity have just fetched.
//!
//! This crate depends on `keymount-identity` rather than on a trait of its own: the key under which
//! content may be shared is the identity's to give, and both need one HTTPS client.

mod bundle;
mod cache;
mod challenge;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gate;
mod item;
mod json;
mod request;
mod vault;
mod vaults;

pub use bundle::{
    Attributes, CertificateBundle, JsonWebKey, KeyBundle, ObjectEntry, SecretBundle, VersionEntry,
};
pub use cache::CacheOptions;
pub use challenge::ChallengeError;
pub use error::{Codes, VaultError, VaultReason};
pub use gate::{GateOptions, Lane};
pub use item::ObjectKind;
pub use vault::{Delivered, Vault};
pub use vaults::{Observer, Outcome, Served, Vaults, VaultsOptions};
