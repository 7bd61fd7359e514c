//! The whole node in one process: a driver on its socket, a provider that answers as a test says, the
//! emulator's Kubernetes API, real tmpfs mounts in a mount namespace of the test's own.

mod host;
mod node;
mod provider;
mod request;

pub use host::{in_namespace, with_paused_time};
pub use node::{Node, NodeOptions, class, pod};
pub use provider::{Provider, Reply, file, reply};
pub use request::{publish_request, target};
