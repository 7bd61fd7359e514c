//! What the driver asks of a real API server, counted in the server's audit log.
//!
//! The driver is a process; the emulator's kubelet double calls it, so there are no containers. Run by
//! `tests/cluster/run-api.sh`, one test at a time. What is counted is asserted for our driver; times and memory are
//! printed only, memory with a bound. With `DRIVER=…` the same is measured, not judged, for another driver.
//! Figures: `docs/measurements/api-economy.md`.

mod idle;
mod memory;
mod mount;
mod node;
mod rotation;
