//! The Azure Key Vault provider of the Secrets Store CSI stack.
//!
//! A drop-in for the Go provider v1.8.2: its socket, its API, its parameters, its texts. A mount goes
//! through [`Provider::mount`]; [`Services`] serves it over gRPC; [`program`] is the process.

mod classes;
mod config;
mod content;
mod error;
pub mod flags;
mod health;
mod login;
pub mod metrics;
mod mount;
pub mod program;
mod provider;
mod reason;
mod service;

pub use config::{Config, ConfigError};
pub use content::{ContentError, ContentOptions};
pub use error::{MountError, REASON_KEY};
pub use login::{AuthError, ClientError};
pub use mount::{SelectionProblem, Trouble, VerifyStage, VerifyStep};
pub use provider::Provider;
pub use reason::{CatalogueEntry, Reason, catalogue};
pub use service::{RUNTIME_NAME, Services};
