//! The node driver: CSI services, publish pipeline, volume ledger, rotation, status, Secret sync.
//!
//! Where to look: a request is decoded in `request`, becomes an operation of the `ledger`, runs through
//! `publish`, `unpublish` or `rotation`, gets its content in `fetch`, and is told of behind the answer by
//! `reports` (`status`, `secret_sync`, `events`). `error` holds the table of codes and reasons.

mod attributes;
mod budget;
mod certificates;
mod class;
pub mod config;
mod csi;
mod digest;
mod discovery;
mod error;
mod events;
mod fetch;
pub mod flags;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod kubernetes;
mod ledger;
mod liveness;
pub mod metrics;
mod minting;
mod node;
mod page;
mod process;
pub mod program;
mod provider;
mod publish;
mod registration;
mod reports;
mod request;
mod rotation;
mod secret_sync;
mod startup_taint;
mod status;
mod unpublish;
mod volume;

pub use config::{Config, ConfigError};
pub use kubernetes::{ClientError, CredentialsError, TlsError};
pub use process::{Driver, RunError};
pub use volume::CONDITION_REASONS;
