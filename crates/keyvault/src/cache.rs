//! Content kept for a few seconds, for others of the same identity (invariant I6).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use keymount_identity::IdentityKey;
use tokio::time::Instant;

use crate::bundle::Content;
use crate::item::Item;

/// Bounds of the cache.
#[derive(Clone, Copy, Debug)]
pub struct CacheOptions {
    /// How long content counts, from the moment it was asked for. Zero: nothing is kept or shared.
    pub ttl: Duration,
    /// How many objects at most.
    pub entries: usize,
    /// How much content at most, in bytes.
    pub bytes: usize,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(10), entries: 2048, bytes: 8 << 20 }
    }
}

/// Whose content of which vault.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) identity: IdentityKey,
    pub(crate) host: Arc<str>,
}

/// Where content is kept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) owner: Owner,
    pub(crate) item: Item,
}

/// The cache of one process.
pub(crate) struct ObjectCache {
    options: CacheOptions,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Arc<Place>, Entry>,
    /// The same by age, so that what goes first is found without a look at all.
    ages: BTreeMap<Age, Arc<Place>>,
    inserted: u64,
    bytes: usize,
    /// When an owner's content was last purged: what was asked for before that must not come in after.
    purges: HashMap<Owner, Instant>,
    sweeping: bool,
}

struct Entry {
    content: Arc<Content>,
    age: Age,
    bytes: usize,
}

/// When content was asked for, and a number that tells apart what was asked for at one moment.
type Age = (Instant, u64);

/// No request takes longer than a mount, so an older purge concerns nobody.
const PURGES_REMEMBERED: Duration = Duration::from_secs(600);

impl ObjectCache {
    pub(crate) fn new(options: CacheOptions) -> Arc<Self> {
        Arc::new(Self { options, state: Mutex::default() })
    }

    pub(crate) fn is_on(&self) -> bool {
        !self.options.ttl.is_zero()
    }

    pub(crate) fn get(&self, place: &Place) -> Option<Arc<Content>> {
        let state = self.state();
        let entry = state.entries.get(place)?;
        (entry.age.0.elapsed() < self.options.ttl).then(|| Arc::clone(&entry.content))
    }

    /// Keeps content that was asked for at `asked`, unless its owner was purged since.
    pub(crate) fn insert(self: &Arc<Self>, place: Place, content: &Arc<Content>, asked: Instant) {
        let bytes = content.size();
        if bytes > self.options.bytes || asked.elapsed() >= self.options.ttl {
            return;
        }
        let mut state = self.state();
        if state.purges.get(&place.owner).is_some_and(|purged| *purged >= asked) {
            return;
        }
        state.remove(&place);
        state.expire(self.options.ttl);
        while state.entries.len() >= self.options.entries || state.bytes + bytes > self.options.bytes {
            let Some((_, oldest)) = state.ages.first_key_value() else { return };
            let oldest = Arc::clone(oldest);
            state.remove(&oldest);
        }
        state.bytes += bytes;
        state.inserted += 1;
        let (age, place) = ((asked, state.inserted), Arc::new(place));
        state.ages.insert(age, Arc::clone(&place));
        state.entries.insert(place, Entry { content: Arc::clone(content), age, bytes });
        if !state.sweeping {
            state.sweeping = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.options.ttl));
        }
    }

    /// Forgets everything of an owner, and keeps out what is still on its way to it.
    pub(crate) fn purge(&self, owner: &Owner) {
        let mut state = self.state();
        let places: Vec<_> =
            state.entries.keys().filter(|place| place.owner == *owner).map(Arc::clone).collect();
        places.iter().for_each(|place| state.remove(place));
        state.purges.retain(|_, purged| purged.elapsed() < PURGES_REMEMBERED);
        state.purges.insert(owner.clone(), Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, place: &Place) {
        if let Some(entry) = self.entries.remove(place) {
            self.ages.remove(&entry.age);
            self.bytes -= entry.bytes;
        }
    }

    fn expire(&mut self, ttl: Duration) {
        let now = Instant::now();
        while let Some((age, place)) = self.ages.first_key_value() {
            if now.saturating_duration_since(age.0) < ttl {
                return;
            }
            let place = Arc::clone(place);
            self.remove(&place);
        }
    }
}

/// Erases what has expired soon after it has, whether anybody asks or not; ends when nothing is left.
async fn sweep(cache: Weak<ObjectCache>, ttl: Duration) {
    loop {
        tokio::time::sleep(ttl).await;
        let Some(cache) = cache.upgrade() else { return };
        let mut state = cache.state();
        state.expire(ttl);
        if state.entries.is_empty() {
            state.sweeping = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use keymount_identity::transport::{Scripted, TransportOptions, answer};
    use keymount_identity::{
        BindingOptions, Credential, Identities, ManagedIdentityId, NMI_ENDPOINT, Options, Region,
    };
    use url::Url;

    use super::*;
    use crate::bundle::SecretBundle;
    use crate::item::ObjectKind;

    /// Identity keys come from the token service only.
    fn key(id: &str) -> IdentityKey {
        let http = Arc::new(Scripted::new(|_| async { Ok(answer(500, "")) }));
        let endpoint = Url::parse(NMI_ENDPOINT).expect("a URL");
        let identities = Arc::new(Identities::new(Options {
            entra: Arc::<Scripted>::clone(&http),
            node: http,
            imds_endpoint: endpoint.clone(),
            arc: None,
            binding: BindingOptions::in_cluster(None, TransportOptions::default()),
            nmi_endpoint: endpoint,
            region: Region::default(),
            clock: keymount_clock::WallClock::system(),
            observer: Arc::new(()),
        }));
        let session =
            identities.login(Credential::ManagedIdentity(ManagedIdentityId::parse(id))).expect("a session");
        session.claimed_key().expect("a key")
    }

    fn cache(entries: usize, bytes: usize) -> Arc<ObjectCache> {
        ObjectCache::new(CacheOptions { ttl: Duration::from_secs(10), entries, bytes })
    }

    fn place(identity: IdentityKey, host: &str, name: &str) -> Place {
        let item = Item::Object { kind: ObjectKind::Secret, name: name.to_owned(), version: String::new() };
        Place { owner: Owner { identity, host: host.into() }, item }
    }

    fn secret(bytes: usize) -> Arc<Content> {
        let value = Some("x".repeat(bytes).into());
        Arc::new(Content::Secret(SecretBundle { value, ..SecretBundle::default() }))
    }

    #[tokio::test(start_paused = true)]
    async fn content_counts_from_when_it_was_asked_for_and_is_erased_then() {
        let (cache, place) = (cache(10, 10_000), place(key(""), "kv", "s"));
        let asked = Instant::now();
        tokio::time::advance(Duration::from_secs(3)).await;
        cache.insert(place.clone(), &secret(1), asked);
        tokio::time::advance(Duration::from_millis(6999)).await;
        assert!(cache.get(&place).is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(cache.get(&place).is_none());
        tokio::time::sleep(Duration::from_secs(10)).await;
        let state = cache.state();
        assert!(state.entries.is_empty() && state.ages.is_empty() && state.bytes == 0 && !state.sweeping);
    }

    #[tokio::test(start_paused = true)]
    async fn i6_owner_vault_and_object_all_have_to_match() {
        let cache = cache(10, 10_000);
        let (one, two) = (key(""), key("other"));
        cache.insert(place(one, "kv", "s"), &secret(1), Instant::now());
        assert!(cache.get(&place(one, "kv", "s")).is_some());
        for other in [place(two, "kv", "s"), place(one, "kv2", "s"), place(one, "kv", "s2")] {
            assert!(cache.get(&other).is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn i6_a_purge_keeps_out_what_was_asked_for_before_it() {
        let (cache, place) = (cache(10, 10_000), place(key(""), "kv", "s"));
        cache.insert(place.clone(), &secret(1), Instant::now());
        let asked = Instant::now();
        tokio::time::advance(Duration::from_millis(5)).await;
        cache.purge(&place.owner);
        assert!(cache.get(&place).is_none());
        cache.insert(place.clone(), &secret(1), asked);
        assert!(cache.get(&place).is_none(), "asked for before the purge");
        tokio::time::advance(Duration::from_millis(1)).await;
        cache.insert(place.clone(), &secret(1), Instant::now());
        assert!(cache.get(&place).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn bounded_in_number_and_bytes_the_oldest_goes_first() {
        let identity = key("");
        let at = |name: &str| place(identity, "kv", name);
        let few = cache(2, 1 << 20);
        for name in ["a", "b", "c"] {
            few.insert(at(name), &secret(1), Instant::now());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(few.get(&at("a")).is_none() && few.get(&at("b")).is_some() && few.get(&at("c")).is_some());
        let small = cache(10, 3000);
        for name in ["a", "b", "c"] {
            small.insert(at(name), &secret(1000), Instant::now());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(small.get(&at("a")).is_none() && small.get(&at("c")).is_some());
        small.insert(at("huge"), &secret(5000), Instant::now());
        assert!(small.get(&at("huge")).is_none() && small.get(&at("c")).is_some());
    }
}
