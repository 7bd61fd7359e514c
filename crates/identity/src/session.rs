//! One mount's access.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;

use crate::access::{AccessToken, Freshness};
use crate::credential::Credential;
use crate::error::{Source, TokenError};
use crate::identities::{Fetched, Flight, Identities, Owner};
use crate::key::IdentityKey;
use crate::scope::Scope;
use crate::service_account::TokenHash;

/// How long a renewal behind the scenes may take.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(60);

/// Whoever joined a fetch and outlives its starter's deadline by this much asks again.
const WORTH_ANOTHER_TRY: Duration = Duration::from_secs(1);

/// What a mount may share with other mounts.
#[derive(Clone, Copy)]
pub(crate) enum Reuse {
    /// Tokens and content, with everybody of this identity. A federated token must have been accepted
    /// before anything is shared: its hash, and until when it lives.
    Identity { key: IdentityKey, proof: Option<(TokenHash, Instant)> },
    /// No tokens. Content only where there is a key.
    Mount(Option<IdentityKey>),
}

/// One mount's way to tokens. Clones are the same mount.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    identities: Arc<Identities>,
    credential: Arc<Credential>,
    reuse: Reuse,
    id: u64,
    /// The tokens of a mount that shares none, by scope: there is one scope per vault.
    own: Mutex<Vec<(Scope, Arc<AccessToken>)>>,
}

/// A token, and the identity it proved.
#[derive(Clone)]
pub struct Access {
    /// The token.
    pub token: Arc<AccessToken>,
    /// Under which key content that was fetched with it may be cached; none: it must not be.
    pub key: Option<IdentityKey>,
}

impl Session {
    pub(crate) fn new(identities: Arc<Identities>, credential: Credential, reuse: Reuse, id: u64) -> Self {
        Self(Arc::new(Inner {
            identities,
            credential: Arc::new(credential),
            reuse,
            id,
            own: Mutex::default(),
        }))
    }

    /// Where this session's tokens come from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.0.credential.source()
    }

    /// The identity this mount claims to be; what is cached under it must go when the claim is refused.
    #[must_use]
    pub fn claimed_key(&self) -> Option<IdentityKey> {
        match self.0.reuse {
            Reuse::Identity { key, .. } => Some(key),
            Reuse::Mount(key) => key,
        }
    }

    /// A token for `scope`: cached if this mount may have that, else a new one.
    ///
    /// # Errors
    /// When no token can be had before `deadline`.
    pub async fn access(&self, scope: &Scope, deadline: Instant) -> Result<Access, TokenError> {
        // In a box of its own: a request for a token is rare, and its state is large.
        let fetch = || Box::pin(self.fetch(scope, None, deadline));
        let Some(cached) = self.cached(scope) else {
            return fetch().await;
        };
        match cached.freshness() {
            Freshness::Expired => fetch().await,
            Freshness::Ending => match fetch().await {
                Err(error) if !error.is_refusal() && cached.freshness() != Freshness::Expired => {
                    Ok(self.granted(cached))
                }
                outcome => outcome,
            },
            Freshness::Aging => {
                self.refresh(scope);
                Ok(self.reused(cached))
            }
            Freshness::Fresh => Ok(self.reused(cached)),
        }
    }

    /// A token for `scope` that is there and need not be renewed yet, if this mount may have that. Waits for nothing.
    #[must_use]
    pub fn fresh(&self, scope: &Scope) -> Option<Access> {
        let cached = self.cached(scope).filter(|cached| cached.freshness() == Freshness::Fresh)?;
        Some(self.reused(cached))
    }

    /// A new token in place of one that a vault rejected, with the claims it demanded, if any.
    ///
    /// # Errors
    /// When no token can be had before `deadline`.
    pub async fn renew(
        &self,
        scope: &Scope,
        rejected: &Access,
        claims: Option<&str>,
        deadline: Instant,
    ) -> Result<Access, TokenError> {
        if let Reuse::Identity { key, .. } = self.0.reuse {
            self.0.identities.tokens.reject(key, scope, &rejected.token);
        }
        self.own().retain(|(_, token)| !Arc::ptr_eq(token, &rejected.token));
        match self.cached(scope) {
            Some(newer) if claims.is_none() && newer.freshness() == Freshness::Fresh => {
                Ok(self.reused(newer))
            }
            _ => self.fetch(scope, claims, deadline).await,
        }
    }

    fn own(&self) -> std::sync::MutexGuard<'_, Vec<(Scope, Arc<AccessToken>)>> {
        self.0.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cached(&self, scope: &Scope) -> Option<Arc<AccessToken>> {
        match self.0.reuse {
            Reuse::Identity { key, .. } if self.is_proven() => self.0.identities.tokens.get(key, scope),
            Reuse::Identity { .. } => None,
            Reuse::Mount(_) => {
                self.own().iter().find(|(of, _)| of == scope).map(|(_, token)| Arc::clone(token))
            }
        }
    }

    /// Whether this mount has shown that it is the identity it claims to be.
    fn is_proven(&self) -> bool {
        match self.0.reuse {
            Reuse::Identity { key, proof: Some((hash, _)) } => self.0.identities.is_proven(key, hash),
            _ => true,
        }
    }

    fn granted(&self, token: Arc<AccessToken>) -> Access {
        Access { token, key: self.claimed_key() }
    }

    fn reused(&self, token: Arc<AccessToken>) -> Access {
        self.0.identities.reused(self.source());
        self.granted(token)
    }

    fn flight(&self, scope: &Scope, claims: Option<&str>) -> Flight {
        let owner = match self.0.reuse {
            Reuse::Identity { key, proof: Some((hash, _)) } if !self.is_proven() => {
                Owner::Unproven(key, hash)
            }
            Reuse::Identity { key, .. } => Owner::Identity(key),
            Reuse::Mount(_) => Owner::Session(self.0.id),
        };
        Flight { owner, scope: scope.clone(), claims: claims.map(str::to_owned) }
    }

    async fn fetch(
        &self,
        scope: &Scope,
        claims: Option<&str>,
        deadline: Instant,
    ) -> Result<Access, TokenError> {
        let flight = self.flight(scope, claims);
        let asked = Instant::now();
        loop {
            let (fetch, started) =
                self.0.identities.fetch(&flight, &self.0.credential, self.0.reuse, deadline);
            let outcome: Fetched = match tokio::time::timeout_at(deadline, fetch).await {
                Ok(outcome) => outcome,
                Err(_) => Err(TokenError::Deadline { source_kind: self.source(), waited: asked.elapsed() }),
            };
            match outcome {
                Err(error)
                    if error.is_deadline() && !started && Instant::now() + WORTH_ANOTHER_TRY < deadline => {}
                Err(error) => return Err(error),
                Ok(token) => {
                    if let Reuse::Mount(_) = self.0.reuse {
                        let mut own = self.own();
                        own.retain(|(of, _)| of != scope);
                        own.push((scope.clone(), Arc::clone(&token)));
                    }
                    return Ok(self.granted(token));
                }
            }
        }
    }

    /// Renews behind the scenes: at most one at a time per identity, because fetches are joined.
    fn refresh(&self, scope: &Scope) {
        let (session, flight) = (self.clone(), self.flight(scope, None));
        let deadline = Instant::now() + REFRESH_TIMEOUT;
        let (fetch, started) =
            session.0.identities.fetch(&flight, &self.0.credential, self.0.reuse, deadline);
        if started {
            tokio::spawn(async move {
                if let Some(Err(error)) = tokio::time::timeout_at(deadline, fetch).map(Result::ok).await {
                    tracing::warn!(source = session.source().name(), reason = ?error.reason(), "a token could not be renewed ahead of its expiry");
                }
            });
        }
    }
}
