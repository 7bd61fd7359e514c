//! The driver under a real kubelet. What counts is what containers see.
//!
//! `tests/cluster/run-node.sh` brings up the node and runs this. Every test has a driver, a provider and a
//! namespace of its own, so they run side by side. With `DRIVER=…` the same tests judge another driver; what is
//! said here of driver v1.6.0 was seen that way.

mod crashes;
mod failures;
mod flags;
mod objects;
mod ownership;
mod rotation;
mod upstream;
