//! Who a mount is, towards Azure: clouds, credentials, Entra tokens and their cache.
//!
//! [`Identities::login`] takes a mount's [`Credential`] and gives a [`Session`]; its
//! [`access`](Session::access) gives a bearer token and, where the mount has shown who it is, the
//! [`IdentityKey`] under which content may be shared with others of the same identity. Everything else
//! is served too, but by requests of its own, and nothing of it enters or leaves a cache.
//!
//! HTTPS for tokens and vaults lives here as well ([`transport`]): both need the same roots of trust,
//! proxy rules, bounds and error texts.

mod access;
mod authority;
mod cache;
mod client_certificate;
mod cloud;
mod credential;
mod error;
mod flight;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod identities;
mod key;
mod region;
mod scope;
mod service_account;
mod session;
mod sources;
pub mod transport;

pub use access::{AccessToken, MalformedToken};
pub use authority::{Authority, AuthorityError};
pub use client_certificate::{ClientCertificate, ClientCertificateError};
pub use cloud::{Cloud, CloudError, CustomCloudError, resource_covers};
pub use credential::{ClientProof, Credential, Pod};
pub use error::{Source, TokenError, TokenReason};
pub use flight::Flights;
pub use identities::{Identities, LoginError, Observer, Options};
pub use key::IdentityKey;
pub use region::Region;
pub use scope::Scope;
pub use service_account::{
    IDENTITY_BINDING_AUDIENCE, ServiceAccountTokenError, WORKLOAD_IDENTITY_AUDIENCE, token_for,
};
pub use session::{Access, Session};
pub use sources::arc::ArcAgent;
pub use sources::binding::{BindingError, BindingOptions, TokenProxy};
pub use sources::imds::{DEFAULT_ENDPOINT as IMDS_ENDPOINT, ManagedIdentityId};
pub use sources::nmi::DEFAULT_ENDPOINT as NMI_ENDPOINT;
