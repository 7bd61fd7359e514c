//! Driver and provider as processes, with the emulator as Azure and Kubernetes: for a long time under faults, with a
//! name server that misbehaves, what the memory of the provider holds, and how many requests a node makes.

mod azure;
mod daemon;
mod dns;
mod memory;
mod place;
mod scale;
mod soak;
