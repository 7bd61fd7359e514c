//! Azure Key Vault, Microsoft Entra ID, the Instance Metadata Service and a small Kubernetes, on
//! loopback: for quick starts, hermetic tests and experiments. It is no vault: everything it holds is
//! in memory, unencrypted, and readable by whoever reaches its ports.

pub mod faults;
pub mod listener;
pub mod pki;
pub mod traffic;
