//! One running emulator: its servers, and the handles to fill it, disturb it and look into it.

mod error;
mod started;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::admin::Admin;
use crate::entra::Directory;
use crate::faults::Faults;
use crate::gateway::Gateway;
use crate::hosts::Hosts;
use crate::imds::Imds;
use crate::kubernetes::{self, ApiServer};
use crate::listener::{Handler, Observer, Server, tls};
use crate::nmi::Nmi;
use crate::options::{Options, SeedSource};
use crate::seed::{Seed, SeedError};
use crate::token::Signer;
use crate::traffic::Traffic;
use crate::vault::{Vault, Vaults};
use crate::world::{Shared, World};

pub use error::StartError;
pub use started::{NOTICE, Started};

/// The tenant there is if the seed names none.
pub const DEFAULT_TENANT: &str = "7e9a0000-0000-4000-8000-000000000001";

/// Requests under way at the end may take this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running emulator. It ends when this is dropped; [`Emulator::shutdown`] ends it politely.
pub struct Emulator {
    world: Shared,
    /// Azure, metadata service, pod identity, admin API.
    servers: [Server; 4],
    kubernetes: Option<ApiServer>,
    ca: Arc<tls::Ca>,
    started: Started,
    /// Removes the private directory of the CA file.
    _ca_directory: Option<TempDir>,
}

impl Emulator {
    /// Starts an emulator. All its ports are bound when this returns.
    ///
    /// # Errors
    /// [`StartError`] says which address, file or part of the seed.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        check_addresses(&options)?;
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Lost to another thread, it is installed all the same.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let world = world(&options);
        if let Some(source) = &options.seed {
            read_seed(source).await?.apply(&world).await?;
        }
        let azure = Bound::new("vaults and authorities", options.listen).await?;
        let imds = Bound::new("the metadata service", options.imds).await?;
        let nmi = Bound::new("pod identity", options.nmi).await?;
        let admin = Bound::new("the admin API", options.admin).await?;

        let ca = Arc::new(tls::Ca::new()?);
        let (ca_file, ca_directory) = write_ca(options.ca_file.as_deref(), &ca.pem()?)?;
        let loopback = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        let acceptor = tls::acceptor(
            &ca,
            &[loopback.as_slice(), &[azure.address.ip()]].concat(),
            world.observer.faults.clone(),
        )?;

        let azure = azure.serve("vault", Some(acceptor), &world, Gateway(Arc::clone(&world)))?;
        let imds = imds.serve("imds", None, &world, Imds(Arc::clone(&world)))?;
        let nmi = nmi.serve("nmi", None, &world, Nmi(Arc::clone(&world)))?;
        let kubernetes = match options.kubernetes {
            Some(port) => Some(cluster(&world, port).await?),
            None => None,
        };
        let addresses = [azure.address(), imds.address(), nmi.address(), admin.address];
        let cluster = kubernetes.as_ref().map(|api| api.url().to_owned());
        let started = Started::new(&world, addresses, cluster, ca_file);
        let handler = Admin { world: Arc::clone(&world), ca: Arc::clone(&ca), started: started.clone() };
        let admin = admin.serve("admin", None, &world, handler)?;
        let servers = [azure, imds, nmi, admin];
        Ok(Self { world, servers, kubernetes, ca, started, _ca_directory: ca_directory })
    }

    /// Where everything is, with the vaults there are now.
    #[must_use]
    pub fn started(&self) -> Started {
        self.started.refreshed(&self.world)
    }

    /// Address of the vaults and the authority.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.servers[0].address()
    }

    /// The vault of this name, made if there was none.
    #[must_use]
    pub fn vault(&self, name: &str) -> Arc<Vault> {
        self.world.vaults.get_or_create(name, None)
    }

    /// The Kubernetes API, if the options asked for one.
    #[must_use]
    pub const fn kubernetes(&self) -> Option<&ApiServer> {
        self.kubernetes.as_ref()
    }

    /// Tenants and identities.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.world.directory
    }

    /// Fault rules.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.world.observer.faults
    }

    /// Counters.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.world.observer.traffic
    }

    /// Rules and counters together, for further services that share them.
    #[must_use]
    pub fn observer(&self) -> &Observer {
        &self.world.observer
    }

    /// The certificate authority of the TLS port.
    #[must_use]
    pub const fn ca(&self) -> &Arc<tls::Ca> {
        &self.ca
    }

    /// An access token of an identity for a resource, without asking for its credential. None if there
    /// is no such client id.
    #[must_use]
    pub fn token(&self, client_id: &str, resource: &str) -> Option<String> {
        self.world.token(client_id, resource)
    }

    /// Adds what a seed describes.
    ///
    /// # Errors
    /// [`SeedError`] names the object that does not fit. What came before it stays.
    pub async fn seed(&self, seed: Seed) -> Result<(), SeedError> {
        seed.apply(&self.world).await
    }

    /// Ends all servers; requests under way are answered first, within 5 seconds.
    pub async fn shutdown(self) {
        self.world.observer.faults.clear();
        let servers = futures::future::join_all(self.servers.map(|server| server.shutdown(PATIENCE)));
        let kubernetes = async {
            if let Some(api) = &self.kubernetes {
                api.down().await;
            }
        };
        tokio::join!(servers, kubernetes);
    }
}

/// A bound socket that does not serve yet.
struct Bound {
    what: &'static str,
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    async fn new(what: &'static str, address: SocketAddr) -> Result<Self, StartError> {
        let failed = |source| StartError::Bind { what, address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { what, listener, address })
    }

    fn serve(
        self,
        name: &'static str,
        tls: Option<TlsAcceptor>,
        world: &Shared,
        handler: impl Handler,
    ) -> Result<Server, StartError> {
        let Self { what, listener, address } = self;
        let traffic = world.observer.traffic.clone();
        let server = Server::start(listener, name, tls, traffic, handler);
        server.map_err(|source| StartError::Bind { what, address, source })
    }
}

fn check_addresses(options: &Options) -> Result<(), StartError> {
    if !options.admin.ip().is_loopback() {
        return Err(StartError::AdminNotLoopback(options.admin));
    }
    let beyond = [options.listen, options.imds, options.nmi].into_iter().find(|one| !one.ip().is_loopback());
    match beyond {
        Some(address) if options.allow_any_token => Err(StartError::AnyTokenBeyondLoopback(address)),
        _ => Ok(()),
    }
}

fn world(options: &Options) -> Shared {
    Arc::new(World {
        clock: options.clock.clone(),
        observer: Observer::default(),
        hosts: Hosts {
            vault_suffixes: options.vault_suffixes.clone(),
            authorities: options.authorities.clone(),
        },
        signer: Signer::new(),
        directory: Directory::new(DEFAULT_TENANT),
        vaults: Vaults::new(options.clock.clone()),
        cluster_keys: OnceLock::new(),
        allow_any_token: options.allow_any_token,
        token_lifetime: options.token_lifetime,
        managed_token_lifetime: options.managed_token_lifetime,
    })
}

/// Starts the Kubernetes API and lets the authority know its keys.
async fn cluster(world: &World, port: u16) -> Result<ApiServer, StartError> {
    let api = ApiServer::start(kubernetes::Options {
        port,
        observer: world.observer.clone(),
        clock: world.clock.clone(),
        ..kubernetes::Options::default()
    })
    .await?;
    // Nobody has set them before: the world is as old as this start.
    let _ = world.cluster_keys.set(api.jwks());
    Ok(api)
}

async fn read_seed(source: &SeedSource) -> Result<Seed, StartError> {
    match source {
        SeedSource::Demo => Ok(Seed::demo()?),
        SeedSource::File(path) => {
            let failed = |source| StartError::ReadSeed { path: path.clone(), source };
            Ok(Seed::parse(&tokio::fs::read_to_string(path).await.map_err(failed)?)?)
        }
    }
}

/// Writes the CA certificate where the options say, or into a directory of its own.
fn write_ca(path: Option<&Path>, pem: &str) -> Result<(PathBuf, Option<TempDir>), StartError> {
    let (path, directory) = match path {
        Some(path) => (path.to_owned(), None),
        None => {
            let made = tempfile::Builder::new().prefix("keymount-emulator-").tempdir();
            let failed = |source| StartError::Ca { path: std::env::temp_dir(), source };
            let directory = made.map_err(failed)?;
            (directory.path().join("ca.pem"), Some(directory))
        }
    };
    match std::fs::write(&path, pem) {
        Ok(()) => Ok((path, directory)),
        Err(source) => Err(StartError::Ca { path, source }),
    }
}

#[cfg(test)]
mod tests;
