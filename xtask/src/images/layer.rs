//! A layer: files in a tar archive, the same bytes whenever and wherever it is made.

use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

/// A file or directory, owned by root.
pub(super) struct Entry {
    /// Path below the root, without a slash in front.
    pub(super) path: String,
    mode: u32,
    /// None for a directory.
    content: Option<Vec<u8>>,
}

impl Entry {
    pub(super) fn file(path: &str, mode: u32, content: Vec<u8>) -> Self {
        Self { path: path.to_owned(), mode, content: Some(content) }
    }

    pub(super) fn directory(path: &str, mode: u32) -> Self {
        Self { path: path.to_owned(), mode, content: None }
    }
}

/// The one layer of an image.
pub(super) struct Layer {
    /// As it is stored: gzip.
    pub(super) compressed: Vec<u8>,
    /// Bytes of the archive.
    pub(super) uncompressed: usize,
    /// `sha256:…` of the archive.
    pub(super) diff_id: String,
}

impl Layer {
    pub(super) fn new(entries: Vec<Entry>, compression: Compression) -> anyhow::Result<Self> {
        let archive = tar_of(entries)?;
        // No name and no time in the header.
        let mut gzip = GzBuilder::new().write(Vec::new(), compression);
        gzip.write_all(&archive)?;
        Ok(Self { compressed: gzip.finish()?, uncompressed: archive.len(), diff_id: digest(&archive) })
    }

    /// Writes the files into a directory, for a Containerfile.
    pub(super) fn unpack(&self, directory: &Path) -> anyhow::Result<()> {
        let _ = std::fs::remove_dir_all(directory);
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        let mut archive = Vec::new();
        flate2::read::GzDecoder::new(self.compressed.as_slice()).read_to_end(&mut archive)?;
        let mut archive = tar::Archive::new(archive.as_slice());
        archive.set_preserve_mtime(true);
        archive.unpack(directory).with_context(|| directory.display().to_string())
    }
}

/// A tar archive of these entries, in their order, all of 1970.
pub(super) fn tar_of(entries: Vec<Entry>) -> anyhow::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_ustar();
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let content = entry.content.unwrap_or_else(|| {
            header.set_entry_type(EntryType::Directory);
            Vec::new()
        });
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, &entry.path, content.as_slice()).context(entry.path)?;
    }
    Ok(archive.into_inner()?)
}

/// `sha256:…` of some bytes.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Layer {
        let file = Entry::file("tmp/a", 0o644, b"content".to_vec());
        Layer::new(vec![Entry::directory("tmp", 0o1777), file], Compression::best()).unwrap()
    }

    #[test]
    fn a_layer_is_the_same_whenever_it_is_made() {
        let (first, second) = (layer(), layer());
        assert_eq!(first.compressed, second.compressed);
        assert_ne!(first.diff_id, digest(&first.compressed));
        // Of 1970 and root's: made at another time by somebody else it is the same.
        let archive = tar_of(vec![Entry::file("a", 0o755, Vec::new())]).unwrap();
        let mut archive = tar::Archive::new(archive.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        let header = entry.header();
        let told =
            (header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap());
        assert_eq!(told, (0, 0, 0, 0o755));
    }

    #[test]
    fn unpacked_it_has_its_files() {
        let directory = std::env::temp_dir().join(format!("keymount-layer-{}", std::process::id()));
        layer().unpack(&directory).unwrap();
        assert_eq!(std::fs::read(directory.join("tmp/a")).unwrap(), b"content");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
