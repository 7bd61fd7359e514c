//! A kubelet for one node, as far as a CSI driver for ephemeral inline volumes meets it.
//!
//! It registers drivers through sockets in `plugins_registry`, and publishes, republishes and unpublishes
//! the inline volumes of pods with the requests, directories, deadlines and reactions to errors of kubelet
//! 1.33. It starts no containers; [`Container`] shows what one would see. Every step can be taken by itself
//! ([`Kubelet::publish`], [`Kubelet::unpublish`]), or all of them in a loop over the pods of the node
//! ([`Kubelet::run`]). It works with any API server, also a real one.

mod backoff;
mod container;
mod directory;
mod driver;
mod error;
mod events;
mod publish;
mod registration;
mod registry;
mod run;
mod tokens;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keymount_clock::WallClock;
use tokio::sync::watch;

pub use backoff::Backoff;
pub use container::Container;
pub use directory::VolumeData;
pub use driver::Driver;
pub use error::{MountError, RegistrationError, UnmountError};
pub use registration::Registration;
pub use registry::Watching;
pub use run::Running;

use tokens::Tokens;

/// How a kubelet is set up.
#[derive(Clone)]
pub struct Options {
    /// The node it is.
    pub node: String,
    /// Its root directory, `/var/lib/kubelet` on a real node.
    pub root: PathBuf,
    /// The API server.
    pub client: kube::Client,
    /// How long a call of a driver may take.
    pub timeout: Duration,
    /// The pauses after failed attempts.
    pub backoff: Backoff,
    /// How often the volumes of running pods are published again, where the driver asks for it.
    pub sync_interval: Duration,
    /// Time of day, for the life of tokens.
    pub clock: WallClock,
}

impl Options {
    /// The settings of a real kubelet: two minutes for a call, a sync every minute, pauses from half a
    /// second to two minutes.
    #[must_use]
    pub fn new(node: impl Into<String>, root: impl Into<PathBuf>, client: kube::Client) -> Self {
        Self {
            node: node.into(),
            root: root.into(),
            client,
            timeout: Duration::from_secs(120),
            backoff: Backoff::default(),
            sync_interval: Duration::from_secs(60),
            clock: WallClock::system(),
        }
    }
}

/// A kubelet. Cheap to clone; clones are the same kubelet.
#[derive(Clone)]
pub struct Kubelet(Arc<Inner>);

struct Inner {
    options: Options,
    drivers: watch::Sender<BTreeMap<String, Driver>>,
    tokens: Mutex<Tokens>,
}

impl Kubelet {
    /// A kubelet with its directories. It does nothing by itself.
    ///
    /// # Errors
    /// If a directory cannot be made.
    pub fn new(options: Options) -> io::Result<Self> {
        for directory in ["pods", "plugins", "plugins_registry"] {
            std::fs::create_dir_all(options.root.join(directory))?;
        }
        let inner = Inner { options, drivers: watch::Sender::new(BTreeMap::new()), tokens: Mutex::default() };
        Ok(Self(Arc::new(inner)))
    }

    /// Where drivers put their registration sockets.
    #[must_use]
    pub fn registry_dir(&self) -> PathBuf {
        self.root().join("plugins_registry")
    }

    /// Where drivers put their CSI sockets.
    #[must_use]
    pub fn plugins_dir(&self) -> PathBuf {
        self.root().join("plugins")
    }

    /// Where volumes are mounted.
    #[must_use]
    pub fn pods_dir(&self) -> PathBuf {
        self.root().join("pods")
    }

    /// Where a driver mounts a volume of a pod.
    #[must_use]
    pub fn target_path(&self, pod_uid: &str, volume: &str) -> PathBuf {
        directory::volume(self.root(), pod_uid, volume).join("mount")
    }

    /// The drivers that are registered now, by name.
    #[must_use]
    pub fn drivers(&self) -> BTreeMap<String, Driver> {
        self.0.drivers.borrow().clone()
    }

    /// Waits until a driver is registered. Bound it with a time-out.
    pub async fn registered(&self, name: &str) -> Driver {
        let mut drivers = self.0.drivers.subscribe();
        loop {
            if let Some(driver) = drivers.borrow_and_update().get(name) {
                return driver.clone();
            }
            // The sender lives as long as this kubelet.
            if drivers.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn root(&self) -> &Path {
        &self.0.options.root
    }

    fn options(&self) -> &Options {
        &self.0.options
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn driver(&self, name: &str) -> Option<Driver> {
        self.0.drivers.borrow().get(name).cloned()
    }
}

#[cfg(test)]
mod tests;
