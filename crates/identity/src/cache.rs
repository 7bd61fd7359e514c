//! Access tokens kept between mounts, and the proofs that entitle a mount to them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::access::AccessToken;
use crate::key::IdentityKey;
use crate::scope::Scope;
use crate::service_account::TokenHash;

/// More identities than a node has pods.
const MAX_TOKENS: usize = 1024;

/// Each pod's token counts once per hour of its life.
const MAX_PROOFS: usize = 16_384;

/// An acceptance is believed for as long as the accepted token says that it lives, but no longer than this.
const MAX_PROOF_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Tokens by identity and scope.
#[derive(Default)]
pub(crate) struct TokenCache(Mutex<HashMap<(IdentityKey, Scope), Arc<AccessToken>>>);

impl TokenCache {
    pub(crate) fn get(&self, key: IdentityKey, scope: &Scope) -> Option<Arc<AccessToken>> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(&(key, scope.clone())).map(Arc::clone)
    }

    pub(crate) fn insert(&self, key: IdentityKey, scope: &Scope, token: &Arc<AccessToken>) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (place, now) = ((key, scope.clone()), Instant::now());
        // What has expired is of no use, and erased.
        tokens.retain(|_, token| token.expires() > now);
        if !tokens.contains_key(&place) {
            make_room(&mut tokens, MAX_TOKENS, |token| token.expires());
        }
        tokens.insert(place, Arc::clone(token));
    }

    /// Forgets one token, unless a newer one has taken its place already.
    pub(crate) fn reject(&self, key: IdentityKey, scope: &Scope, rejected: &Arc<AccessToken>) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (key, scope.clone());
        if tokens.get(&place).is_some_and(|token| Arc::ptr_eq(token, rejected)) {
            tokens.remove(&place);
        }
    }

    /// Forgets every token of an identity.
    pub(crate) fn forget(&self, key: IdentityKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(owner, _), _| *owner != key);
    }

    /// The age of the oldest token in the cache that is still valid, for a metric.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        let now = Instant::now();
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.values().filter(|token| token.expires() > now).map(|token| token.obtained().elapsed()).max()
    }
}

/// Which service-account tokens Entra has accepted, for which identity. A token that was accepted for
/// one client proves nothing for another, so the identity is part of the proof.
#[derive(Default)]
pub(crate) struct Proofs(Mutex<HashMap<(IdentityKey, TokenHash), Instant>>);

impl Proofs {
    pub(crate) fn holds(&self, key: IdentityKey, token: TokenHash) -> bool {
        let proofs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        proofs.get(&(key, token)).is_some_and(|until| *until > Instant::now())
    }

    pub(crate) fn add(&self, key: IdentityKey, token: TokenHash, lifetime: Duration) {
        let mut proofs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut proofs, MAX_PROOFS, |until| *until);
        proofs.insert((key, token), Instant::now() + lifetime.min(MAX_PROOF_AGE));
    }

    pub(crate) fn forget(&self, key: IdentityKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(owner, _), _| *owner != key);
    }
}

/// Drops what has expired once the map is full, and if that was not enough, what expires first.
fn make_room<K: Clone + Eq + Hash, V>(map: &mut HashMap<K, V>, most: usize, expires: impl Fn(&V) -> Instant) {
    if map.len() < most {
        return;
    }
    let now = Instant::now();
    map.retain(|_, value| expires(value) > now);
    if map.len() >= most
        && let Some(first) = map.iter().min_by_key(|(_, value)| expires(value)).map(|(key, _)| key.clone())
    {
        map.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use keymount_sensitive::SecretString;

    use super::*;
    use crate::key::{Basis, KeyMaker};

    fn token(seconds: u64) -> Arc<AccessToken> {
        Arc::new(AccessToken::new(SecretString::default(), Duration::from_secs(seconds), None))
    }

    #[tokio::test(start_paused = true)]
    async fn bounded_and_the_shortest_lived_goes_first() {
        let (maker, cache, scope) = (KeyMaker::new(), TokenCache::default(), Scope::of("https://r"));
        let key = |n: usize| maker.key(&Basis::Node { endpoint: "", identity: &n.to_string() });
        for n in 0..MAX_TOKENS {
            cache.insert(key(n), &scope, &token(1000 + n as u64));
        }
        cache.insert(key(MAX_TOKENS), &scope, &token(9000));
        assert!(cache.get(key(0), &scope).is_none());
        assert!(cache.get(key(1), &scope).is_some() && cache.get(key(MAX_TOKENS), &scope).is_some());
        tokio::time::advance(Duration::from_secs(5000)).await;
        cache.insert(key(5000), &scope, &token(9000));
        assert_eq!(cache.0.lock().expect("the lock").len(), 2, "what has expired is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejected_token_does_not_take_its_successor_with_it() {
        let (maker, cache, scope) = (KeyMaker::new(), TokenCache::default(), Scope::of("https://r"));
        let key = maker.key(&Basis::Node { endpoint: "", identity: "" });
        let (old, new) = (token(10), token(10));
        cache.insert(key, &scope, &new);
        cache.reject(key, &scope, &old);
        assert!(cache.get(key, &scope).is_some());
        cache.reject(key, &scope, &new);
        assert!(cache.get(key, &scope).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn i6_a_proof_is_for_one_token_and_one_identity_and_ends_with_the_token() {
        let (maker, proofs) = (KeyMaker::new(), Proofs::default());
        let key = |identity| maker.key(&Basis::Node { endpoint: "", identity });
        let hash = |text: &str| TokenHash::of(&SecretString::new(text.to_owned()));
        proofs.add(key("a"), hash("1"), Duration::from_secs(60));
        assert!(proofs.holds(key("a"), hash("1")));
        assert!(!proofs.holds(key("b"), hash("1")) && !proofs.holds(key("a"), hash("2")));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!proofs.holds(key("a"), hash("1")));
    }
}
