//! Tests against a real cluster, in three parts.
//!
//! *The contract* ([`checks`]): what our code relies on in the Kubernetes API, as checks that run unchanged
//! against the API double of the emulator (`cargo test`) and against a real kube-apiserver, so that the
//! double cannot drift. A check that passes on one side only is a divergence, and a failing test.
//!
//! *The economy* (`tests/economy`): what the driver asks of a real kube-apiserver.
//!
//! *The node* (`tests/node`): the driver under a real kubelet, judged by what containers see.
//!
//! `run-api.sh` brings up the first two, `run-node.sh` the third.

#[macro_use]
mod suite;
pub mod checks;
pub mod definitions;
pub mod look;
mod reply;
pub mod stage;
mod target;
mod watching;

pub use reply::Reply;
pub use target::{Form, Target};
pub use watching::Watching;
