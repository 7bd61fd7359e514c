//! SecretProviderClasses in use on this node: each read once, then kept fresh by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use keymount_api::{SecretProviderClass, annotations};
use keymount_daemon::flags::GoDuration;
use kube::api::Api;
use kube::{Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::kubernetes::{Named, NamedError};
use crate::request::ClassKey;

/// The classes that volumes of this node are of.
pub(crate) struct Classes {
    client: Client,
    held: Mutex<HashMap<ClassKey, Weak<ClassHold>>>,
    changed: mpsc::Sender<ClassKey>,
}

/// A class in use. It is followed until the last holder drops it.
pub(crate) struct ClassHold {
    key: ClassKey,
    object: Named<SecretProviderClass>,
}

/// Changes of classes that may wait to be looked at. When it is full further ones are dropped: whoever
/// looks reads the newest state anyway, and every volume is looked at again at its next rotation.
const CHANGES: usize = 256;

impl Classes {
    /// Also gives the names of classes that changed or were deleted, as they do.
    #[must_use]
    pub(crate) fn new(client: Client) -> (Self, mpsc::Receiver<ClassKey>) {
        let (changed, changes) = mpsc::channel(CHANGES);
        (Self { client, held: Mutex::default(), changed }, changes)
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
        let (changed, told) = (self.changed.clone(), key.clone());
        let object = Named::start(api, key.name.clone(), move |_| drop(changed.try_send(told.clone())));
        let hold = Arc::new(ClassHold { key: key.clone(), object });
        held.insert(key, Arc::downgrade(&hold));
        hold
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
}

/// The rotation interval that a class asks for; none if it asks for none or for nonsense.
#[must_use]
pub(crate) fn rotation_interval(class: &SecretProviderClass) -> Option<Duration> {
    let text = class.annotations().get(annotations::ROTATION_POLL_INTERVAL)?;
    text.trim().parse::<GoDuration>().ok().map(GoDuration::to_duration).filter(|interval| !interval.is_zero())
}

/// The value by which the author asks for a refresh now.
#[must_use]
pub(crate) fn refresh_request(class: &SecretProviderClass) -> Option<&str> {
    class.annotations().get(annotations::REFRESH).map(String::as_str)
}
