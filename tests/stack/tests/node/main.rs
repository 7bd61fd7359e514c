//! A node from kubelet's side: what it answers, what it leaves on disk, what it asks of provider and API.

mod api;
mod minting;
mod publish;
mod rotation;
