//! Why a publish or an unpublish failed, and what kubelet and the metrics are told.
//!
//! The table is [`PublishError::answer`]. Texts begin as those of driver v1.6.0 and end with what the
//! user can do.

use std::path::PathBuf;

use keymount_volume::{PayloadError, TargetError, VolumeError};
use tonic::{Code, Status};

use crate::budget::OverBudget;
use crate::kubernetes::NamedError;
use crate::provider::ProviderError;
use crate::request::{ArgumentError, ClassKey, PodRef};
use crate::volume::Failure;

/// Values of the `error_type` label.
pub(crate) mod reason {
    /// Anything without a reason of its own.
    pub(crate) const FAILED_TO_MOUNT: &str = "FailedToMount";
    /// The state of the target path could not be read.
    pub(crate) const FAILED_TO_ENSURE_MOUNT_POINT: &str = "FailedToEnsureMountPoint";
    /// The class could not be read.
    pub(crate) const CLASS_NOT_FOUND: &str = "SecretProviderClassNotFound";
    /// The files were refused or could not be written.
    pub(crate) const FILE_WRITE_ERROR: &str = "FileWriteError";
    /// The provider could not be reached, or answered with an error.
    pub(crate) const GRPC_PROVIDER_ERROR: &str = "GRPCProviderError";
    /// The provider answered with an error code that is no label.
    pub(crate) const PROVIDER_ERROR: &str = "ProviderError";
    /// The pod of a volume could not be read.
    pub(crate) const POD_NOT_FOUND: &str = "PodNotFound";
    /// The pod of a volume has no such volume.
    pub(crate) const POD_VOLUME_NOT_FOUND: &str = "PodVolumeNotFound";
    /// The Secret of nodePublishSecretRef could not be read.
    pub(crate) const NODE_PUBLISH_SECRET_REF_NOT_FOUND: &str = "NodePublishSecretRefNotFound";
    /// A rotation failed before the provider was called.
    pub(crate) const FAILED_TO_ROTATE: &str = "FailedToRotate";
    /// There is no such provider.
    pub(crate) const NONE: &str = "";

    /// All of them; others are error codes of providers.
    pub(crate) const ALL: [&str; 11] = [
        FAILED_TO_MOUNT,
        FAILED_TO_ENSURE_MOUNT_POINT,
        CLASS_NOT_FOUND,
        FILE_WRITE_ERROR,
        GRPC_PROVIDER_ERROR,
        PROVIDER_ERROR,
        POD_NOT_FOUND,
        POD_VOLUME_NOT_FOUND,
        NODE_PUBLISH_SECRET_REF_NOT_FOUND,
        FAILED_TO_ROTATE,
        NONE,
    ];
}

/// Why no content could be fetched for a volume.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The pod's volume names no class.
    #[error("secretProviderClass is not set (name a SecretProviderClass in the volume's volumeAttributes)")]
    ClassNotSet,
    /// The class could not be read.
    #[error("failed to get secretproviderclass {}/{}, error: {source}", class.namespace, class.name)]
    Class {
        /// The class.
        class: ClassKey,
        /// Why.
        source: NamedError,
    },
    /// The CSIDriver object says whose word the pod's name is, and it is not kubelet's.
    #[error(
        "kubelet does not tell this driver which pod a volume is for (set podInfoOnMount: true in the CSIDriver object)"
    )]
    NoPodInfo,
    /// The CSIDriver object could not be read.
    #[error(
        "failed to get the CSIDriver object, which says which service account tokens kubelet sends, error: {source}"
    )]
    CsiDriver {
        /// Why.
        source: NamedError,
    },
    /// The class names no provider.
    #[error("provider not set in {}/{} (set spec.provider)", .0.namespace, .0.name)]
    ProviderNotSet(ClassKey),
    /// The class has no parameters.
    #[error("parameters not set in {}/{} (set spec.parameters)", .0.namespace, .0.name)]
    ParametersNotSet(ClassKey),
    /// Kubelet asked for a writable volume.
    #[error("Readonly is not true in request (set readOnly: true in the pod's csi volume)")]
    NotReadonly,
    /// The tokens the ledger holds have expired and kubelet has not sent newer ones.
    #[error(
        "the pod's service account tokens have expired and kubelet has not sent new ones \
         (set requiresRepublish: true in the CSIDriver object)"
    )]
    TokensExpired,
    /// The provider gave no content.
    #[error("failed to mount secrets store objects for pod {}/{}, err: {source}", pod.namespace, pod.name)]
    Provider {
        /// The pod.
        pod: PodRef,
        /// Name of the provider.
        provider: String,
        /// Why.
        source: ProviderError,
    },
    /// The provider's files were refused.
    #[error("failed to mount secrets store objects for pod {}/{}, err: {source}", pod.namespace, pod.name)]
    Payload {
        /// The pod.
        pod: PodRef,
        /// Name of the provider.
        provider: String,
        /// Why.
        source: PayloadError,
    },
}

/// Why a volume was not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The request is unusable.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// The target path could not be looked at, or is not ours to mount on.
    #[error("failed to check if target path {} is mount point, err: {}", target.display(), source.report())]
    Target {
        /// The target path.
        target: PathBuf,
        /// Why.
        source: VolumeError,
    },
    /// No content.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Too much is mounted on this node.
    #[error("failed to mount secrets store objects for pod {}/{}, err: {source}", pod.namespace, pod.name)]
    Budget {
        /// The pod.
        pod: PodRef,
        /// By how much.
        source: OverBudget,
    },
    /// Kubelet's directory for the volume could not be made.
    #[error("{}", .0.report())]
    NotCreated(VolumeError),
    /// The kernel did not mount.
    #[error("{}", .0.report())]
    NotMounted(VolumeError),
    /// The content could not be put at the target path.
    #[error(
        "failed to mount secrets store objects for pod {}/{}, err: {}", pod.namespace, pod.name, source.report()
    )]
    Volume {
        /// The pod.
        pod: PodRef,
        /// Why.
        source: VolumeError,
    },
    /// A failed mount could not be undone: something may still be mounted, so kubelet must call again.
    #[error("{cause}; and what was mounted could not be unmounted: {}", source.report())]
    Undo {
        /// Why the mount failed.
        cause: Box<PublishError>,
        /// Why it could not be undone.
        source: VolumeError,
    },
    /// Another operation on this target runs and is not about the same volume.
    #[error("an operation on target path {} is still running; it will be retried", .0.display())]
    Busy(PathBuf),
    /// The process is ending.
    #[error("the driver is shutting down; kubelet retries with the next one")]
    ShuttingDown,
    /// A bug in this program.
    #[error("internal error: the operation panicked; see the log of the driver")]
    Panicked,
}

/// Why a volume was not unpublished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpublishError {
    /// The request is unusable.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// The volume could not be removed.
    #[error("{}", .0.report())]
    Volume(VolumeError),
    /// A bug in this program.
    #[error("internal error: the operation panicked; see the log of the driver")]
    Panicked,
}

impl FetchError {
    /// gRPC code and metric reason by themselves.
    #[must_use]
    pub(crate) fn answer(&self) -> (Code, &str) {
        match self {
            Self::Class { .. } => (Code::Unknown, reason::CLASS_NOT_FOUND),
            Self::NotReadonly => (Code::InvalidArgument, reason::FAILED_TO_MOUNT),
            Self::Provider { source, .. } => (source.code(), source.reason()),
            Self::Payload { .. } => (Code::Unknown, reason::FILE_WRITE_ERROR),
            Self::ClassNotSet
            | Self::NoPodInfo
            | Self::CsiDriver { .. }
            | Self::ProviderNotSet(_)
            | Self::ParametersNotSet(_)
            | Self::TokensExpired => (Code::Unknown, reason::FAILED_TO_MOUNT),
        }
    }

    /// Provider, for the metric label; empty if it is not known yet, or if there is none of that name:
    /// tenants choose it.
    #[must_use]
    pub(crate) fn provider(&self) -> &str {
        match self {
            Self::Provider {
                source: ProviderError::InvalidName(_) | ProviderError::NotFound { .. }, ..
            } => "",
            Self::Provider { provider, .. } | Self::Payload { provider, .. } => provider,
            _ => "",
        }
    }
}

impl PublishError {
    /// The volume could not be put where it belongs.
    #[must_use]
    pub(crate) fn of_volume(pod: &PodRef, source: VolumeError) -> Self {
        match source {
            VolumeError::Target(TargetError::NotCreated { .. }) => Self::NotCreated(source),
            VolumeError::Mount { .. } => Self::NotMounted(source),
            _ => Self::Volume { pod: pod.clone(), source },
        }
    }

    /// gRPC code and metric reason.
    ///
    /// A code after which kubelet keeps the target directory and calls again as if the volume might be
    /// mounted is answered only where it may be ([`PublishError::Undo`]) or where an operation is
    /// still running; see [`is_final`].
    #[must_use]
    pub(crate) fn answer(&self) -> (Code, &str) {
        let (code, reason) = match self {
            Self::Argument(_) => (Code::InvalidArgument, reason::FAILED_TO_MOUNT),
            Self::Target { .. } => (Code::Internal, reason::FAILED_TO_ENSURE_MOUNT_POINT),
            Self::Fetch(error) => error.answer(),
            Self::Volume { source: VolumeError::UndoFailed { .. }, .. } | Self::Undo { .. } => {
                return (Code::Aborted, reason::FAILED_TO_MOUNT);
            }
            Self::NotCreated(_) => (Code::Internal, reason::FAILED_TO_ENSURE_MOUNT_POINT),
            Self::NotMounted(_) => (Code::Unknown, reason::FAILED_TO_MOUNT),
            Self::Volume { .. } | Self::Budget { .. } => (Code::Unknown, reason::FILE_WRITE_ERROR),
            Self::Busy(_) => return (Code::Aborted, reason::FAILED_TO_MOUNT),
            Self::ShuttingDown | Self::Panicked => (Code::Internal, reason::FAILED_TO_MOUNT),
        };
        (if is_final(code) { code } else { Code::Unknown }, reason)
    }

    /// Provider, for the metric label; empty if it is not known yet.
    #[must_use]
    pub(crate) fn provider(&self) -> &str {
        match self {
            Self::Fetch(error) => error.provider(),
            Self::Undo { cause, .. } => cause.provider(),
            _ => "",
        }
    }
}

impl UnpublishError {
    /// gRPC code.
    #[must_use]
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::Argument(_) => Code::InvalidArgument,
            Self::Volume(_) | Self::Panicked => Code::Internal,
        }
    }
}

/// Whether kubelet takes the code as the end of an attempt: it then removes the target directory and
/// starts over. After the other codes it keeps the directory, because the volume may be mounted.
#[must_use]
pub(crate) const fn is_final(code: Code) -> bool {
    !matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Unavailable
            | Code::ResourceExhausted
            | Code::Aborted
    )
}

impl From<&PublishError> for Status {
    fn from(error: &PublishError) -> Self {
        let mut text = error.to_string();
        // Our providers say it themselves.
        if !text.contains("\nreason: ") {
            text.push_str("\nreason: ");
            text.push_str(&Failure::from(error).numbered());
        }
        Self::new(error.answer().0, text)
    }
}

impl From<&UnpublishError> for Status {
    fn from(error: &UnpublishError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn codes_and_reasons_of_what_the_kernel_refuses() {
        let target = || PathBuf::from("/target");
        let pod = PodRef { namespace: "ns".to_owned(), name: "web".to_owned(), uid: "u".to_owned() };
        let busy = || io::Error::from_raw_os_error(16);
        let unmount = || VolumeError::Unmount { target: target(), source: busy() };
        let not_created = VolumeError::Target(TargetError::NotCreated { target: target(), source: busy() });
        let cause = Box::new(FetchError::NotReadonly.into());
        let full = VolumeError::TooLarge { needed: 2, limit: 1, unit: "bytes" };
        let half = VolumeError::UndoFailed { target: target(), undo: busy(), source: Box::new(unmount()) };
        for (error, code, reason, text) in [
            (
                PublishError::of_volume(&pod, not_created),
                Code::Internal,
                reason::FAILED_TO_ENSURE_MOUNT_POINT,
                "failed to create target path /target: ",
            ),
            (
                PublishError::of_volume(&pod, full),
                Code::Unknown,
                reason::FILE_WRITE_ERROR,
                "failed to mount secrets store objects for pod ns/web, err: the files need 2 bytes",
            ),
            // Something may be mounted: kubelet has to come again.
            (
                PublishError::of_volume(&pod, half),
                Code::Aborted,
                reason::FAILED_TO_MOUNT,
                "failed to mount secrets store objects for pod ns/web, err: failed to undo a failed mount",
            ),
            (
                PublishError::Undo { cause, source: unmount() },
                Code::Aborted,
                reason::FAILED_TO_MOUNT,
                "Readonly is not true in request (set readOnly: true in the pod's csi volume); and what was mounted \
                 could not be unmounted: unmount failed: /target: ",
            ),
            (
                PublishError::Busy(target()),
                Code::Aborted,
                reason::FAILED_TO_MOUNT,
                "an operation on target path /target is still running",
            ),
            (
                PublishError::ShuttingDown,
                Code::Internal,
                reason::FAILED_TO_MOUNT,
                "the driver is shutting down",
            ),
            (PublishError::Panicked, Code::Internal, reason::FAILED_TO_MOUNT, "internal error: "),
        ] {
            assert_eq!(error.answer(), (code, reason), "{error}");
            let status = Status::from(&error);
            assert!(status.code() == code && status.message().starts_with(text), "{status}");
        }
        let status = Status::from(&UnpublishError::Volume(unmount()));
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().starts_with("unmount failed: /target: "), "{status}");
    }
}
