//! What the ledger knows of one mounted volume.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use keymount_schedule::Schedule;
use tokio::time::Instant;

use crate::budget::Reservation;
use crate::certificates::Certificates;
use crate::class::ClassHold;
use crate::minting::PodVolume;
use crate::request::{PodRef, PublishRequest};
use crate::secret_sync::PodOwners;

/// A mounted volume.
pub(crate) struct Volume {
    /// The pod that mounts it.
    pub(crate) pod: PodRef,
    /// Its class, kept fresh while the volume exists.
    pub(crate) class: Arc<ClassHold>,
    /// Newest request of kubelet: the tokens and secrets to call the provider with. Only kept while there
    /// is something to fetch with it.
    pub(crate) request: Option<Arc<PublishRequest>>,
    /// What the pod says about it, once that has been needed.
    pub(crate) pod_volume: Option<Arc<PodVolume>>,
    /// Object versions that are mounted, by id; none are known of a volume that an earlier driver mounted.
    pub(crate) versions: BTreeMap<String, String>,
    /// When its certificates expire.
    pub(crate) certificates: Certificates,
    /// Whether its files are being replaced: they may be newer than `versions`.
    pub(crate) changing: bool,
    /// Since when the volume has this content, in wall time: other nodes compare it with theirs.
    pub(crate) content_since: Option<Timestamp>,
    /// When this process last fetched the content with success, in wall time, for people.
    pub(crate) last_success: Option<Timestamp>,
    /// From when on the age of the content is reckoned: the last success, or when the volume was found.
    pub(crate) fresh_since: Instant,
    /// When it is due for the next fetch.
    pub(crate) schedule: Schedule,
    /// Why the last rotation failed. None after a success.
    pub(crate) last_failure: Option<Failure>,
    /// Who owns the pod, once that has been needed.
    pub(crate) owners: Option<Arc<PodOwners>>,
    /// Memory of its files.
    pub(crate) memory: Reservation,
}

impl Volume {
    /// Name of its provider; empty until the class has been read.
    #[must_use]
    pub(crate) fn provider(&self) -> String {
        self.class.known().map(|class| class.spec.provider.clone()).unwrap_or_default()
    }
}

/// A failure as it is told to the users of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Stable reason in CamelCase.
    pub(crate) reason: String,
    /// Short text that names no vault, address or object id.
    pub(crate) message: String,
}

/// Every reason of a condition that is the driver's own; the error catalogue explains each. A condition has the reason
/// of the provider instead, where that told one.
pub const CONDITION_REASONS: [&str; 30] = [
    "RequestInvalid",
    "ClassInvalid",
    "ClassNotReadable",
    "PodInfoMissing",
    "CsiDriverNotReadable",
    Failure::TOKENS_EXPIRED,
    "ProviderNotFound",
    "ProviderUnavailable",
    "ProviderTimeout",
    "ProviderError",
    "FilesRefused",
    "MountedBytesBudgetExceeded",
    "VolumeNotWritten",
    "Cancelled",
    "Retrying",
    "PodNotReadable",
    "NodePublishSecretNotReadable",
    "TokenNotCreated",
    "FilesNotReadable",
    "SecretObjectInvalid",
    "SecretDataMissing",
    "SecretTooLarge",
    "SecretNotManaged",
    "SecretOfAnotherClass",
    "SecretTypeImmutable",
    "SecretImmutable",
    "SecretForbidden",
    "SecretRefused",
    "ApiUnreachable",
    "SecretContended",
];

impl Failure {
    /// For a reason of the driver's own.
    #[must_use]
    pub(crate) fn new(reason: &'static str, message: String) -> Self {
        debug_assert!(CONDITION_REASONS.contains(&reason), "{reason} is not in the table");
        Self { reason: reason.to_owned(), message }
    }

    /// The reason as people see it: with its number, by which the error catalogue explains it.
    #[must_use]
    pub(crate) fn numbered(&self) -> String {
        keymount_reasons::numbered(&self.reason)
    }

    /// As it is told by an event.
    #[must_use]
    pub(crate) fn event(&self) -> String {
        format!("{}\nreason: {}", self.message, self.numbered())
    }

    /// Reason of a rotation that cannot be made before kubelet has sent new tokens.
    pub(crate) const TOKENS_EXPIRED: &'static str = "TokensExpired";

    /// Whether new tokens from kubelet remove the cause.
    #[must_use]
    pub(crate) fn waits_for_tokens(&self) -> bool {
        self.reason == Self::TOKENS_EXPIRED
    }
}
