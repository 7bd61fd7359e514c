//! One driver process, from settings to the end.

use std::sync::Arc;

use axum::Router;
use keymount_clock::WallClock;
use keymount_daemon::grpc::{Endpoint, ListenError, Listener};
use keymount_daemon::metrics::Registry;
use keymount_daemon::{grpc, http};
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::kubernetes::{ClientError, client};
use crate::metrics::Live;
use crate::node::{Assembled, Node};
use crate::{csi, liveness, page, provider, registration, rotation};

/// Why the process cannot go on. Exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No way to the Kubernetes API is configured.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A socket cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// An HTTP port cannot be opened.
    #[error("failed to listen on {address} for {purpose}: {source} (choose another address with --{flag})")]
    Http {
        /// The address.
        address: String,
        /// What for.
        purpose: &'static str,
        /// The flag that sets it.
        flag: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The CSI server failed.
    #[error("the CSI server failed: {0}")]
    Serve(#[from] tonic::transport::Error),
}

/// A driver with its sockets open, about to serve.
pub struct Driver {
    config: Config,
    node: Arc<Node>,
    tasks: TaskTracker,
    /// Ends the background work; running operations are cancelled with it.
    closing: CancellationToken,
    listener: Listener,
    http: Vec<(TcpListener, Router)>,
}

impl Driver {
    /// Opens the sockets and puts everything together. The API server may be down.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn build(config: Config) -> Result<Self, RunError> {
        let client = client(config.kubeconfig.as_deref()).await?;
        Self::assemble(config, client, WallClock::system()).await
    }

    /// Like [`build`](Self::build), with a client and a clock of the caller's.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn assemble(config: Config, client: Client, clock: WallClock) -> Result<Self, RunError> {
        let closing = CancellationToken::new();
        let Assembled { node, events } = Node::assemble(&config, client, clock, &closing);
        let registry = node.metrics.registry().clone();
        registry.register(Live::new(Arc::clone(&node)));

        let mut servers = Vec::new();
        if let Some(address) = &config.metrics_address {
            let listener = bind(address, "metrics", "metrics-addr").await?;
            servers.push((listener, http::metrics(registry)));
        }
        if let (Some(address), Endpoint::Unix(socket)) = (&config.health_address, &config.endpoint) {
            let listener = bind(address, "the liveness endpoint", "health-addr").await?;
            let mut router = liveness::router(socket.clone());
            if config.status_page {
                router = router.merge(page::router(Arc::clone(&node)));
            }
            servers.push((listener, router));
        }
        let listener = Listener::bind(&config.endpoint).await?;

        let found = node.find_mounted().await;
        let tasks = TaskTracker::new();
        if node.minting.is_some() {
            tasks.spawn(Arc::clone(&node).discover(found, closing.clone()));
        }
        tasks.spawn(events);
        tasks.spawn(Arc::clone(&node.reports.status).run(closing.clone()));
        tasks.spawn(Arc::clone(&node.reports.secrets).run(closing.clone()));
        tasks.spawn(Arc::clone(&node).follow_classes(closing.clone()));
        tasks.spawn(rotation::run(Arc::clone(&node), closing.clone()));
        if let Some(interval) = config.provider_health_check {
            let providers = Arc::clone(&node.providers);
            tasks.spawn(provider::check_periodically(providers, interval, closing.clone()));
        }
        Ok(Self { config, node, tasks, closing, listener, http: servers })
    }

    /// The metrics, for whoever starts a driver as a part of something; they are also served over HTTP.
    #[must_use]
    pub fn metrics(&self) -> Registry {
        self.node.metrics.registry().clone()
    }

    /// Says in the log what is served where.
    pub fn announce(&self) {
        let config = &self.config;
        tracing::info!(
            version = keymount_daemon::build::BUILD.version,
            address = self.listener.address(),
            driver = config.driver_name,
            node = config.node_id,
            rotation = ?config.rotation.map(|rotation| rotation.interval),
            metrics = config.metrics_address.as_deref().unwrap_or("off"),
            "Listening for connections"
        );
    }

    /// Serves until `shutdown` is cancelled, then lets running requests end: provider calls are cancelled
    /// and undone, so that no volume is left half done for a SIGKILL to find.
    ///
    /// # Errors
    /// The CSI server failed.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RunError> {
        let Self { config, node, tasks, closing, listener, http: servers } = self;
        for (listener, router) in servers {
            tasks.spawn(serve_http(listener, router, closing.clone()));
        }
        if let Some(registration) = config.registration.clone() {
            let (name, stop) = (config.driver_name.clone(), shutdown.clone());
            let (registered, is_registered) = watch::channel(false);
            tasks.spawn(registration::keep_registered(registration, name, registered, stop));
            if let Some(taint) = node.startup_taint.clone() {
                tasks.spawn(taint.run(is_registered, Arc::clone(&node.providers), closing.clone()));
            }
        }
        let routes = csi::routes(Arc::clone(&node), &config.driver_name, &config.node_id);
        let cancel_operations = {
            let (shutdown, closing) = (shutdown.clone(), closing.clone());
            tokio::spawn(async move {
                shutdown.cancelled().await;
                closing.cancel();
            })
        };
        let served = grpc::serve(listener, routes, shutdown, config.shutdown_timeout).await;
        closing.cancel();
        cancel_operations.abort();
        let drained = async {
            node.ledger.drained().await;
            tasks.close();
            tasks.wait().await;
        };
        if tokio::time::timeout(config.shutdown_timeout, drained).await.is_err() {
            tracing::warn!("background work did not end in time");
        }
        Ok(served?)
    }
}

async fn bind(address: &str, purpose: &'static str, flag: &'static str) -> Result<TcpListener, RunError> {
    http::bind(address).await.map_err(|source| RunError::Http {
        address: address.to_owned(),
        purpose,
        flag,
        source,
    })
}

async fn serve_http(listener: TcpListener, router: Router, stop: CancellationToken) {
    if let Err(error) = http::serve(listener, router, stop).await {
        tracing::error!(err = %error, "an HTTP server failed");
    }
}
