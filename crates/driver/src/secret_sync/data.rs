//! One value of a Secret.

use std::collections::BTreeMap;

use keymount_api::SecretObjectData;
use keymount_pem::{TlsError, ca_certificates, tls_certificate, tls_private_key};
use keymount_sensitive::{SecretBytes, Sensitive};

/// Type whose values are taken apart into certificates and key.
pub(super) const TLS: &str = "kubernetes.io/tls";

/// Why a key of a Secret has no value. Texts begin as those of driver v1.6.0.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum DataError {
    /// `objectName` is empty.
    #[error("object name in secretObjects.data is empty (set objectName to the alias or name of an object)")]
    ObjectName,
    /// `key` is empty.
    #[error("key in secretObjects.data is empty (set key)")]
    Key,
    /// The key is none that the API would store.
    #[error("key {0:?} in secretObjects.data is not valid (letters, digits, '-', '_' and '.', at most 253)")]
    KeyInvalid(String),
    /// No such file.
    #[error("file matching objectName {object} not found in the pod ({})", mounted(present))]
    NoFile {
        /// The name that was asked for.
        object: String,
        /// Names that are there.
        present: Vec<String>,
    },
    /// The file holds no certificate or key.
    #[error("failed to get cert data from file {object}, err: {source} ({})", source.hint())]
    Tls {
        /// Name of the file.
        object: String,
        /// Why; quotes nothing of the file.
        source: TlsError,
    },
    /// A TLS Secret has other keys.
    #[error(
        "failed to get cert data from file {object}, err: key '{key}' is not supported. Only 'tls.key' and 'tls.crt' are \
         supported (and 'ca.crt'; use type Opaque for other keys)"
    )]
    TlsKey {
        /// Name of the file.
        object: String,
        /// The key.
        key: String,
    },
}

fn mounted(present: &[String]) -> String {
    format!("mounted are: {}; objectName must be an object's alias where it has one", present.join(", "))
}

/// Key and value of one item.
pub(super) fn value(
    item: &SecretObjectData,
    type_: &str,
    files: &BTreeMap<String, SecretBytes>,
) -> Result<(String, SecretBytes), DataError> {
    let (object, key) = (item.object_name.trim(), item.key.trim());
    if object.is_empty() {
        return Err(DataError::ObjectName);
    }
    if key.is_empty() {
        return Err(DataError::Key);
    }
    if !is_key(key) {
        return Err(DataError::KeyInvalid(key.to_owned()));
    }
    let Some(file) = files.get(object) else {
        let present = files.keys().take(10).cloned().collect();
        return Err(DataError::NoFile { object: object.to_owned(), present });
    };
    let value = if type_ == TLS {
        let part = match key {
            "tls.crt" => tls_certificate(file.expose()),
            "tls.key" => tls_private_key(file.expose()),
            "ca.crt" => ca_certificates(file.expose()),
            _ => return Err(DataError::TlsKey { object: object.to_owned(), key: key.to_owned() }),
        };
        part.map_err(|source| DataError::Tls { object: object.to_owned(), source })?
    } else {
        Sensitive::new(file.expose().clone())
    };
    Ok((key.to_owned(), value))
}

/// The rule of the API server for keys of a Secret.
fn is_key(key: &str) -> bool {
    key.len() <= 253
        && key != "."
        && key != ".."
        && !key.starts_with("..")
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
