//! The whole node in one process: a driver on its socket, a provider that answers as a test says, the
//! emulator's Kubernetes API, real tmpfs mounts in a mount namespace of the test's own.

mod cluster;
mod host;
mod mount;
mod node;
mod provider;

pub use cluster::{CLASSES, Cluster, STATUSES, class, csi_driver, data, pod};
pub use host::{driver_flags, in_namespace, with_paused_time};
pub use mount::Mount;
pub use node::{Node, NodeOptions};
pub use provider::{Provider, Reply, file, reply};
