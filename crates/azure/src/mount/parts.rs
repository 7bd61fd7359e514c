//! The files of an object: its own, or the parts it asks for in its place.

use keymount_objects::{JsonFile, Object, Parts, PemFile, PemPart, SelectedVersion};
use keymount_pem::{Blocks, TlsError, ca_certificates, split};
use keymount_sensitive::SecretBytes;

use super::ProducedFile;
use crate::content::{Content, ContentError};

pub(super) fn files(
    object: &Object,
    selected: &SelectedVersion,
    content: Content,
) -> Result<Vec<ProducedFile>, ContentError> {
    let Content { version, mut files, .. } = content;
    let file = |path, mode, content| ProducedFile {
        path,
        mode,
        content,
        uid: selected.uid.clone(),
        version: version.clone(),
    };
    let mut value = || files.pop().map(|(_, value)| value).unwrap_or_default();
    match &object.extensions.parts {
        Parts::Whole => {
            let whole = |(suffix, bytes)| file(format!("{}{suffix}", selected.path), object.mode, bytes);
            Ok(files.into_iter().map(whole).collect())
        }
        // The value as a whole is the last of an object's files.
        Parts::Json(parts) => {
            let values = JsonFile::extract(parts, value().expose())?;
            let part = |(part, value): (&JsonFile, SecretBytes)| {
                file(selected.path_of(part.alias()), part.mode(), value)
            };
            Ok(parts.iter().zip(values).map(part).collect())
        }
        Parts::Pem(parts) => {
            let value = value();
            let part = |part: &PemFile| {
                Ok(file(selected.path_of(&part.alias), part.mode, pem(part.part, value.expose())?))
            };
            parts.iter().map(part).collect()
        }
    }
}

fn pem(part: PemPart, bundle: &[u8]) -> Result<SecretBytes, ContentError> {
    let some = |content: SecretBytes, missing| {
        if content.expose().is_empty() { Err(missing) } else { Ok(content) }
    };
    let (name, found) = match part {
        PemPart::Bundle => ("bundle", Ok(SecretBytes::new(bundle.to_vec()))),
        PemPart::Certificates => ("certificates", some(split(bundle).0, TlsError::NoCertificate)),
        PemPart::Leaf => {
            let mut leaf = SecretBytes::default();
            if let Some(block) = Blocks::new(bundle).find(|block| block.label == "CERTIFICATE") {
                block.encode(&mut leaf);
            }
            ("leaf", some(leaf, TlsError::NoCertificate))
        }
        // Only the certificates: what has none would be read as a PFX there.
        PemPart::Ca => {
            let certificates = some(split(bundle).0, TlsError::NoCertificate);
            ("ca", certificates.and_then(|all| ca_certificates(all.expose())))
        }
        PemPart::Key => ("key", some(split(bundle).1, TlsError::NoPrivateKey)),
    };
    found.map_err(|error| ContentError::Pem { part: name, error })
}
