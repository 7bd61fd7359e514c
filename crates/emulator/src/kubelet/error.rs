//! What goes wrong between kubelet and a driver, in kubelet's words.

use std::io;
use std::path::PathBuf;

use tonic::{Code, Status};

/// Why a volume is not published.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The driver said no, or not in time.
    #[error("rpc error: code = {} desc = {}", go_code(.0.code()), .0.message())]
    Driver(Status),
    /// No driver of that name has registered.
    #[error("driver name {0} not found in the list of registered CSI drivers")]
    NotRegistered(String),
    /// Something kubelet needs before it can ask the driver: the Secret, the tokens, the CSIDriver.
    #[error("{0}")]
    NotReady(String),
    /// The pod has no such CSI volume.
    #[error("pod has no CSI volume {0}")]
    NoVolume(String),
    /// A directory or file of kubelet's own.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// What could not be made or removed.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl MountError {
    /// The driver's gRPC code, when it is a driver's error.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Driver(status) => Some(status.code()),
            _ => None,
        }
    }

    /// Is the operation over for sure? If not, kubelet keeps the directory and counts the volume as
    /// perhaps mounted.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Driver(status) => is_final(status.code()),
            Self::NotRegistered(_) | Self::NotReady(_) => false,
            Self::NoVolume(_) | Self::File { .. } => true,
        }
    }
}

/// Codes after which the driver may still be at work.
pub(super) const fn is_final(code: Code) -> bool {
    !matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Unavailable
            | Code::ResourceExhausted
            | Code::Aborted
    )
}

/// Why a volume is not unpublished.
#[derive(Debug, thiserror::Error)]
pub enum UnmountError {
    /// The driver said no, or not in time.
    #[error("rpc error: code = {} desc = {}", go_code(.0.code()), .0.message())]
    Driver(Status),
    /// No driver of that name has registered.
    #[error("driver name {0} not found in the list of registered CSI drivers")]
    NotRegistered(String),
    /// What the driver should have removed, or a file of kubelet's own.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// What could not be read or removed.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Why a driver is not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The registration socket does not answer; kubelet tries again.
    #[error("RegisterPlugin error -- failed to get plugin info using RPC GetInfo at socket {socket}, err: {status}", socket = socket.display())]
    NoInfo {
        /// The registration socket.
        socket: PathBuf,
        /// The error of the call.
        status: Status,
    },
    /// Nobody listens on the registration socket; kubelet tries again.
    #[error("RegisterPlugin error -- dial failed at socket {socket}, err: {error}", socket = socket.display())]
    Dial {
        /// The registration socket.
        socket: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The plug-in is not what kubelet takes, and has been told so; kubelet tries again.
    #[error("{0}")]
    Refused(String),
    /// The driver behind the plug-in does not answer, and the plug-in has been told so. Kubelet does not
    /// try again until the socket is made anew.
    #[error("RegisterPlugin error -- plugin registration failed with err: {0}")]
    Failed(String),
    /// The plug-in does not take the verdict.
    #[error("RegisterPlugin error -- failed to send registration status at socket {socket}, err: {status}", socket = socket.display())]
    Notify {
        /// The registration socket.
        socket: PathBuf,
        /// The error of the call.
        status: Status,
    },
}

impl RegistrationError {
    /// Does kubelet try again by itself?
    #[must_use]
    pub const fn is_retried(&self) -> bool {
        matches!(self, Self::NoInfo { .. } | Self::Dial { .. } | Self::Refused(_))
    }
}

/// The name of a gRPC code as Go prints it.
pub(super) const fn go_code(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
