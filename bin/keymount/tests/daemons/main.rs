//! Driver and provider as processes, with the emulator as Azure and Kubernetes: for a long time under faults, with a
//! name server that misbehaves, and what the memory of the provider holds.

mod azure;
mod daemon;
mod dns;
mod memory;
mod place;
mod soak;
