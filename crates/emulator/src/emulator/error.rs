//! Why an emulator could not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::kubernetes;
use crate::pki::PkiError;
use crate::seed::SeedError;

/// Why an emulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken or an address is not there.
    #[error("cannot listen on {address} for {what}: {source}")]
    Bind {
        /// Which service.
        what: &'static str,
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The admin API can change everything without asking who calls.
    #[error("the admin API listens on loopback addresses only, not on {0}")]
    AdminNotLoopback(SocketAddr),
    /// Any token is too much for others than this machine.
    #[error("--allow-any-token is only possible while all addresses are loopback; {0} is not")]
    AnyTokenBeyondLoopback(SocketAddr),
    /// The certificate of the authority cannot be written.
    #[error("cannot write the CA certificate to {path}: {source}")]
    Ca {
        /// Where to.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The seed file cannot be read.
    #[error("cannot read the seed {path}: {source}")]
    ReadSeed {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The Kubernetes API cannot start.
    #[error("the Kubernetes API: {0}")]
    Kubernetes(#[from] kubernetes::StartError),
    /// The seed does not fit.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The authority cannot be made.
    #[error("cannot make certificates: {0}")]
    Pki(#[from] PkiError),
}
