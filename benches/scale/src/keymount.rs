//! Our driver and provider on one node: the real pieces, put together as the daemons have them.

mod driver;
mod provider;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::network::between;
use crate::world::World;
use driver::Driver;

/// First and longest pause of kubelet after a mount that failed.
pub(crate) const KUBELET_PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(122));

/// Kubelet looks after a pod about so often, and calls the driver for its volumes then.
pub(crate) const REPUBLISH: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(90));

/// How long the start of all pods of a cluster takes: they are bound already, and every kubelet starts at once.
pub(crate) fn pod_starts() -> Duration {
    between(Duration::ZERO, Duration::from_secs(10))
}

/// A node: its daemons come and go, its volumes stay mounted.
pub(crate) struct Node {
    world: Arc<World>,
    number: usize,
    driver: Mutex<Arc<Driver>>,
}

impl Node {
    /// A node without volumes.
    pub(crate) fn new(world: &Arc<World>, number: usize) -> Arc<Self> {
        let driver = Mutex::new(Driver::start(world, number, None));
        Arc::new(Self { world: Arc::clone(world), number, driver })
    }

    /// Starts the pod of a volume: kubelet mounts it, and tries again after ever longer pauses.
    pub(crate) async fn start_pod(self: Arc<Self>, volume: usize) {
        let mut pause = KUBELET_PAUSE.0;
        loop {
            let driver = self.driver();
            if driver.publish(volume).await {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(KUBELET_PAUSE.1);
        }
    }

    /// Ends driver and provider and starts new ones, which know nothing until kubelet calls again.
    pub(crate) fn restart(self: &Arc<Self>) {
        let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        let mounted = driver.stop();
        *driver = Driver::start(&self.world, self.number, Some(mounted));
        for volume in 0..self.world.shape.volumes_per_node {
            let node = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(between(Duration::ZERO, REPUBLISH.1)).await;
                node.driver().adopt(volume).await;
            });
        }
    }

    fn driver(&self) -> Arc<Driver> {
        Arc::clone(&self.driver.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
