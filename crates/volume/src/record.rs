//! What a generation remembers for a driver that restarts.
//!
//! The record is an extended attribute of the generation's directory (of the volume's root for files that a
//! provider wrote itself), so nothing appears among the files. It lies in the `trusted.` namespace, which
//! containers cannot read; where that is refused (user namespaces) in `user.`; where neither works, or the
//! record is larger than an attribute may be, there is none, and the driver learns the same from the next publish.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rustix::fs::XattrFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::dir::{Dir, attribute};

/// Name of the attribute in each namespace that is tried, best first.
const ATTRIBUTES: [&str; 2] = ["trusted.keymount.record", "user.keymount.record"];
/// Largest value of an extended attribute on Linux, in bytes (`XATTR_SIZE_MAX`).
const MAX_SIZE: usize = 65536;

/// Whose volume it is and which object versions it shows. Contains no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Namespace of the pod and of its SecretProviderClass.
    pub pod_namespace: String,
    /// Name of the pod.
    pub pod_name: String,
    /// UID of the pod.
    pub pod_uid: String,
    /// Name of the SecretProviderClass.
    pub class: String,
    /// Object id to version, as the provider reported them.
    pub versions: BTreeMap<String, String>,
}

/// A record as it was found on a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// What was recorded.
    #[serde(flatten)]
    pub record: Record,
    /// When it was recorded: at the last change of content or versions.
    pub written: Timestamp,
}

/// How many inodes' worth of a limited tmpfs the record takes; attributes are counted in units of this many bytes.
pub(crate) fn inodes(record: &Record) -> u64 {
    const UNIT: u64 = 1024;
    let now = Timestamp::UNIX_EPOCH;
    let size =
        serde_json::to_vec(&Recorded { record: record.clone(), written: now }).map_or(0, |value| value.len());
    u64::try_from(size.min(MAX_SIZE)).unwrap_or(u64::MAX) / UNIT + 2
}

/// Attaches the record to a directory, replacing an older one. Best effort, as the module says.
pub(crate) fn store(directory: &Dir, record: &Record, now: Timestamp) {
    let Ok(value) = serde_json::to_vec(&Recorded { record: record.clone(), written: now }) else {
        return;
    };
    // A record that no longer describes the files is worse than none.
    let stored =
        value.len() <= MAX_SIZE && ATTRIBUTES.iter().any(|name| set(directory, name, &value).is_ok());
    if !stored {
        remove(directory);
    }
}

/// The record of a directory, if there is one that can be read.
pub(crate) fn load(directory: &Dir) -> Option<Recorded> {
    let value = ATTRIBUTES.iter().find_map(|name| attribute(directory, name, MAX_SIZE).ok().flatten())?;
    serde_json::from_slice(&value).ok()
}

/// Stores the record unless an equal one is there already: a rotation that changes nothing writes nothing (I4).
pub(crate) fn refresh(directory: &Dir, record: &Record, now: Timestamp) {
    if load(directory).is_none_or(|recorded| recorded.record != *record) {
        store(directory, record, now);
    }
}

fn set(directory: &Dir, name: &str, value: &[u8]) -> Result<(), Errno> {
    rustix::fs::fsetxattr(directory, name, value, XattrFlags::empty())
}

fn remove(directory: &Dir) {
    for name in ATTRIBUTES {
        // Absent, or a namespace this process may not write: either way there is nothing of ours left.
        let _ = rustix::fs::fremovexattr(directory, name);
    }
}
