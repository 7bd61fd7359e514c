//! When a node does its work: which volumes are fetched again and when, how fast the Kubernetes API is
//! written to, what is tried again and after which pause, how many calls a provider gets at one time.
//!
//! Nothing here asks anybody for anything: it is time, jitter and counting. So the driver runs it on a
//! node, and `benches/scale` runs the same code for five thousand nodes on simulated time.

mod batch;
mod pace;
mod places;
mod queue;
mod rotation;

pub use batch::Batch;
pub use pace::{Pace, WritePace};
pub use places::{Lane, Place, Places};
pub use queue::{Done, Queue};
pub use rotation::{Beside, Schedule};

/// Waits until this time; for ever, if there is none.
pub async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
