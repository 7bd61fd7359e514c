//! The Go stack on one node: driver v1.6.0 and Azure provider v1.8.2, as a model of what they ask.
//!
//! A republish by kubelet is a rotation, unless the content changed within the interval. Each mount has a
//! client of its own: a request without a token that is answered 401, two requests of discovery and one
//! for a token, then one request per object, one after the other. Nothing is kept for another pod. 429
//! and 503 are tried three times more, after about 0.8, 2.4 and 5.6 seconds or what the vault asks for. A
//! status object is written at every rotation: a create, which finds that it exists, and an update. The
//! driver's client sends 20 requests a second, 30 at once.

use std::sync::Arc;
use std::time::Duration;

use keymount_schedule::{Pace, WritePace};
use tokio::time::{Instant, sleep, timeout};

use crate::api_server::Call;
use crate::azure::Vaulted;
use crate::keymount::{KUBELET_PAUSE, REPUBLISH};
use crate::network::between;
use crate::world::World;

/// The client's limit; a token bucket, as ours is.
const API_REQUESTS: Pace = Pace { per_second: 20, burst: 30 };

/// Kubelet's patience with one call.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Requests of one mount to Entra: two of discovery, one for the token.
const ENTRA_REQUESTS: u32 = 3;

/// Watches of a driver process: classes, pods, status objects. They last five to ten minutes.
const INFORMERS: usize = 3;
const WATCH: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(600));

/// What a client of the API server does after a 429 that asks for one second.
const API_TRIES: usize = 10;

pub(crate) struct Node {
    world: Arc<World>,
    number: usize,
    client: WritePace,
}

/// A mount that failed.
struct Failed;

impl Node {
    pub(crate) fn new(world: &Arc<World>, number: usize) -> Arc<Self> {
        let node = Arc::new(Self { world: Arc::clone(world), number, client: WritePace::new(API_REQUESTS) });
        for _ in 0..INFORMERS {
            let world = Arc::clone(world);
            tokio::spawn(async move {
                loop {
                    sleep(between(WATCH.0, WATCH.1)).await;
                    world.api.insist(Call::Watch).await;
                }
            });
        }
        node.restart();
        node
    }

    /// A new driver lists what it watches; all else goes on as before, because nothing was remembered.
    pub(crate) fn restart(self: &Arc<Self>) {
        let node = Arc::clone(self);
        tokio::spawn(async move {
            for _ in 0..INFORMERS {
                node.client.turn().await;
                node.world.api.insist(Call::List).await;
            }
        });
    }

    /// The life of a pod's volume.
    pub(crate) async fn pod(self: Arc<Self>, volume: usize) {
        let interval = self.world.shape.interval();
        let mut pause = KUBELET_PAUSE.0;
        let mut version = loop {
            if let Ok(Ok(version)) = timeout(TIMEOUT, self.mount(volume, true)).await {
                break version;
            }
            sleep(pause).await;
            pause = (pause * 2).min(KUBELET_PAUSE.1);
        };
        let mut changed = Instant::now();
        loop {
            sleep(between(REPUBLISH.0, REPUBLISH.1)).await;
            // The time of the directory: when the content changed, not when it was fetched.
            if changed.elapsed() < interval {
                continue;
            }
            if let Ok(Ok(new)) = timeout(TIMEOUT, self.mount(volume, false)).await
                && new != version
            {
                (version, changed) = (new, Instant::now());
            }
        }
    }

    async fn mount(&self, number: usize, first: bool) -> Result<u32, Failed> {
        let (world, shape) = (&self.world, self.world.shape);
        let vault = shape.vault(shape.class(self.number, shape.group(number)));
        let began = Instant::now();
        // Without a token.
        self.get(vault).await?;
        world.azure.entra(ENTRA_REQUESTS).await;
        let mut version = u32::MAX;
        for _ in 0..shape.objects {
            version = version.min(self.get(vault).await?);
        }
        // Files are written before the status object.
        world.shows(self.number * shape.volumes_per_node + number, version, began);
        self.write().await?;
        if !first {
            self.write().await?;
        }
        Ok(version)
    }

    /// One object, or the answer 401, which is subject to the same limits.
    async fn get(&self, vault: usize) -> Result<u32, Failed> {
        for tried in 1..=4 {
            let asked = match self.world.azure.ask(vault).await {
                Vaulted::Secret(version) => return Ok(version),
                Vaulted::Throttled(pause) => Some(pause),
                Vaulted::Away => None,
            };
            if tried < 4 {
                let unit = f64::from((1_u32 << tried) - 1) * 0.8;
                let own = Duration::from_secs_f64(unit * (0.8 + keymount_clock::jitter::fraction() / 2.0));
                sleep(asked.unwrap_or(own)).await;
            }
        }
        Err(Failed)
    }

    async fn write(&self) -> Result<(), Failed> {
        for _ in 0..API_TRIES {
            self.client.turn().await;
            if self.world.api.call(Call::Write).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_secs(1)).await;
        }
        Err(Failed)
    }
}
