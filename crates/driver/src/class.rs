//! SecretProviderClasses in use on this node: each read once, then kept fresh by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use keymount_api::{SecretProviderClass, annotations};
use keymount_daemon::flags::GoDuration;
use keymount_schedule::Queue;
use kube::api::Api;
use kube::{Client, ResourceExt as _};
use tokio::time::Instant;

use crate::kubernetes::{Named, NamedError};
use crate::request::ClassKey;

/// The classes that volumes of this node are of.
pub(crate) struct Classes {
    client: Client,
    held: Mutex<HashMap<ClassKey, Weak<ClassHold>>>,
    changed: Arc<Queue<ClassKey>>,
}

/// A class in use. It is followed until the last holder drops it.
pub(crate) struct ClassHold {
    key: ClassKey,
    object: Named<SecretProviderClass>,
    /// The value by which a refresh was asked for when that was last looked at; none before.
    refresh_seen: Mutex<Option<Option<String>>>,
}

impl Classes {
    /// `changed` gets the names of classes as they become known, change or are deleted.
    #[must_use]
    pub(crate) fn new(client: Client, changed: Arc<Queue<ClassKey>>) -> Self {
        Self { client, held: Mutex::default(), changed }
    }

    /// Takes hold of a class; nothing is awaited. The first holder makes it be read.
    #[must_use]
    pub(crate) fn hold(&self, key: ClassKey) -> Arc<ClassHold> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hold) = held.get(&key).and_then(Weak::upgrade) {
            return hold;
        }
        held.retain(|_, hold| hold.strong_count() > 0);
        let api = Api::namespaced(self.client.clone(), &key.namespace);
        let (changed, told) = (Arc::clone(&self.changed), key.clone());
        let object = Named::start(api, key.name.clone(), move || changed.add(told.clone()));
        let hold = Arc::new(ClassHold { key: key.clone(), object, refresh_seen: Mutex::default() });
        held.insert(key, Arc::downgrade(&hold));
        hold
    }

    /// A class that somebody holds.
    #[must_use]
    pub(crate) fn held(&self, key: &ClassKey) -> Option<Arc<ClassHold>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get(key)?.upgrade()
    }

    /// Number of classes in use.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values().filter(|hold| hold.strong_count() > 0).count()
    }
}

impl ClassHold {
    /// Which class it is.
    #[must_use]
    pub(crate) const fn key(&self) -> &ClassKey {
        &self.key
    }

    /// The class.
    ///
    /// # Errors
    /// It does not exist or could not be read in time.
    pub(crate) async fn get(&self, deadline: Instant) -> Result<Arc<SecretProviderClass>, NamedError> {
        self.object.get(deadline).await
    }

    /// The class as it is known now, without asking anybody.
    #[must_use]
    pub(crate) fn known(&self) -> Option<Arc<SecretProviderClass>> {
        self.object.known()?.ok()
    }

    /// Remembers what the class asks for before anything is fetched: that is no wish for a refresh.
    pub(crate) fn note_refresh(&self) {
        if let Some(class) = self.known() {
            self.refresh_seen().get_or_insert_with(|| refresh_request(&class));
        }
    }

    /// Whether the author has asked for a refresh since this was last looked at: one per value.
    #[must_use]
    pub(crate) fn takes_refresh(&self) -> bool {
        let Some(class) = self.known() else { return false };
        let value = refresh_request(&class);
        let before = self.refresh_seen().replace(value.clone());
        value.is_some() && before.is_some_and(|before| before != value)
    }

    fn refresh_seen(&self) -> MutexGuard<'_, Option<Option<String>>> {
        self.refresh_seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rotation interval that a class asks for; none if it asks for none or for nonsense.
#[must_use]
pub(crate) fn rotation_interval(class: &SecretProviderClass) -> Option<Duration> {
    let text = class.annotations().get(annotations::ROTATION_POLL_INTERVAL)?;
    text.trim().parse::<GoDuration>().ok().map(GoDuration::to_duration).filter(|interval| !interval.is_zero())
}

/// The value by which the author asks for a refresh now.
fn refresh_request(class: &SecretProviderClass) -> Option<String> {
    class.annotations().get(annotations::REFRESH).cloned()
}
