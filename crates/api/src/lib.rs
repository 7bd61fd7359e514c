//! The custom resources of the Secrets Store CSI ecosystem, group `secrets-store.csi.x-k8s.io`.
//!
//! Types, names and fields are those of driver v1.6.0, so that existing objects, clients and the Go
//! driver keep working on them. Fields that only this driver writes are optional additions to the
//! status of [`SecretProviderClassPodStatus`]; where the Go driver's definitions are installed the
//! API server prunes them, and nothing depends on reading them back.

mod class;
mod crd;
mod keys;
mod pod_status;
mod resource;

pub use class::{
    SecretObject, SecretObjectData, SecretProviderClass, SecretProviderClassSpec, SecretProviderClassStatus,
};
pub use crd::custom_resource_definitions;
pub use keys::{annotations, labels, volume_context};
pub use pod_status::{
    CertificateExpiry, Condition, ObjectVersion, PodVolumeStatus, SecretProviderClassPodStatus,
};

/// API group of both resources.
pub const GROUP: &str = "secrets-store.csi.x-k8s.io";

/// The stored version of both resources.
pub const VERSION: &str = "v1";

/// Name of the CSI driver, of its `CSIDriver` object and of its registration.
pub const DRIVER_NAME: &str = "secrets-store.csi.k8s.io";
