//! Why a rotation changed nothing, for the metrics and for the users of a namespace.

use keymount_volume::VolumeError;

use crate::budget::OverBudget;
use crate::error::FetchError;
use crate::minting::MintError;
use crate::provider::ProviderError;
use crate::volume::Failure;

/// Why a rotation changed nothing. The volume shows what it showed before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error(transparent)]
    Budget(#[from] OverBudget),
    #[error("{}", .0.report())]
    Volume(VolumeError),
}

impl RotationError {
    /// Metric reason.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Fetch(error) => error.answer().1,
            Self::Mint(error) => error.reason(),
            Self::Budget(_) | Self::Volume(_) => crate::error::reason::FILE_WRITE_ERROR,
        }
    }
}

impl From<&RotationError> for Failure {
    fn from(error: &RotationError) -> Self {
        match error {
            RotationError::Fetch(error) => Self::from(error),
            RotationError::Mint(error) => Self::new(error.condition(), error.to_string()),
            RotationError::Budget(error) => Self::new("MountedBytesBudgetExceeded", error.to_string()),
            RotationError::Volume(_) => Self::new(
                "VolumeNotWritten",
                "the new content could not be written on the node; the driver's log says why".to_owned(),
            ),
        }
    }
}

impl From<&FetchError> for Failure {
    /// What users of the namespace may read: the stage and a code, no address of a vault, no identity.
    /// The whole text stands in the driver's log.
    fn from(error: &FetchError) -> Self {
        let (reason, message) = match error {
            FetchError::ClassNotSet
            | FetchError::ProviderNotSet(_)
            | FetchError::ParametersNotSet(_)
            | FetchError::NotReadonly => ("ClassInvalid", error.to_string()),
            FetchError::NoPodInfo => ("PodInfoMissing", error.to_string()),
            FetchError::CsiDriver { .. } => (
                "CsiDriverNotReadable",
                "the driver could not read its CSIDriver object; its log says why".to_owned(),
            ),
            FetchError::TokensExpired => (Self::TOKENS_EXPIRED, error.to_string()),
            FetchError::Class { class, .. } => (
                "ClassNotReadable",
                format!("SecretProviderClass {}/{} could not be read", class.namespace, class.name),
            ),
            FetchError::Payload { source, .. } => ("FilesRefused", source.to_string()),
            FetchError::Provider { provider, source, .. } => {
                let (reason, what) = match source {
                    ProviderError::InvalidName(_) | ProviderError::NotFound { .. } => {
                        ("ProviderNotFound", "is not installed on this node".to_owned())
                    }
                    ProviderError::Refused { .. } => {
                        ("ProviderUnavailable", "is not running on this node".to_owned())
                    }
                    ProviderError::Deadline(_) => ("ProviderTimeout", "did not answer in time".to_owned()),
                    ProviderError::Cancelled => ("Cancelled", "was not asked to the end".to_owned()),
                    ProviderError::Rpc { code, message, reason } => {
                        let what = format!(
                            "answered {}{}",
                            crate::provider::go_code(*code),
                            crate::digest::of(message)
                        );
                        if let Some(reason) = reason {
                            let message = provider_message(provider, &what);
                            return Self { reason: reason.clone(), message };
                        }
                        ("ProviderError", what)
                    }
                    ProviderError::Code(_) => ("ProviderError", "answered with an error code".to_owned()),
                    ProviderError::MissingVersions => ("ProviderError", "named no object version".to_owned()),
                };
                (reason, provider_message(provider, &what))
            }
        };
        Self::new(reason, message)
    }
}

fn provider_message(provider: &str, what: &str) -> String {
    format!("provider {provider:?} {what}; its log and the driver's say more")
}
