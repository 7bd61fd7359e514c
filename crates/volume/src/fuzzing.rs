//! What the kernel says of mounts.

use std::path::PathBuf;

/// Mount points and types of file systems in a mountinfo text.
#[must_use]
pub fn mountinfo(text: &[u8]) -> Vec<(PathBuf, Vec<u8>)> {
    crate::mountinfo::parse(text).map(|mount| (mount.mount_point, mount.filesystem)).collect()
}
