//! Everything that goes wrong, drawn at random from a seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keymount_api::annotations;
use keymount_emulator::faults::{Action, Rule, Service};
use keymount_emulator::kubernetes::WatchEnd;
use keymount_stack_tests::CLASSES;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::figures::Samples;
use super::kubelet::Kubelet;
use crate::daemon::Daemon;

const DRIVER: [&str; 7] = [
    "--enable-secret-rotation",
    "--rotation-poll-interval=5s",
    "--rotation-min-interval=1s",
    "--kube-api-qps=1000",
    "--kube-api-burst=1000",
    "--secret-repair-interval=15s",
    "-v=1",
];
const PROVIDER: [&str; 3] = ["--write-cert-and-key-in-separate-files", "--object-cache-ttl=1s", "-v=1"];

/// How long one fault lasts, in milliseconds.
const LASTS: std::ops::Range<u64> = 300..4_000;
/// Pause behind it.
const PAUSE: std::ops::Range<u64> = 100..2_000;
/// Pods that go at once.
const LEAVING: usize = 20;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    DriverKilled,
    DriverEnded,
    DriverFrozen,
    ProviderKilled,
    ProviderEnded,
    ProviderFrozen,
    VaultThrottles,
    VaultHasATokenBucket,
    VaultFails,
    VaultForbids,
    VaultIsSlow,
    VaultHangs,
    VaultCutsOff,
    VaultAnswersNonsense,
    VaultResetsConnections,
    IssuerFails,
    IssuerHangs,
    MachineIdentityFails,
    ApiDown,
    ApiBusy,
    ApiSlow,
    WatchesEnd,
    WatchesExpire,
    Storm,
    NewVersion,
    NewToken,
    PodsLeave,
    SecretEdited,
    SecretDeleted,
    RefreshAsked,
}

/// Faults that end a process, which nothing can be measured of any more.
const DEADLY: [Fault; 4] =
    [Fault::DriverKilled, Fault::DriverEnded, Fault::ProviderKilled, Fault::ProviderEnded];

const OTHERS: [Fault; 26] = [
    Fault::DriverFrozen,
    Fault::ProviderFrozen,
    Fault::VaultThrottles,
    Fault::VaultHasATokenBucket,
    Fault::VaultFails,
    Fault::VaultForbids,
    Fault::VaultIsSlow,
    Fault::VaultHangs,
    Fault::VaultCutsOff,
    Fault::VaultAnswersNonsense,
    Fault::VaultResetsConnections,
    Fault::IssuerFails,
    Fault::IssuerHangs,
    Fault::MachineIdentityFails,
    Fault::ApiDown,
    Fault::ApiBusy,
    Fault::ApiSlow,
    Fault::WatchesEnd,
    Fault::WatchesExpire,
    Fault::Storm,
    Fault::NewVersion,
    Fault::NewToken,
    Fault::PodsLeave,
    Fault::SecretEdited,
    Fault::SecretDeleted,
    Fault::RefreshAsked,
];

/// Both daemons, and who disturbs them.
pub(crate) struct Trouble {
    kubelet: Arc<Kubelet>,
    random: StdRng,
    pub(crate) driver: Daemon,
    pub(crate) provider: Daemon,
    /// The number in the vault.
    pub(crate) number: u64,
    counts: BTreeMap<Fault, u64>,
    /// Lines of panics of processes that are gone.
    panics: Vec<String>,
}

impl Trouble {
    /// Starts both daemons.
    pub(crate) async fn new(kubelet: &Arc<Kubelet>, seed: u64) -> Self {
        let place = &kubelet.place;
        let provider = place.start_provider(&PROVIDER).await;
        let driver = place.start_driver(&DRIVER).await;
        kubelet.driver.set(true);
        kubelet.renew_token().await;
        let random = StdRng::seed_from_u64(seed);
        let (kubelet, counts, panics) = (Arc::clone(kubelet), BTreeMap::new(), Vec::new());
        let mut trouble = Self { kubelet, random, driver, provider, number: 0, counts, panics };
        trouble.new_version().await;
        trouble
    }

    /// Faults one after the other, sometimes two at once, for so long.
    pub(crate) async fn make(&mut self, time: Duration, deadly: bool, samples: &mut Samples) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let two = self.random.random_range(0..4) == 0;
            for _ in 0..=usize::from(two) {
                let fault = self.choose(deadly);
                *self.counts.entry(fault).or_default() += 1;
                self.begin(fault).await;
            }
            sleep(Duration::from_millis(self.random.random_range(LASTS))).await;
            self.heal().await;
            sleep(Duration::from_millis(self.random.random_range(PAUSE))).await;
            self.alive();
            samples.take(self);
            assert_eq!(self.kubelet.seen.all_wrong(), Vec::<String>::new(), "{self}");
        }
        self.new_version().await;
    }

    /// The storm that a driver's memory rises with once in its life, and a version that tells when it is over.
    pub(crate) async fn first_storm(&mut self) {
        self.begin(Fault::Storm).await;
        self.new_version().await;
    }

    fn choose(&mut self, deadly: bool) -> Fault {
        // One in ten ends a process: a process lives for half a minute or so.
        if deadly && self.random.random_range(0..10) == 0 {
            return DEADLY[self.random.random_range(0..DEADLY.len())];
        }
        OTHERS[self.random.random_range(0..OTHERS.len())]
    }

    async fn begin(&mut self, fault: Fault) {
        let place = Arc::clone(&self.kubelet.place);
        let faults = place.emulator.faults();
        let on = |service, action| {
            faults.add(Rule::on(service, action));
        };
        let status = [401, 429, 500, 503][self.random.random_range(0..4)];
        match fault {
            Fault::DriverKilled => self.end_driver(Signal::KILL).await,
            Fault::DriverEnded => self.end_driver(Signal::TERM).await,
            Fault::DriverFrozen => self.driver.signal(Signal::STOP),
            Fault::ProviderKilled => self.end_provider(Signal::KILL).await,
            Fault::ProviderEnded => self.end_provider(Signal::TERM).await,
            Fault::ProviderFrozen => self.provider.signal(Signal::STOP),
            Fault::VaultThrottles => on(Service::Vault, throttled()),
            Fault::VaultHasATokenBucket => on(
                Service::Vault,
                Action::Throttle { requests: 5, per_seconds: 2, retry_after: Some("1".to_owned()) },
            ),
            Fault::VaultFails => on(Service::Vault, Action::status(if status == 401 { 502 } else { status })),
            Fault::VaultForbids => on(Service::Vault, Action::status(403)),
            Fault::VaultIsSlow => on(Service::Vault, Action::Latency { millis: 700 }),
            Fault::VaultHangs => on(Service::Vault, Action::Hang),
            Fault::VaultCutsOff => on(Service::Vault, Action::Truncate { after: 30 }),
            Fault::VaultAnswersNonsense => on(Service::Vault, Action::Garbage),
            Fault::VaultResetsConnections => on(Service::Vault, Action::Reset),
            Fault::IssuerFails => on(Service::Entra, Action::status(status)),
            Fault::IssuerHangs => on(Service::Entra, Action::Hang),
            Fault::MachineIdentityFails => {
                on(Service::Imds, Action::status([404, 410, 429, 500][self.random.random_range(0..4)]));
            }
            Fault::ApiDown => place.api().down().await,
            Fault::ApiBusy => {
                on(Service::Kubernetes, Action::status(if status == 401 { 429 } else { status }))
            }
            Fault::ApiSlow => on(Service::Kubernetes, Action::Latency { millis: 500 }),
            Fault::WatchesEnd => place.api().end_watches(WatchEnd::Closed),
            Fault::WatchesExpire => {
                place.api().compact();
                place.api().end_watches(WatchEnd::Expired);
            }
            Fault::Storm => self.kubelet.storms.send_modify(|storms| *storms += 1),
            Fault::NewVersion => self.new_version().await,
            Fault::NewToken => self.kubelet.renew_token().await,
            Fault::PodsLeave => {
                for _ in 0..LEAVING {
                    let slot = self.random.random_range(0..self.kubelet.slots.len());
                    self.kubelet.slots[slot].replace.notify_one();
                }
            }
            Fault::SecretEdited => {
                let data = json!({"stringData": {"number": "of a user"}});
                // There is none before the first pod of its class is mounted.
                let _ = place.api().patch("secrets", "default", &self.some_class(), &data);
            }
            Fault::SecretDeleted => {
                let _ = place.api().delete("secrets", "default", &self.some_class());
            }
            Fault::RefreshAsked => {
                let asked = self.random.random::<u64>().to_string();
                let annotation = json!({"metadata": {"annotations": {annotations::REFRESH: asked}}});
                place.api().patch(CLASSES, "default", &self.some_class(), &annotation).expect("a class");
            }
        }
    }

    /// Ends what lasts.
    async fn heal(&mut self) {
        self.driver.signal(Signal::CONT);
        self.provider.signal(Signal::CONT);
        let place = &self.kubelet.place;
        place.emulator.faults().clear();
        // Up is what it is already, mostly.
        let _ = place.api().up().await;
    }

    /// Nobody died who was not killed.
    fn alive(&mut self) {
        let lives = self.driver.runs() && self.provider.runs();
        let logs = [self.driver.log(), self.provider.log()].map(|log| log.lines);
        assert!(lives, "a daemon ended by itself: {logs:#?}");
        for log in [self.driver.log(), self.provider.log()] {
            self.panics.extend(log.panics);
        }
        assert!(self.panics.is_empty(), "{:#?}", self.panics);
    }

    async fn end_driver(&mut self, signal: Signal) {
        self.kubelet.driver.set(false);
        let place = Arc::clone(&self.kubelet.place);
        self.driver.signal(Signal::CONT);
        self.driver.signal(signal);
        if signal == Signal::TERM {
            // Its successor starts when it has gone, as in a DaemonSet.
            self.driver.gone().await;
        }
        self.panics.extend(self.driver.log().panics);
        self.driver = place.start_driver(&DRIVER).await;
        self.kubelet.driver.set(true);
    }

    async fn end_provider(&mut self, signal: Signal) {
        let place = Arc::clone(&self.kubelet.place);
        self.provider.signal(Signal::CONT);
        self.provider.signal(signal);
        if signal == Signal::TERM {
            self.provider.gone().await;
        }
        self.panics.extend(self.provider.log().panics);
        self.provider = place.start_provider(&PROVIDER).await;
    }

    async fn new_version(&mut self) {
        let vault = self.kubelet.place.vault();
        vault.put_certificate(&crate::azure::certificate()).await.expect("a certificate");
        self.number += 1;
        vault.set_secret("number", &self.number.to_string()).expect("a secret");
    }

    fn some_class(&mut self) -> String {
        let slot = self.random.random_range(0..self.kubelet.slots.len());
        self.kubelet.class(slot).to_owned()
    }
}

fn throttled() -> Action {
    let Action::Respond { status, code, inner, message, headers, body, .. } = Action::status(429) else {
        return Action::status(429);
    };
    Action::Respond { status, code, inner, message, headers, body, retry_after: Some("2".to_owned()) }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kubelet = &self.kubelet;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::SeqCst);
        writeln!(
            f,
            "{} faults: {:?}\n{} versions, {} pods, {} publishes answered OK, {} failed, {} unpublishes, {} whole reads",
            self.counts.values().sum::<u64>(),
            self.counts,
            self.number,
            count(&kubelet.pods),
            count(&kubelet.published),
            count(&kubelet.failed),
            count(&kubelet.unpublished),
            count(&kubelet.seen.whole),
        )
    }
}
