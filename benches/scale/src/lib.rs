//! A whole cluster on simulated time.
//!
//! Real is what decides when somebody is asked and how often: the schedule of rotations with its jitter,
//! batches and pauses, the places of a provider, the pace and the queue of API writes
//! (`keymount-schedule`); sessions, tokens and their cache (`keymount-identity`); object cache, single
//! flight, throttle gate and retries (`keymount-keyvault`). Modelled is what is around it: the network,
//! Key Vault's limits, Entra, the API server's priority and fairness, kubelet. The Go stack is a model
//! throughout (`upstream.rs`), made from how its releases behave.
//!
//! One seed gives one result, to the last request.

mod api_server;
mod azure;
mod figures;
mod keymount;
mod measured;
mod network;
mod page;
mod plot;
mod record;
mod scenario;
mod shape;
mod upstream;
mod world;

pub use figures::{Figures, Phase, Side};
pub use measured::{Counts, Measured};
pub use page::{PLOTS, Page};
pub use scenario::{Stack, check_figures, figures, one_node};
pub use shape::Shape;
