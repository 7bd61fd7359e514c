//! What a container says about the volumes it sees.
//!
//! The program in the test image ([`crate`]'s binary `keymount-test-container`) looks at its volumes before it
//! does anything else, tells the test what it saw, and goes on looking. A message follows only when
//! something has changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where in the container the test's socket is.
pub const SOCKET: &str = "/looks/socket";

/// The environment variable with the UID of the pod.
pub const POD_UID: &str = "POD_UID";

/// One look at all volumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// UID of the pod.
    pub pod: String,
    /// How many looks there were before this one: 0 is the container's first.
    pub number: u64,
    /// Volumes by the path they are mounted at.
    pub volumes: BTreeMap<String, Volume>,
    /// Environment variables whose names begin with `SECRET`.
    pub environment: BTreeMap<String, String>,
}

/// What a volume was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// File system type and options of the mount, as in `/proc/self/mountinfo`.
    pub mount: String,
    /// Files by path in the volume, all read from the one directory that `..data` led to.
    pub files: BTreeMap<String, File>,
    /// Errors of reading.
    pub errors: Vec<String>,
}

/// What a file was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its content.
    pub text: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
}

impl Look {
    /// Content of a file of the volume at this path; `None` if there is no such file.
    #[must_use]
    pub fn text(&self, volume: &str, file: &str) -> Option<&str> {
        Some(&self.volumes.get(volume)?.files.get(file)?.text)
    }
}
