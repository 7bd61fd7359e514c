//! Access to the Kubernetes API: the client and objects kept fresh by name.

mod client;
mod credentials;
mod csi_driver;
mod error;
mod name;
mod named;
mod reread;
mod tls;

pub use client::ClientError;
pub(crate) use client::client;
pub use credentials::CredentialsError;
pub(crate) use csi_driver::{CsiDriverWatch, RequestedToken};
pub(crate) use error::api_error;
pub(crate) use name::is_object_name;
pub(crate) use named::{Named, NamedError};
pub use tls::TlsError;
