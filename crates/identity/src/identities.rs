//! The token service: logs mounts in, and keeps what may be kept between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use keymount_clock::WallClock;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use crate::access::AccessToken;
use crate::cache::{Proofs, TokenCache};
use crate::credential::{ClientProof, Credential};
use crate::error::{Source, TokenError};
use crate::flight::Flights;
use crate::key::{IdentityKey, KeyMaker};
use crate::region::Region;
use crate::scope::Scope;
use crate::service_account::{TokenHash, admissible};
use crate::session::{Reuse, Session};
use crate::sources::arc::ArcAgent;
use crate::sources::binding::{Binding, BindingError, BindingOptions, TokenProxy};
use crate::sources::imds::ManagedIdentityId;
use crate::sources::{entra, imds, nmi};
use crate::transport::Http;

/// How many token requests to one kind of issuer may be under way at once. Entra and the metadata
/// service both answer bursts with 429; and an issuer that hangs must not hold up the others.
const MAX_REQUESTS: usize = 32;

/// What is told about token requests, for metrics.
pub trait Observer: Send + Sync {
    /// A token was asked for, with this outcome.
    fn token_requested(&self, source: Source, outcome: Result<(), &TokenError>, elapsed: Duration);
    /// A token was served from the cache.
    fn token_reused(&self, source: Source);
}

/// Tells nobody.
impl Observer for () {
    fn token_requested(&self, _: Source, _: Result<(), &TokenError>, _: Duration) {}
    fn token_reused(&self, _: Source) {}
}

/// What the token service works with.
pub struct Options {
    /// To Entra and AD FS: proxies apply.
    pub entra: Arc<dyn Http>,
    /// To the metadata service and the pod identity agent: never through a proxy.
    pub node: Arc<dyn Http>,
    /// The metadata service.
    pub imds_endpoint: Url,
    /// The agent that takes its place on an Azure Arc machine.
    pub arc: Option<ArcAgent>,
    /// The cluster's token proxy, for identity bindings.
    pub binding: BindingOptions,
    /// The pod identity agent.
    pub nmi_endpoint: Url,
    /// Entra's regional endpoint, if one is wanted.
    pub region: Region,
    /// The time of day, for tokens that state theirs.
    pub clock: WallClock,
    /// Who counts.
    pub observer: Arc<dyn Observer>,
}

/// The token service of one process.
pub struct Identities {
    options: Options,
    maker: KeyMaker,
    pub(crate) tokens: TokenCache,
    proofs: Proofs,
    flights: Flights<Flight, Fetched>,
    permits: [(Source, Semaphore); Source::ALL.len()],
    sessions: AtomicU64,
    binding: Binding,
}

/// A session cannot be prepared. The text is the Go stack's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Arc machines have one identity.
    #[error("Azure Arc doesn't support user-assigned managed identities")]
    ArcUserAssigned,
}

pub(crate) type Fetched = Result<Arc<AccessToken>, TokenError>;

/// What a token is being fetched for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) owner: Owner,
    pub(crate) scope: Scope,
    /// Claims that a vault demanded, if it did.
    pub(crate) claims: Option<String>,
}

/// Who shares the outcome.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// Everybody of this identity.
    Identity(IdentityKey),
    /// Whoever presents this very token as this identity: it has to be accepted first.
    Unproven(IdentityKey, TokenHash),
    /// One mount.
    Session(u64),
}

impl Identities {
    /// A service with empty caches.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            binding: Binding::new(options.binding.clone()),
            options,
            maker: KeyMaker::new(),
            tokens: TokenCache::default(),
            proofs: Proofs::default(),
            flights: Flights::default(),
            permits: Source::ALL.map(|source| (source, Semaphore::new(MAX_REQUESTS))),
            sessions: AtomicU64::new(0),
        }
    }

    /// Prepares a mount's access with this credential, and decides what it may share with other mounts.
    /// Asks nobody for anything yet.
    ///
    /// # Errors
    /// When the machine cannot have such a credential.
    pub fn login(self: &Arc<Self>, credential: Credential) -> Result<Session, LoginError> {
        if let Credential::ManagedIdentity(id) = &credential
            && *id != ManagedIdentityId::SystemAssigned
            && self.options.arc.is_some()
        {
            return Err(LoginError::ArcUserAssigned);
        }
        let reuse = self.reuse(&credential);
        let id = self.sessions.fetch_add(1, Ordering::Relaxed);
        Ok(Session::new(Arc::clone(self), credential, reuse, id))
    }

    /// The cluster's token proxy, for [`Credential::IdentityBinding`]. What it takes to reach it is found
    /// out at the first use.
    ///
    /// # Errors
    /// When that cannot be found out now.
    pub async fn token_proxy(&self) -> Result<Arc<TokenProxy>, BindingError> {
        self.binding.proxy().await
    }

    /// The age of the oldest cached token, for a metric.
    #[must_use]
    pub fn oldest_token(&self) -> Option<Duration> {
        self.tokens.oldest()
    }

    fn reuse(&self, credential: &Credential) -> Reuse {
        let now = self.options.clock.now();
        let Some((token, pod)) = credential.federated() else {
            let machine = self.options.arc.as_ref().map_or(&self.options.imds_endpoint, ArcAgent::endpoint);
            let key = credential.key(&self.maker, machine.as_str(), None);
            return match (key, credential) {
                // The agent alone knows which identity the pod has now, and asking it is cheap.
                (Some(key), Credential::PodIdentity { .. }) => Reuse::Mount(Some(key)),
                (Some(key), _) => Reuse::Identity { key, proof: None },
                (None, _) => Reuse::Mount(None),
            };
        };
        let claims = admissible(token, &pod.namespace, &pod.service_account, now);
        let key = credential.key(&self.maker, "", claims.as_ref());
        match (key, claims) {
            (Some(key), Some(claims)) => Reuse::Identity {
                key,
                proof: Some((TokenHash::of(token), Instant::now() + claims.lifetime(now))),
            },
            _ => Reuse::Mount(None),
        }
    }

    /// Whether this token has been accepted as this identity before.
    pub(crate) fn is_proven(&self, key: IdentityKey, proof: TokenHash) -> bool {
        self.proofs.holds(key, proof)
    }

    /// Joins or starts the fetch of a token. The second value says whether it was started here.
    pub(crate) fn fetch(
        self: &Arc<Self>,
        flight: &Flight,
        credential: &Arc<Credential>,
        reuse: Reuse,
        deadline: Instant,
    ) -> (futures::future::Shared<BoxFuture<'static, Fetched>>, bool) {
        let (service, credential, wanted) = (Arc::clone(self), Arc::clone(credential), flight.clone());
        self.flights.join(flight, move || {
            async move { service.obtain(&credential, &wanted, reuse, deadline).await }.boxed()
        })
    }

    pub(crate) fn reused(&self, source: Source) {
        self.options.observer.token_reused(source);
    }

    /// One token request, and what follows for the caches.
    async fn obtain(
        &self,
        credential: &Credential,
        wanted: &Flight,
        reuse: Reuse,
        deadline: Instant,
    ) -> Fetched {
        let (started, source) = (Instant::now(), credential.source());
        let permits = self.permits.iter().find(|(of, _)| *of == source).map(|(_, permits)| permits.acquire());
        let permit = tokio::time::timeout_at(deadline, futures::future::OptionFuture::from(permits)).await;
        let outcome = match permit {
            Ok(_permit) => self.request(credential, wanted, deadline).await.map(Arc::new),
            Err(_) => Err(TokenError::Deadline { source_kind: source, waited: started.elapsed() }),
        };
        let elapsed = started.elapsed();
        self.options.observer.token_requested(source, outcome.as_ref().map(|_| ()), elapsed);
        if let Reuse::Identity { key, proof } = reuse {
            match &outcome {
                Ok(token) => {
                    if let Some((hash, until)) = proof {
                        self.proofs.add(key, hash, until.duration_since(Instant::now()));
                    }
                    self.tokens.insert(key, &wanted.scope, token);
                }
                // Revoked, or never entitled: whoever comes next has to prove itself anew.
                Err(error) if error.is_refusal() => {
                    self.proofs.forget(key);
                    self.tokens.forget(key);
                }
                Err(_) => {}
            }
        }
        outcome
    }

    async fn request(
        &self,
        credential: &Credential,
        wanted: &Flight,
        deadline: Instant,
    ) -> Result<AccessToken, TokenError> {
        let Options { entra, node, imds_endpoint, nmi_endpoint, arc, region, clock, .. } = &self.options;
        let (node, scope) = (&**node, &wanted.scope);
        let ask = async |http: &dyn Http, endpoint: entra::Endpoint<'_>, client: &str, proof| {
            let (source, claims) = (credential.source(), wanted.claims.as_deref());
            let grant = entra::Grant { source, client, proof, scope, claims };
            entra::request_token(http, clock, &endpoint, &grant, deadline).await
        };
        match credential {
            Credential::ManagedIdentity(id) => match arc {
                Some(agent) => agent.request_token(node, clock, scope, deadline).await,
                None => imds::request_token(node, clock, imds_endpoint, id, scope, deadline).await,
            },
            Credential::PodIdentity { pod } => {
                nmi::request_token(node, clock, nmi_endpoint, pod, scope, deadline).await
            }
            Credential::WorkloadIdentity { authority, client_id, token, .. } => {
                let url = authority.token_endpoint(region.name(node, imds_endpoint).await);
                ask(&**entra, entra::Endpoint::of(&url), client_id, entra::Proof::Assertion(token)).await
            }
            Credential::ServicePrincipal { authority, client_id, proof } => {
                let url = authority.token_endpoint(region.name(node, imds_endpoint).await);
                let endpoint = entra::Endpoint::of(&url);
                match proof {
                    ClientProof::Secret(secret) => {
                        ask(&**entra, endpoint, client_id, entra::Proof::Secret(secret)).await
                    }
                    ClientProof::Certificate(certificate) => {
                        let signed = certificate.assertion(client_id, &url, authority.is_adfs(), clock.now());
                        ask(&**entra, endpoint, client_id, entra::Proof::Assertion(&signed)).await
                    }
                }
            }
            Credential::IdentityBinding { proxy, authority, client_id, token, .. } => {
                let (url, shown, host) = proxy.endpoint(authority);
                let endpoint = entra::Endpoint { url: &url, shown: &shown, host };
                ask(&*proxy.http, endpoint, client_id, entra::Proof::Assertion(token)).await
            }
        }
    }
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;
