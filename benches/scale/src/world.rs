//! What all nodes share, and what is known of every volume.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use keymount_clock::WallClock;
use tokio::time::Instant;

use crate::api_server::ApiServer;
use crate::azure::Azure;
use crate::record::{Ages, Record, WINDOW};
use crate::shape::Shape;

/// The cluster and its surroundings.
pub(crate) struct World {
    pub(crate) shape: Shape,
    pub(crate) azure: Arc<Azure>,
    pub(crate) api: ApiServer,
    pub(crate) record: Arc<Record>,
    pub(crate) clock: WallClock,
    volumes: Mutex<Volumes>,
}

struct Volumes {
    all: Vec<Volume>,
    goal: Goal,
    ages: Ages,
}

#[derive(Clone, Copy, Default)]
struct Volume {
    /// Since when its content is known to be what the vault has; none before its first mount.
    fresh_since: Option<Instant>,
    /// Whether it has reached the goal.
    done: bool,
}

/// What every volume has to reach.
struct Goal {
    /// At least this version.
    version: u32,
    /// Of a fetch that began then or later.
    since: Instant,
    left: usize,
    reached: Option<Instant>,
}

impl World {
    /// A new one, at this moment. Everything of a shape that is about requests and time is in it.
    pub(crate) fn new(shape: Shape, limit: u32) -> Arc<Self> {
        let record = Arc::new(Record::new(shape.vaults));
        let volumes = Volumes {
            all: vec![Volume::default(); shape.volumes()],
            goal: Goal { version: 0, since: Instant::now(), left: shape.volumes(), reached: None },
            ages: Ages::default(),
        };
        let world = Self {
            shape,
            azure: Arc::new(Azure::new(shape.vaults, limit, Arc::clone(&record))),
            api: ApiServer::new(shape.api_seats, shape.api_queue, Arc::clone(&record)),
            record,
            clock: WallClock::simulated(Timestamp::from_second(1_800_000_000).unwrap_or_default()),
            volumes: Mutex::new(volumes),
        };
        Arc::new(world)
    }

    /// A volume shows this version, of a fetch that began at that moment.
    pub(crate) fn shows(&self, volume: usize, version: u32, began: Instant) {
        let mut volumes = self.lock();
        let Volumes { all, goal, .. } = &mut *volumes;
        let volume = &mut all[volume];
        volume.fresh_since = Some(began);
        if !volume.done && version >= goal.version && began >= goal.since {
            volume.done = true;
            goal.left -= 1;
            if goal.left == 0 {
                goal.reached = Some(Instant::now());
            }
        }
    }

    /// From now on every volume has to be fetched with at least this version.
    pub(crate) fn aim(&self, version: u32) {
        let mut volumes = self.lock();
        volumes.all.iter_mut().for_each(|volume| volume.done = false);
        let left = volumes.all.len();
        volumes.goal = Goal { version, since: Instant::now(), left, reached: None };
    }

    /// How long it took until every volume had reached the goal; none if that has not happened.
    pub(crate) fn reached(&self) -> Option<Duration> {
        let volumes = self.lock();
        volumes.goal.reached.map(|at| at - volumes.goal.since)
    }

    /// The ages of all volumes at the ends of all windows since the last time that this was asked.
    pub(crate) fn ages(&self) -> Ages {
        std::mem::take(&mut self.lock().ages)
    }

    /// Looks at the ages of all volumes in every window.
    pub(crate) async fn look(self: Arc<Self>) {
        // In the middle of windows, so that it is clear which one counts.
        tokio::time::sleep(Duration::from_secs(WINDOW / 2)).await;
        loop {
            let mut ages = Ages::default();
            {
                let (now, mut volumes) = (Instant::now(), self.lock());
                for fresh in volumes.all.iter().filter_map(|volume| volume.fresh_since) {
                    ages.add(now.saturating_duration_since(fresh).as_secs());
                }
                volumes.ages.merge(&ages);
            }
            self.record.oldest(ages.percentile(99));
            tokio::time::sleep(Duration::from_secs(WINDOW)).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Volumes> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
