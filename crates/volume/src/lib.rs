//! What lands on the node: tmpfs volumes, the rules for paths in them, and the atomic writer that fills them.
//!
//! Everything here blocks and knows neither network nor Kubernetes. A provider's files become a [`Payload`], which
//! is checked whole before anything exists; [`Volumes`] mounts, replaces, reads and removes volumes.
//!
//! What holds after every call, also one that ends in `SIGKILL` (tests name these invariants):
//!
//! - **I1** A target that [`Volumes::inspect`] calls complete is a tmpfs that shows one complete set of files.
//! - **I2** A reader sees one whole generation, the old or the new.
//! - **I7** Nothing outside the target is written; hostile paths, modes and sizes are refused whole.
//!
//! The layout is that of Kubernetes' secret volumes and of the Go driver v1.6.0; either driver takes over the volumes
//! of the other.

#![cfg(target_os = "linux")]

mod dir;
mod error;
mod files;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod generation;
mod layout;
mod mountinfo;
mod path;
mod payload;
mod record;
mod remove;
mod state;
mod target;
mod tmpfs;
mod volumes;
mod writer;

pub use error::{Exhausted, StepError, VolumeError};
pub use generation::Ownership;
pub use path::{PathError, RelativePath};
pub use payload::{FileSpec, Limits, Payload, PayloadError};
pub use record::{Record, Recorded};
pub use state::TargetState;
pub use target::{TargetError, TargetGuard, TargetIdentity, parse_target};
pub use tmpfs::TmpfsOptions;
pub use volumes::{MountedVolume, Published, Unpublished, VolumeOptions, Volumes};
pub use writer::Replaced;

/// Stands before every step that changes a volume; tests kill the process there.
#[cfg(not(test))]
const fn kill_point() {}
#[cfg(test)]
use kill_point::kill_point;
#[cfg(test)]
mod kill_point;
