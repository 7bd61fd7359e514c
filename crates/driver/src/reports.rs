//! What happens behind the answer: status objects, Secrets, events. Nothing here is ever in front of a
//! mount, and a mount never fails because of it.

use std::path::Path;
use std::sync::Arc;

use keymount_volume::parse_target;

use crate::error::PublishError;
use crate::events::Events;
use crate::ledger::Ledger;
use crate::request::{ClassKey, PublishRequest};
use crate::secret_sync::SecretSync;
use crate::status::{StatusKey, StatusWriter};
use crate::volume::Failure;

/// Tells the Kubernetes API what became of volumes.
pub(crate) struct Reports {
    /// Volumes to tell of.
    pub(crate) ledger: Arc<Ledger>,
    /// SecretProviderClassPodStatus objects.
    pub(crate) status: Arc<StatusWriter>,
    /// Secrets made of mounted files.
    pub(crate) secrets: Arc<SecretSync>,
    /// Events on pods.
    pub(crate) events: Arc<Events>,
}

impl Reports {
    /// A volume is new.
    pub(crate) fn mounted(&self, target: &Path) {
        if let Some(key) = self.key(target) {
            self.status.mounted(&key);
            self.secrets.class_changed(&key.class());
        }
    }

    /// A volume of an earlier driver process was found.
    pub(crate) fn adopted(&self, target: &Path) {
        if let Some(key) = self.key(target) {
            self.status.found(&key);
            self.secrets.class_changed(&key.class());
        }
    }

    /// A first mount failed.
    pub(crate) fn mount_failed(&self, request: &PublishRequest, error: &PublishError) {
        let key = StatusKey { pod: request.pod.clone(), class: request.class.clone() };
        self.status.mount_failed(&key, Failure::from(error));
    }

    /// A rotation ended well.
    pub(crate) fn rotated(&self, target: &Path, changed: bool) {
        let Some(key) = self.key(target) else { return };
        let recovered = self.status.rotated(&key);
        if changed {
            self.secrets.class_changed(&key.class());
        }
        if changed || recovered {
            let text =
                format!("successfully rotated mounted contents for spc {}/{}", key.pod.namespace, key.class);
            self.events.normal(&key.pod, "MountRotationComplete", &text);
        }
    }

    /// A rotation failed; the volume shows what it showed before.
    pub(crate) fn rotation_failed(&self, target: &Path, failure: &Failure) {
        let Some(key) = self.key(target) else { return };
        self.status.rotated(&key);
        let text = format!("provider mount err: {}", failure.event());
        self.events.warning(&key.pod, "MountRotationFailed", &text);
    }

    /// A volume is about to go away.
    pub(crate) fn unmounting(&self, target: &Path) {
        if let Some(key) = self.key(target) {
            self.status.unmounting(&key, target);
            self.events.forget(&key.pod);
        }
        if let Some(identity) = parse_target(target) {
            self.status.forget_failures(&identity.pod_uid);
        }
    }

    /// A volume of the class has gone away.
    pub(crate) fn unmounted(&self, class: &ClassKey) {
        self.secrets.class_changed(class);
    }

    /// A class has been edited or deleted.
    pub(crate) fn class_changed(&self, class: &ClassKey) {
        self.secrets.class_changed(class);
    }

    /// How much waits to be written to the Kubernetes API, by queue.
    #[must_use]
    pub(crate) fn waiting(&self) -> [(&'static str, usize); 3] {
        [
            ("status", self.status.waiting()),
            ("secret", self.secrets.waiting()),
            ("event", self.events.waiting()),
        ]
    }

    fn key(&self, target: &Path) -> Option<StatusKey> {
        self.ledger.with(target, |volume| StatusKey {
            pod: volume.pod.clone(),
            class: volume.class.key().name.clone(),
        })
    }
}

impl From<&PublishError> for Failure {
    fn from(error: &PublishError) -> Self {
        let (reason, message) = match error {
            PublishError::Fetch(error) => return Self::from(error),
            PublishError::Undo { cause, .. } => return Self::from(cause.as_ref()),
            PublishError::Argument(error) => ("RequestInvalid", error.to_string()),
            PublishError::Budget { source, .. } => ("MountedBytesBudgetExceeded", source.to_string()),
            PublishError::Target { .. }
            | PublishError::NotCreated(_)
            | PublishError::NotMounted(_)
            | PublishError::Volume { .. } => (
                "VolumeNotWritten",
                "the volume could not be mounted on the node; the pod's events and the driver's log say why"
                    .to_owned(),
            ),
            PublishError::Busy(_) | PublishError::ShuttingDown | PublishError::Panicked => {
                ("Retrying", "the driver will be asked again".to_owned())
            }
        };
        Self::new(reason, message)
    }
}
