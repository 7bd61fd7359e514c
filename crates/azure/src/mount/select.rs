//! Objects that are chosen by name and tags, and objects that may be absent.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};
use keymount_keyvault::VaultReason;
use keymount_objects::{Object, Selector, name_of_id};
use keymount_proto::provider::MountRequest;
use tokio::time::Instant;

use super::{CONCURRENT_OBJECTS, Mount, Produced, ProducedFile, kind};
use crate::error::MountError;
use crate::provider::Provider;
use crate::reason::Reason;

/// Objects that one selector may mean: more than a pod reads, fewer than would starve others.
const MAX_CHOSEN: usize = 200;

/// How the version of an absent object begins.
const ABSENT: &str = "absent:";

/// The version that stands for an object that is not there, and why.
pub(super) fn absent_version(reason: Reason) -> String {
    format!("{ABSENT}{reason}")
}

/// Ids of the objects that the volume holds already, as the driver tells it.
pub(super) fn held(request: &MountRequest) -> HashSet<String> {
    let there = request.current_object_version.iter().filter(|object| !object.version.starts_with(ABSENT));
    there.map(|object| object.id.clone()).collect()
}

/// What is wrong with what a selector means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionProblem {
    /// No object.
    #[error("no enabled object of the vault matches")]
    Nothing,
    /// More than one entry should have.
    #[error("{0} objects of the vault match, more than {MAX_CHOSEN}")]
    TooMany(usize),
}

impl SelectionProblem {
    /// What to do about it.
    #[must_use]
    pub const fn fix(self) -> &'static str {
        match self {
            Self::Nothing => {
                "check objectNamePattern and tags, and that the objects are enabled; optional: true lets the \
                 mount go on without them"
            }
            Self::TooMany(_) => "make objectNamePattern or tags narrower",
        }
    }
}

impl Provider {
    /// The files of all enabled objects that a selector means, by name.
    pub(super) async fn chosen(
        &self,
        mount: &Mount,
        object: &Object,
        selector: &Selector,
    ) -> Result<Vec<ProducedFile>, MountError> {
        let (kind, began) = (kind(object)?, Instant::now());
        let listed = mount.vault(object).objects(kind).await;
        let listed = listed.map_err(|error| MountError::Fetch { object: object.describe(""), error });
        self.metrics().object_requested(kind, listed.as_ref().err().map(MountError::reason), began.elapsed());
        let listed = listed?;
        let mut names: Vec<&str> = listed
            .iter()
            .filter(|entry| entry.attributes.enabled.unwrap_or(true))
            .filter(|entry| selector.matches(name_of_id(&entry.id), |name| entry.tag(name)))
            .map(|entry| name_of_id(&entry.id))
            .filter(|name| !name.is_empty())
            .collect();
        names.sort_unstable();
        let problem = match names.len() {
            0 => Some(SelectionProblem::Nothing),
            1..=MAX_CHOSEN => None,
            many => Some(SelectionProblem::TooMany(many)),
        };
        if let Some(problem) = problem {
            return Err(MountError::Selection {
                object: Box::new(object.reference()),
                selector: object.uid(),
                problem,
            });
        }
        let chosen: Vec<Object> = names.into_iter().map(|name| object.chosen(name)).collect();
        let work: Vec<_> = chosen.iter().map(|object| self.files(mount, object)).collect();
        let produced: Vec<_> = stream::iter(work).buffered(CONCURRENT_OBJECTS).try_collect().await?;
        Ok(produced.into_iter().flatten().collect())
    }

    /// Lets an optional object be absent, if that is why it failed.
    pub(super) fn absent(
        &self,
        mount: &Mount,
        object: &Object,
        error: MountError,
    ) -> Result<Produced, MountError> {
        let uid = object.uid();
        let history = format!("{uid}/");
        let is_held = || mount.held.iter().any(|id| *id == uid || id.starts_with(&history));
        match absence(&error) {
            _ if !object.extensions.optional => Err(error),
            None => Err(error),
            // A permission that was there a moment ago is a failed rotation: the old content stays.
            Some(Absence::Forbidden) if is_held() => Err(error),
            Some(_) => {
                let reason = error.reason();
                let (index, code) = (object.index, reason.code());
                tracing::warn!(object = uid, index, reason = code, "an optional object is absent");
                self.metrics().absent(&object.object_type, reason);
                Ok(Produced::Absent { uid, reason })
            }
        }
    }
}

/// How an object can be absent.
enum Absence {
    Gone,
    Forbidden,
}

fn absence(error: &MountError) -> Option<Absence> {
    match error {
        MountError::Fetch { error, .. } | MountError::List(error) => match error.reason() {
            VaultReason::NotFound | VaultReason::Disabled => Some(Absence::Gone),
            VaultReason::AccessPolicy | VaultReason::Rbac | VaultReason::Forbidden => {
                Some(Absence::Forbidden)
            }
            _ => None,
        },
        MountError::Version(_) | MountError::Selection { problem: SelectionProblem::Nothing, .. } => {
            Some(Absence::Gone)
        }
        _ => None,
    }
}
