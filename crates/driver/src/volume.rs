//! What the ledger knows of one mounted volume.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::budget::Reservation;
use crate::class::ClassHold;
use crate::request::{PodRef, PublishRequest};
use crate::secret_sync::PodOwners;

/// A mounted volume.
pub(crate) struct Volume {
    /// The pod that mounts it.
    pub(crate) pod: PodRef,
    /// Its class, kept fresh while the volume exists.
    pub(crate) class: Arc<ClassHold>,
    /// Name of the provider; empty until the class has been read.
    pub(crate) provider: String,
    /// Newest request of kubelet: the tokens and secrets to call the provider with. Only kept while
    /// volumes rotate.
    pub(crate) request: Option<Arc<PublishRequest>>,
    /// Object versions that are mounted, by id.
    pub(crate) versions: BTreeMap<String, String>,
    /// When the content was fetched, for people and for other nodes; none for a volume found mounted.
    pub(crate) fetched: Option<Timestamp>,
    /// When it is due for rotation; none while volumes do not rotate.
    pub(crate) due: Option<Instant>,
    /// Rotations that failed in a row.
    pub(crate) failures: u32,
    /// Why the last one failed: reason and text. None after a success.
    pub(crate) last_failure: Option<Failure>,
    /// Who owns the pod, once that has been needed.
    pub(crate) owners: Option<Arc<PodOwners>>,
    /// Memory of its files.
    pub(crate) memory: Reservation,
}

/// A failure as it is told to the users of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Stable reason in CamelCase.
    pub(crate) reason: String,
    /// Short text that names no vault, address or object id.
    pub(crate) message: String,
}

impl Failure {
    /// Reason of a rotation that cannot be made before kubelet has sent new tokens.
    pub(crate) const TOKENS_EXPIRED: &'static str = "TokensExpired";

    /// Whether new tokens from kubelet remove the cause.
    #[must_use]
    pub(crate) fn waits_for_tokens(&self) -> bool {
        self.reason == Self::TOKENS_EXPIRED
    }
}
