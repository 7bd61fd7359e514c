//! Which certificate authorities are trusted, and when that changed.
//!
//! As Go does on Linux: the first bundle file that can be read, and every file of the certificate
//! directories; `SSL_CERT_FILE` and `SSL_CERT_DIR` (separated by colons) replace the two lists.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Where distributions keep their bundle.
const FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where distributions, and people who add a proxy's certificate, put single files.
const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// A file larger than this is no certificate bundle (the usual ones have a quarter of a megabyte).
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Sources of trusted certificates.
#[derive(Clone, Debug)]
pub struct Roots {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
    extra_pem: Option<String>,
    /// Where this file holds certificates, they alone count.
    instead: Option<PathBuf>,
}

/// Changes when a source changed. Files that secrets and config maps swap in get a new inode.
pub(super) type Stamp = Vec<Option<(u64, i64, i64, u64)>>;

impl Default for Roots {
    fn default() -> Self {
        Self::from_environment(|_| None)
    }
}

impl Roots {
    /// The system's roots, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    #[must_use]
    pub fn from_environment(read: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str| read(name).filter(|value| !value.is_empty());
        Self {
            files: read("SSL_CERT_FILE").map_or_else(|| paths(FILES), |file| paths([file.as_str()])),
            directories: read("SSL_CERT_DIR")
                .map_or_else(|| paths(DIRECTORIES), |dirs| paths(dirs.split(':'))),
            extra_pem: None,
            instead: None,
        }
    }

    /// The same roots, but only those of `file` as long as that exists.
    #[must_use]
    pub fn unless_file(self, file: impl Into<PathBuf>) -> Self {
        Self { instead: Some(file.into()), ..self }
    }

    /// Trusts nobody: for plain HTTP.
    #[must_use]
    pub const fn none() -> Self {
        Self { files: Vec::new(), directories: Vec::new(), extra_pem: None, instead: None }
    }

    /// Only the certificates of one file.
    #[must_use]
    pub fn only_file(path: impl Into<PathBuf>) -> Self {
        Self { files: vec![path.into()], ..Self::none() }
    }

    /// Only these certificates (PEM).
    #[must_use]
    pub fn only_pem(pem: String) -> Self {
        Self { extra_pem: Some(pem), ..Self::none() }
    }

    /// Reads all sources. What cannot be read or parsed is left out, as Go does; the result may be
    /// empty, and then no server is trusted.
    pub(crate) fn load(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        let mut seen = HashSet::new();
        let mut add = |pem: &[u8]| {
            for certificate in CertificateDer::pem_slice_iter(pem).flatten() {
                let fingerprint: [u8; 32] =
                    digest(&SHA256, &certificate).as_ref().try_into().unwrap_or_default();
                if seen.insert(fingerprint) {
                    // A certificate rustls cannot use as a root is no reason to lose the others.
                    let _ = store.add(certificate);
                }
            }
        };
        if let Some(only) = self.instead.as_ref().and_then(|path| read_bounded(path)) {
            add(&only);
            return store;
        }
        if let Some(bundle) = self.files.iter().find_map(|path| read_bounded(path)) {
            add(&bundle);
        }
        for path in self.directories.iter().flat_map(|directory| entries(directory)) {
            if let Some(pem) = read_bounded(&path) {
                add(&pem);
            }
        }
        if let Some(pem) = &self.extra_pem {
            add(pem.as_bytes());
        }
        store
    }

    /// What the sources look like now; cheap enough to ask every few seconds.
    pub(super) fn stamp(&self) -> Stamp {
        let stamp =
            |path: &PathBuf| fs::metadata(path).ok().map(|m| (m.ino(), m.mtime(), m.mtime_nsec(), m.len()));
        self.instead.iter().chain(&self.files).chain(&self.directories).map(stamp).collect()
    }
}

fn paths<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<PathBuf> {
    names.into_iter().filter(|name| !name.is_empty()).map(PathBuf::from).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read_bounded(path: &Path) -> Option<Vec<u8>> {
    let metadata = fs::metadata(path).ok()?;
    (metadata.is_file() && metadata.len() <= MAX_FILE_BYTES).then(|| fs::read(path).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(name: &str) -> String {
        let key = rcgen::KeyPair::generate().expect("a key");
        rcgen::CertificateParams::new(vec![name.to_owned()])
            .expect("parameters")
            .self_signed(&key)
            .expect("a certificate")
            .pem()
    }

    #[test]
    fn bundle_and_directory_are_joined_without_duplicates() {
        let dir = tempfile::tempdir().expect("a directory");
        let (one, two) = (authority("one.test"), authority("two.test"));
        let bundle = dir.path().join("bundle.crt");
        let certs = dir.path().join("certs");
        fs::create_dir(&certs).expect("a directory");
        for (path, content) in [
            (bundle.clone(), format!("# comment\n{one}")),
            (certs.join("a.crt"), one),
            (certs.join("b.pem"), two),
            (certs.join("junk"), "no certificate".to_owned()),
        ] {
            fs::write(path, content).expect("written");
        }
        let environment =
            |name: &str| Some(if name == "SSL_CERT_FILE" { &bundle } else { &certs }.display().to_string());
        let roots = Roots::from_environment(environment);
        assert_eq!(roots.load().len(), 2);
        assert_eq!(Roots::only_file(dir.path().join("absent")).load().len(), 0);
    }

    #[test]
    fn a_swapped_file_changes_the_stamp() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ca.crt");
        fs::write(&path, authority("one.test")).expect("written");
        let roots = Roots::only_file(&path);
        let before = roots.stamp();
        assert_eq!(before, roots.stamp());
        let next = dir.path().join("next.crt");
        fs::write(&next, authority("two.test")).expect("written");
        fs::rename(&next, &path).expect("renamed");
        assert_ne!(before, roots.stamp());
    }
}
