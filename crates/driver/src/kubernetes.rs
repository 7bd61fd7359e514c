//! Access to the Kubernetes API: the client, objects kept fresh by name, and the pace of writes.

mod client;
mod csi_driver;
mod error;
mod name;
mod named;
mod pace;

pub use client::ClientError;
pub(crate) use client::client;
pub(crate) use csi_driver::{CsiDriverWatch, RequestedToken};
pub(crate) use error::api_error;
pub(crate) use name::is_object_name;
pub(crate) use named::{Named, NamedError};
pub(crate) use pace::WritePace;
