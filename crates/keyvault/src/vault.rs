//! One mount's view of one vault.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use keymount_identity::{Access, IdentityKey, Scope, Session};
use tokio::time::Instant;
use url::Url;

use crate::bundle::{
    CertificateBundle, Content, KeyBundle, Listed, ObjectEntry, Page, SecretBundle, VersionEntry,
};
use crate::cache::{Owner, Place};
use crate::error::VaultError;
use crate::gate::{Gate, Lane};
use crate::item::{Item, ObjectKind};
use crate::vaults::{Served, Vaults};

/// A list has 25 entries per page; no object has this many versions, and no vault should have this many
/// objects that a pod has to search.
const MAX_PAGES: usize = 1000;

/// All entries of a list together, in bytes.
const MAX_LIST_BYTES: usize = 4 << 20;

/// Who joined a fetch and has this much more time than its starter asks again.
const WORTH_ANOTHER_TRY: std::time::Duration = std::time::Duration::from_secs(1);

/// One mount's view of one vault. Clones are the same view.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    vaults: Arc<Vaults>,
    url: Url,
    /// Scheme and host as the class spells them, for texts.
    origin: Box<str>,
    host: Arc<str>,
    gate: Arc<Gate>,
    session: Session,
    scope: Mutex<Option<Scope>>,
    lane: Lane,
    deadline: Instant,
}

macro_rules! delivered {
    ($(#[$doc:meta])* $method:ident, $kind:ident, $variant:ident -> $type:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// When it cannot be had before the deadline.
        pub async fn $method(&self, name: &str, version: &str) -> Result<Delivered<$type>, VaultError> {
            let item = Item::Object {
                kind: ObjectKind::$kind,
                name: name.to_owned(),
                version: version.to_owned(),
            };
            let content = self.get(item).await?;
            Ok(Delivered { content, pick: |content| match content {
                Content::$variant(bundle) => Some(bundle),
                _ => None,
            }})
        }
    };
}

/// Content that may be shared with other mounts of the same identity; it is erased when the last
/// holder lets go.
pub struct Delivered<T: 'static> {
    content: Arc<Content>,
    pick: fn(&Content) -> Option<&T>,
}

impl<T> std::ops::Deref for Delivered<T> {
    type Target = T;

    fn deref(&self) -> &T {
        (self.pick)(&self.content).expect("an item of one kind is answered by content of that kind")
    }
}

impl Vault {
    #[allow(clippy::too_many_arguments, reason = "called from one place, which names them all")]
    pub(crate) fn new(
        vaults: Arc<Vaults>,
        url: Url,
        origin: Box<str>,
        host: Arc<str>,
        gate: Arc<Gate>,
        session: Session,
        scope: Option<Scope>,
        lane: Lane,
        deadline: Instant,
    ) -> Self {
        Self(Arc::new(Inner {
            vaults,
            url,
            origin,
            host,
            gate,
            session,
            scope: Mutex::new(scope),
            lane,
            deadline,
        }))
    }

    delivered!(
        /// A secret; an empty version is the current one.
        secret, Secret, Secret -> SecretBundle);
    delivered!(
        /// The public part of a key; an empty version is the current one.
        key, Key, Key -> KeyBundle);
    delivered!(
        /// A certificate; an empty version is the current one.
        certificate, Certificate, Certificate -> CertificateBundle);

    /// All versions of an object, in the vault's order, from all pages.
    ///
    /// # Errors
    /// When the list cannot be had before the deadline.
    pub async fn versions(
        &self,
        kind: ObjectKind,
        name: &str,
    ) -> Result<Delivered<Vec<VersionEntry>>, VaultError> {
        let content = self.get(Item::Versions { kind, name: name.to_owned() }).await?;
        Ok(Delivered {
            content,
            pick: |content| match content {
                Content::Versions(entries) => Some(entries),
                _ => None,
            },
        })
    }

    /// All objects of a kind, in the vault's order, from all pages; of values only their names are told.
    ///
    /// # Errors
    /// When the list cannot be had before the deadline.
    pub async fn objects(&self, kind: ObjectKind) -> Result<Delivered<Vec<ObjectEntry>>, VaultError> {
        let content = self.get(Item::Objects { kind }).await?;
        Ok(Delivered {
            content,
            pick: |content| match content {
                Content::Objects(entries) => Some(entries),
                _ => None,
            },
        })
    }

    /// Serves an item from the cache, from a fetch under way, or from the vault; which of these this
    /// mount may use is decided by the identity it has proved, and that is found out first.
    async fn get(&self, mut item: Item) -> Result<Arc<Content>, VaultError> {
        let inner = &self.0;
        let shared = |access: &Access| access.key.filter(|_| inner.vaults.cache.is_on());
        let fresh = self.scope().and_then(|scope| inner.session.fresh(&scope));
        if let Some(identity) = fresh.as_ref().and_then(shared) {
            let place = self.place(identity, item);
            if let Some(content) = self.look_up(&place) {
                return Ok(content);
            }
            item = place.item;
        }
        let url = item.url(&inner.url)?;
        let access = match fresh {
            Some(access) => Some(access),
            None => self.access().await?,
        };
        let shared = access.as_ref().and_then(shared);
        let Some(identity) = shared else {
            inner.vaults.observer.served(item.kind(), Served::Vault);
            return Box::pin(self.fetch(&item, url, access)).await.map(Arc::new);
        };
        let place = self.place(identity, item);
        let asked = Instant::now();
        loop {
            if let Some(content) = self.look_up(&place) {
                return Ok(content);
            }
            let start = || self.clone().fetch_and_keep(place.clone(), url.clone(), access.clone()).boxed();
            let (fetch, started) = inner.vaults.flights.join(&(place.clone(), inner.lane), start);
            let from = if started { Served::Vault } else { Served::Joined };
            inner.vaults.observer.served(place.item.kind(), from);
            let outcome = tokio::time::timeout_at(inner.deadline, fetch).await;
            match outcome.unwrap_or_else(|_| Err(self.deadline(&url, "waiting with others", asked, None))) {
                Err(error)
                    if error.is_deadline()
                        && !started
                        && Instant::now() + WORTH_ANOTHER_TRY < inner.deadline => {}
                outcome => return outcome,
            }
        }
    }

    fn place(&self, identity: IdentityKey, item: Item) -> Place {
        Place { owner: Owner { identity, host: Arc::clone(&self.0.host) }, item }
    }

    fn look_up(&self, place: &Place) -> Option<Arc<Content>> {
        let content = self.0.vaults.cache.get(place)?;
        self.0.vaults.observer.served(place.item.kind(), Served::Cache);
        Some(content)
    }

    async fn fetch_and_keep(
        self,
        place: Place,
        url: Url,
        access: Option<Access>,
    ) -> Result<Arc<Content>, VaultError> {
        let asked = Instant::now();
        let content = Arc::new(self.fetch(&place.item, url, access).await?);
        self.0.vaults.cache.insert(place, &content, asked);
        Ok(content)
    }

    async fn fetch(&self, item: &Item, url: Url, access: Option<Access>) -> Result<Content, VaultError> {
        let mut access = access;
        match item {
            Item::Object { kind, .. } => {
                let answer = self.request(*kind, &url, &mut access).await?;
                Content::parse_object(*kind, answer.body.expose())
            }
            // Boxed, because each object that is read would have room for a list in its state otherwise.
            Item::Versions { .. } => {
                Box::pin(self.pages(item, url, &mut access)).await.map(Content::Versions)
            }
            Item::Objects { .. } => Box::pin(self.pages(item, url, &mut access)).await.map(Content::Objects),
        }
    }

    async fn pages<T: Listed>(
        &self,
        item: &Item,
        url: Url,
        access: &mut Option<Access>,
    ) -> Result<Vec<T>, VaultError> {
        let (mut entries, mut bytes, mut next) = (Vec::new(), 0, url);
        for _ in 0..MAX_PAGES {
            let answer = self.request(item.kind(), &next, access).await?;
            let page = Page::parse(item, answer.body.expose())?;
            bytes += page.entries.iter().map(T::size).sum::<usize>();
            if bytes > MAX_LIST_BYTES {
                return Err(VaultError::LongList(MAX_LIST_BYTES));
            }
            entries.extend(page.entries);
            let Some(link) = page.next else { return Ok(entries) };
            next = self.own_link(&link)?;
        }
        Err(VaultError::EndlessList(MAX_PAGES))
    }

    /// A page's successor, if it is on this very vault: the token goes nowhere else.
    fn own_link(&self, link: &str) -> Result<Url, VaultError> {
        let foreign = || VaultError::ForeignLink(self.0.host.to_string());
        let next = Url::parse(link).map_err(|_| foreign())?;
        if next.origin() != self.0.url.origin() || !next.username().is_empty() || next.password().is_some() {
            return Err(foreign());
        }
        Ok(next)
    }

    /// A token for this vault; none while nobody knows what for.
    pub(crate) async fn access(&self) -> Result<Option<Access>, VaultError> {
        let Some(scope) = self.scope() else { return Ok(None) };
        let access = self.0.session.access(&scope, self.0.deadline).await;
        access.map(Some).map_err(|error| self.token_error(error))
    }

    pub(crate) fn token_error(&self, error: keymount_identity::TokenError) -> VaultError {
        if error.is_refusal() {
            self.purge(self.0.session.claimed_key());
        }
        error.into()
    }

    /// Forgets what is cached of an identity's content of this vault.
    pub(crate) fn purge(&self, identity: Option<IdentityKey>) {
        if let Some(identity) = identity {
            self.0.vaults.cache.purge(&Owner { identity, host: Arc::clone(&self.0.host) });
        }
    }

    pub(crate) fn scope(&self) -> Option<Scope> {
        self.0.scope.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_scope(&self, scope: Scope) {
        *self.0.scope.lock().unwrap_or_else(PoisonError::into_inner) = Some(scope);
    }

    pub(crate) fn session(&self) -> &Session {
        &self.0.session
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.0.gate
    }

    pub(crate) fn vaults(&self) -> &Vaults {
        &self.0.vaults
    }

    pub(crate) fn host(&self) -> &str {
        &self.0.host
    }

    pub(crate) fn origin(&self) -> &str {
        &self.0.origin
    }

    /// A URL of this vault as texts show it.
    pub(crate) fn shown(&self, url: &Url) -> String {
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{}{query}", self.0.origin, url.path())
    }

    pub(crate) fn lane(&self) -> Lane {
        self.0.lane
    }

    pub(crate) fn time(&self) -> Instant {
        self.0.deadline
    }

    pub(crate) fn deadline(
        &self,
        url: &Url,
        stage: &'static str,
        since: Instant,
        last: Option<String>,
    ) -> VaultError {
        VaultError::Deadline { url: self.shown(url).into(), stage, waited: since.elapsed(), last }
    }
}
