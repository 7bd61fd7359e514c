//! Why a Secret is not in sync, in the words for people and the reason for machines, and when to look
//! again.

use std::time::Duration;

use keymount_schedule::Done;

use super::desired::DesiredError;
use super::write::WriteError;
use crate::volume::Failure;

/// When to look again at something that another party has to put right.
const LATER: Duration = Duration::from_secs(60);

/// Why a Secret is not in sync.
pub(super) struct Problem {
    pub(super) reason: &'static str,
    pub(super) text: String,
    pub(super) next: Done,
}

impl Problem {
    /// The mounted files cannot be read.
    pub(super) fn files(why: &str) -> Self {
        Self {
            reason: "FilesNotReadable",
            text: format!("failed to get mounted files, err: {why}"),
            next: Done::Failed,
        }
    }

    /// It cannot be found out who owns the pods.
    pub(super) fn owners(why: &str) -> Self {
        Self {
            reason: "PodNotReadable",
            text: format!("failed to fetch pod, which says who owns the secret, err: {why}"),
            next: Done::Failed,
        }
    }

    /// As it is told in the status and by events.
    pub(super) fn failure(&self) -> Failure {
        Failure::new(self.reason, self.text.clone())
    }
}

impl From<&DesiredError> for Problem {
    fn from(error: &DesiredError) -> Self {
        let reason = match error {
            DesiredError::Invalid { .. } => "SecretObjectInvalid",
            DesiredError::Data { .. } => "SecretDataMissing",
            DesiredError::TooLarge { .. } => "SecretTooLarge",
        };
        // A change of the class or of the files asks again.
        Self { reason, text: error.to_string(), next: Done::Finished }
    }
}

impl From<&WriteError> for Problem {
    fn from(error: &WriteError) -> Self {
        let (reason, next) = match error {
            WriteError::Foreign(_) => ("SecretNotManaged", Done::Again(LATER)),
            WriteError::OtherClass { .. } => ("SecretOfAnotherClass", Done::Again(LATER)),
            WriteError::Type { .. } => ("SecretTypeImmutable", Done::Again(LATER)),
            WriteError::Immutable(_) => ("SecretImmutable", Done::Again(LATER)),
            WriteError::Forbidden(_) => ("SecretForbidden", Done::Again(LATER * 5)),
            WriteError::Refused(_) => ("SecretRefused", Done::Again(LATER)),
            WriteError::Unreachable(_) => ("ApiUnreachable", Done::Failed),
            WriteError::Contended => ("SecretContended", Done::Failed),
        };
        Self { reason, text: error.to_string(), next }
    }
}
