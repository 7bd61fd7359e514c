//! gRPC messages, servers and clients, generated from the `.proto` files of this crate at build time.
//!
//! Contracts: the CSI specification 1.x (`csi`), the provider API of the Secrets Store CSI ecosystem
//! (`provider`), kubelet's plugin registration (`registration`) and the standard gRPC health
//! protocol (`health`). Messages that carry secrets or tokens have a `Debug` that shows none of them
//! and are overwritten with zeros when dropped.

mod erased;
mod redacted;

/// The CSI services of a node driver (`csi.v1`).
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::clone_on_ref_ptr)]
pub mod csi {
    tonic::include_proto!("csi.v1");
}

/// The provider API (`v1alpha1.CSIDriverProvider`).
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::clone_on_ref_ptr)]
pub mod provider {
    tonic::include_proto!("v1alpha1");

    /// The one version of this API there is, as both sides state it in `Version`.
    pub const API_VERSION: &str = "v1alpha1";
}

/// Kubelet's plugin registration (`pluginregistration.Registration`).
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::clone_on_ref_ptr)]
pub mod registration {
    tonic::include_proto!("pluginregistration");
}

/// The gRPC health checking protocol (`grpc.health.v1.Health`).
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::clone_on_ref_ptr)]
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}
