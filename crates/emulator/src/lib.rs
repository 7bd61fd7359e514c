//! Azure Key Vault, Microsoft Entra ID, the Instance Metadata Service and a small Kubernetes, on
//! loopback: for quick starts, hermetic tests and experiments. It is no vault: everything it holds is
//! in memory, unencrypted, and readable by whoever reaches its ports.

mod admin;
pub mod command;
mod emulator;
pub mod entra;
pub mod faults;
mod gateway;
mod hosts;
mod imds;
pub mod kubelet;
pub mod kubernetes;
pub mod listener;
mod nmi;
mod options;
pub mod pki;
mod reply;
mod seed;
pub mod token;
pub mod traffic;
pub mod vault;
mod world;

pub use emulator::{DEFAULT_TENANT, Emulator, NOTICE, StartError, Started};
pub use options::{Options, SeedSource};
pub use seed::{Seed, SeedError, VaultSeed};
