//! When the certificates in a volume expire. The driver knows files, not what a vault calls them: it looks into those
//! that begin as PEM does, behind the answer, and only once they are new.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use keymount_volume::{Payload, VolumeError, Volumes};

/// How a file begins that is looked into.
const BEGINNING: &[u8] = b"-----BEGIN";

/// Certificates of one volume that are kept and told of: those that expire first.
pub(crate) const MOST: usize = 32;

/// A file with a certificate. Ordered by when that expires.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Certificate {
    /// When it expires: `notAfter` of the leaf.
    pub(crate) not_after: Timestamp,
    /// Path of the file below the volume's root.
    pub(crate) path: String,
}

/// What is known of the certificates of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Certificates {
    /// There are files that nobody has looked into.
    Unread,
    /// These, the first to expire first.
    Read(Arc<[Certificate]>),
}

impl Certificates {
    /// Of files that are about to be written: a glance at their first bytes says whether there is anything to read.
    #[must_use]
    pub(crate) fn of(payload: &Payload) -> Self {
        if payload.has_beginning(BEGINNING) { Self::Unread } else { Self::Read(Arc::default()) }
    }

    /// Those that are known.
    #[must_use]
    pub(crate) fn known(&self) -> &[Certificate] {
        match self {
            Self::Unread => &[],
            Self::Read(all) => all,
        }
    }
}

/// Looks into the files of a mounted volume. Blocks.
///
/// # Errors
/// As [`Volumes::read_files`].
pub(crate) fn read(volumes: &Volumes, target: &Path) -> Result<Certificates, VolumeError> {
    let files = volumes.read_files_beginning(target, BEGINNING)?;
    let mut all: Vec<_> = files
        .into_iter()
        .filter_map(|(path, contents)| {
            let seconds = keymount_pem::first_expiry(contents.expose())?;
            let not_after = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
            Some(Certificate { not_after, path })
        })
        .collect();
    all.sort();
    all.truncate(MOST);
    Ok(Certificates::Read(all.into()))
}
