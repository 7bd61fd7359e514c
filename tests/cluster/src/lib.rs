//! The contract of the Kubernetes API as our code relies on it: checks that run unchanged against the
//! API double of the emulator and against a real kube-apiserver, so that the double cannot drift.
//!
//! `cargo test -p keymount-cluster-tests` runs them against the double. `tests/cluster/run-api.sh` builds
//! and starts etcd and kube-apiserver and runs them against those. A check that passes on one side only
//! is a divergence, and a failing test. Every check has a namespace of its own.

#[macro_use]
mod suite;
pub mod checks;
pub mod definitions;
mod reply;
mod target;
mod watching;

pub use reply::Reply;
pub use target::{Form, Target};
pub use watching::Watching;
