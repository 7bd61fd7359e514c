//! A small Kubernetes API server on loopback.
//!
//! It serves what controllers and node drivers use: typed and custom resources with structural
//! schemas, label and field selectors, pages, watches with bookmarks and 410, JSON, merge and strategic
//! merge patches, server-side apply, optimistic locking, finalizers and grace, tokens of service
//! accounts, RBAC, garbage collection. Objects live in memory. `kubectl` works against it.
//!
//! What it says is held to what kube-apiserver says by the contract suite in `tests/cluster`, which runs
//! unchanged against both. Left out on purpose: protobuf but for a few kinds that Go clients write in it, admission webhooks, CEL, conversion webhooks,
//! aggregated discovery, the `scale`, `eviction` and `binding` subresources, quotas.

mod admission;
mod auth;
mod builtin;
mod collector;
mod discovery;
mod fields;
mod journal;
mod kubeconfig;
mod object;
mod openapi;
mod options;
mod protobuf;
mod rbac;
mod request;
mod resource;
mod schema;
mod seed;
mod selector;
mod serve;
mod status;
mod store;
mod token;
mod verbs;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use auth::{Authorization, Denial, User};
pub use journal::{Journal, Record};
pub use kubeconfig::ClientError;
pub use options::Options;
pub use request::Verb;
pub use seed::Rejected;
pub use verbs::WatchEnd;

use crate::listener::{Server, tls};
use crate::token::Jwks;
use store::Store;
use token::Signer;

/// The name under which connections are counted.
const LISTENER: &str = "kubernetes";

/// How long requests under way may take when the server goes down.
const PATIENCE: Duration = Duration::ZERO;

/// How long the port may take to be free after that.
const PORT_PATIENCE: Duration = Duration::from_secs(5);

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port cannot be had.
    #[error("cannot listen on 127.0.0.1:{port}: {error}")]
    Listen {
        /// The port asked for; 0 for any.
        port: u16,
        /// What the system says.
        error: std::io::Error,
    },
    /// No certificate could be made.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] crate::pki::PkiError),
}

/// A running API server. It ends when this is dropped.
pub struct ApiServer {
    state: Arc<State>,
    address: SocketAddr,
    server: Mutex<Option<Server>>,
    controllers: Option<AbortHandle>,
}

/// What the connections of one server share.
struct State {
    options: Options,
    store: Mutex<Store>,
    signer: Signer,
    journal: Journal,
    denials: Mutex<Vec<Denial>>,
    /// The revision of the last change, for whoever waits for one.
    revision: watch::Sender<u64>,
    /// Ends the watches that are under way when it changes.
    watch_end: watch::Sender<WatchEnd>,
    /// `http://` or `https://`, host and port.
    url: String,
}

impl State {
    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic while the lock was held can at worst have lost one write.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the store and tells the watches about changes.
    fn with_store<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.store();
        let result = work(&mut store);
        let revision = store.revision();
        drop(store);
        self.revision.send_if_modified(|known| std::mem::replace(known, revision) != revision);
        result
    }

    fn context(&self) -> verbs::Context<'_> {
        verbs::Context {
            now: self.options.clock.now(),
            signer: &self.signer,
            controllers: self.options.controllers,
        }
    }
}

impl ApiServer {
    /// Starts a server on loopback, with the namespaces every cluster has.
    ///
    /// # Errors
    /// If the port cannot be had or no certificate can be made.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let port = options.port;
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let address = listener.local_addr().map_err(|error| StartError::Listen { port, error })?;
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let store = Store::new(builtin::registry(), options.watch_window);
        let state = Arc::new(State {
            signer: Signer::new(options.issuer.clone()),
            journal: Journal::default(),
            denials: Mutex::default(),
            revision: watch::Sender::new(store.revision()),
            watch_end: watch::Sender::new(WatchEnd::Closed),
            store: Mutex::new(store),
            url: format!("{scheme}://{address}"),
            options,
        });
        state.with_store(|store| seed::namespaces(store, state.context()));
        let controllers =
            state.options.controllers.then(|| tokio::spawn(control(Arc::clone(&state))).abort_handle());
        let server = Mutex::new(Some(serve(&state, listener)?));
        Ok(Self { state, address, server, controllers })
    }

    /// Where it is: `http://127.0.0.1:<port>`, or `https://…` with TLS.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.state.url
    }

    /// Address and port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the server down: connections end, new ones are refused, objects stay.
    pub async fn down(&self) {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.shutdown(PATIENCE).await;
            // The task that held the port ends on its own time; that it has can be seen by having the port.
            let freed = async {
                while listen(self.address).await.is_err() {
                    tokio::task::yield_now().await;
                }
            };
            // Whoever else takes the port meanwhile has it: then it is not ours either.
            let _ = tokio::time::timeout(PORT_PATIENCE, freed).await;
        }
    }

    /// Brings the server up again on its old address.
    ///
    /// # Errors
    /// If someone else has taken the port meanwhile.
    pub async fn up(&self) -> Result<(), StartError> {
        let listener = listen(self.address).await?;
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(serve(&self.state, listener)?);
        Ok(())
    }

    /// Every request so far.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.state.journal
    }

    /// Refuses requests, from now on, beside what authorization refuses.
    pub fn deny(&self, denial: Denial) {
        self.state.denials.lock().unwrap_or_else(PoisonError::into_inner).push(denial);
    }

    /// Takes all denials back.
    pub fn allow_again(&self) {
        self.state.denials.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets all changes so far: watches and pages that go on from before get 410.
    pub fn compact(&self) {
        self.state.store().compact();
    }

    /// Ends the watches that are under way.
    pub fn end_watches(&self, end: WatchEnd) {
        self.state.watch_end.send_replace(end);
    }

    /// The public keys of the service-account tokens.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        self.state.signer.jwks().clone()
    }

    /// Waits until the store has reached a revision after `revision`, and returns it.
    pub async fn changed_after(&self, revision: u64) -> u64 {
        let mut changes = self.state.revision.subscribe();
        // The sender lives in the state, which lives as long as this.
        changes.wait_for(|now| *now > revision).await.map_or(revision, |now| *now)
    }

    /// The revision of the last change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        *self.state.revision.borrow()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some(controllers) = &self.controllers {
            controllers.abort();
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen { port: address.port(), error })
}

fn serve(state: &Arc<State>, listener: TcpListener) -> Result<Server, StartError> {
    let observer = &state.options.observer;
    let acceptor = match &state.options.tls {
        Some(ca) => Some(tls::acceptor(ca, &[Ipv4Addr::LOCALHOST.into()], observer.faults.clone())?),
        None => None,
    };
    Server::start(listener, LISTENER, acceptor, observer.traffic.clone(), serve::Api(Arc::clone(state)))
        .map_err(|error| StartError::Listen { port: 0, error })
}

/// What the controller manager does, after every change.
async fn control(state: Arc<State>) {
    let mut changes = state.revision.subscribe();
    loop {
        while state.with_store(collector::collect) {}
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
