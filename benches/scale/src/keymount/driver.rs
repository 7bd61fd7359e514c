//! The driver of one node: `keymount-schedule` in the order of `crates/driver/src/rotation`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keymount_keyvault::Lane as VaultLane;
use keymount_schedule::{Batch, Beside, Done, Lane, Pace, Places, Queue, Schedule, WritePace};
use tokio::sync::{Notify, OnceCell, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::provider::{PodToken, Provider};
use crate::api_server::Call;
use crate::world::World;

/// What a mount and a rotation have of kubelet's two minutes.
const TIMEOUT: Duration = Duration::from_secs(115);

/// The defaults of `--provider-max-calls`, `--kube-api-qps` and `--kube-api-burst`.
const MAX_CALLS: usize = 64;
const API_WRITES: Pace = Pace { per_second: 50, burst: 100 };

/// Status objects that are written at one time, and events that may wait.
const STATUS_WORKERS: usize = 8;
const EVENTS_WAITING: usize = 256;

/// An event that says the same again is left out for this long.
const SAME_AGAIN: Duration = Duration::from_secs(600);

/// How long one watch is kept open: four minutes and three quarters, or one less.
const WATCH: (Duration, Duration) = (Duration::from_secs(225), Duration::from_secs(285));

/// A driver process and the provider beside it.
pub(super) struct Driver {
    world: Arc<World>,
    node: usize,
    provider: Provider,
    volumes: Mutex<Vec<Volume>>,
    /// The classes in use: read once, then watched.
    classes: Vec<OnceCell<()>>,
    places: Places,
    pace: Arc<WritePace>,
    status: Arc<Queue<usize>>,
    events: mpsc::Sender<()>,
    scheduled: Notify,
    stop: CancellationToken,
}

/// One volume.
#[derive(Default)]
struct Volume {
    /// The version that its files have; none while it is not mounted.
    version: Option<u32>,
    /// None until kubelet has called for it.
    schedule: Option<Schedule>,
    running: bool,
    failing: bool,
    warned: Option<Instant>,
    token: PodToken,
    phase: i64,
}

impl Driver {
    /// Starts one; `mounted` are the versions of the volumes that are there.
    pub(super) fn start(world: &Arc<World>, node: usize, mounted: Option<Vec<Option<u32>>>) -> Arc<Self> {
        let shape = world.shape;
        let mounted = mounted.unwrap_or_else(|| vec![None; shape.volumes_per_node]);
        let phase = |volume: usize| {
            // Any number of its own does.
            i64::try_from((node * shape.volumes_per_node + volume) * 997).unwrap_or_default()
        };
        let volume = |(number, version)| Volume { version, phase: phase(number), ..Volume::default() };
        let (events, waiting) = mpsc::channel(EVENTS_WAITING);
        let driver = Arc::new(Self {
            world: Arc::clone(world),
            node,
            provider: Provider::new(world, node),
            volumes: Mutex::new(mounted.into_iter().enumerate().map(volume).collect()),
            classes: (0..shape.classes_per_node).map(|_| OnceCell::new()).collect(),
            places: Places::new(MAX_CALLS),
            pace: Arc::new(WritePace::new(API_WRITES)),
            status: Queue::new(),
            events,
            scheduled: Notify::new(),
            stop: CancellationToken::new(),
        });
        driver.spawn(Arc::clone(&driver).rotate_when_due());
        driver.spawn(Arc::clone(&driver).write_events(waiting));
        let writer = Arc::clone(&driver);
        let write = move |_| {
            let driver = Arc::clone(&writer);
            async move {
                driver.pace.turn().await;
                if driver.world.api.call(Call::Write).await.is_ok() { Done::Finished } else { Done::Failed }
            }
        };
        tokio::spawn(Arc::clone(&driver.status).run(STATUS_WORKERS, driver.stop.clone(), write));
        driver
    }

    /// Ends it, and says which versions are mounted.
    pub(super) fn stop(&self) -> Vec<Option<u32>> {
        self.stop.cancel();
        self.volumes().iter().map(|volume| volume.version).collect()
    }

    /// A first mount. Says whether it succeeded.
    pub(super) async fn publish(self: &Arc<Self>, number: usize) -> bool {
        let deadline = Instant::now() + TIMEOUT;
        let mounted = async {
            self.class(number).await;
            self.fetch(number, Lane::FirstMount, deadline).await
        };
        let Some(Ok(Ok(version))) = self.stop.run_until_cancelled(timeout_at(deadline, mounted)).await else {
            return false;
        };
        let schedule = Schedule::mounted(self.beside(number));
        self.with(number, |volume| (volume.version, volume.schedule) = (Some(version), Some(schedule)));
        self.status.add(number);
        self.scheduled.notify_one();
        true
    }

    /// Kubelet calls for a volume that an earlier process mounted.
    pub(super) async fn adopt(self: &Arc<Self>, number: usize) {
        if self.with(number, |volume| volume.version.is_none() || volume.schedule.is_some()) {
            return;
        }
        let schedule = Schedule::found(false, self.beside(number));
        self.with(number, |volume| volume.schedule = Some(schedule));
        self.scheduled.notify_one();
        self.class(number).await;
        // Whether the status object says what it should.
        let _ = self.world.api.call(Call::Get).await;
    }

    /// Reads the class of a volume if it is new to this process, and watches it from then on.
    async fn class(self: &Arc<Self>, number: usize) {
        let read = async || {
            self.world.api.insist(Call::Get).await;
            let driver = Arc::clone(self);
            self.spawn(async move {
                loop {
                    driver.world.api.insist(Call::Watch).await;
                    let open = if keymount_clock::jitter::fraction() < 0.5 { WATCH.0 } else { WATCH.1 };
                    tokio::time::sleep(open).await;
                }
            });
        };
        self.classes[self.world.shape.group(number)].get_or_init(read).await;
    }

    async fn rotate_when_due(self: Arc<Self>) {
        loop {
            let next = self.start_due();
            tokio::select! {
                biased;
                () = self.scheduled.notified() => {}
                () = keymount_schedule::until(next) => {}
            }
        }
    }

    /// As the driver's: starts what is due, and gives the time of what is due next.
    fn start_due(self: &Arc<Self>) -> Option<Instant> {
        let interval = Some(self.world.shape.interval());
        let group = |number| self.world.shape.group(number);
        let due = |volume: &Volume| volume.schedule.as_ref().and_then(|schedule| schedule.due(interval));
        let mut volumes = self.volumes();
        let mut batch = Batch::now();
        for (number, volume) in volumes.iter().enumerate() {
            batch.look(due(volume), || group(number));
        }
        if !batch.is_empty() {
            for (number, volume) in volumes.iter_mut().enumerate() {
                let Some(schedule) = &mut volume.schedule else { continue };
                if !batch.takes(schedule, interval, &group(number)) {
                    continue;
                }
                schedule.begin();
                if !std::mem::replace(&mut volume.running, true) {
                    self.spawn(Arc::clone(self).rotate(number));
                }
            }
        }
        volumes.iter().filter_map(due).min()
    }

    async fn rotate(self: Arc<Self>, number: usize) {
        let deadline = Instant::now() + TIMEOUT;
        let fetched = timeout_at(deadline, self.fetch(number, Lane::Rotation, deadline)).await;
        let (changed, recovered, failed) = self.with(number, |volume| {
            volume.running = false;
            let Some(schedule) = &mut volume.schedule else { return (false, false, false) };
            match fetched {
                Ok(Ok(version)) => {
                    schedule.succeed();
                    let changed = volume.version.replace(version) != Some(version);
                    (changed, std::mem::replace(&mut volume.failing, false), false)
                }
                _ => {
                    schedule.fail();
                    let news = !std::mem::replace(&mut volume.failing, true);
                    let told = volume.warned.is_some_and(|at| at.elapsed() < SAME_AGAIN);
                    if !told {
                        volume.warned = Some(Instant::now());
                        // Beyond what may wait, the log has it.
                        let _ = self.events.try_send(());
                    }
                    if news {
                        self.status.add(number);
                    }
                    (false, false, true)
                }
            }
        });
        if changed || recovered {
            self.status.add(number);
            let _ = self.events.try_send(());
        }
        if failed {
            self.scheduled.notify_one();
        }
    }

    async fn fetch(&self, number: usize, lane: Lane, deadline: Instant) -> Result<u32, ()> {
        let _place = self.places.take(lane, self.provider.namespace(number)).await;
        let began = Instant::now();
        let token = self.with(number, |volume| self.provider.token(number, volume.phase, &mut volume.token));
        let lane = match lane {
            Lane::FirstMount => VaultLane::Mount,
            Lane::Rotation => VaultLane::Rotation,
        };
        let version = self.provider.mount(number, &token, lane, deadline).await.map_err(drop)?;
        let volume = self.node * self.world.shape.volumes_per_node + number;
        self.world.shows(volume, version, began);
        Ok(version)
    }

    fn beside(&self, number: usize) -> Option<Beside> {
        let interval = self.world.shape.interval();
        let group = self.world.shape.group(number);
        let volumes = self.volumes();
        let others = volumes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != number && self.world.shape.group(*other) == group);
        let due = others.filter_map(|(_, other)| other.schedule.as_ref()?.due(Some(interval))).min()?;
        Some(Beside { due, interval })
    }

    async fn write_events(self: Arc<Self>, mut waiting: mpsc::Receiver<()>) {
        while waiting.recv().await.is_some() {
            self.pace.turn().await;
            let _ = self.world.api.call(Call::Write).await;
        }
    }

    /// A task that ends with this process.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(task).await });
    }

    fn with<T>(&self, number: usize, look: impl FnOnce(&mut Volume) -> T) -> T {
        look(&mut self.volumes()[number])
    }

    fn volumes(&self) -> MutexGuard<'_, Vec<Volume>> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
