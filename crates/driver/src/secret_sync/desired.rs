//! What a Secret should be.

use std::collections::BTreeMap;

use jiff::Timestamp;
use keymount_api::{SecretObject, annotations, labels};
use keymount_sensitive::SecretBytes;
use sha2::{Digest as _, Sha256};

use super::data::{DataError, TLS, value};
use crate::kubernetes::is_object_name;

/// The parts of a Secret that are this driver's.
pub(crate) struct Desired {
    /// Type, for instance Opaque.
    pub(crate) type_: String,
    /// Data by key.
    pub(crate) data: BTreeMap<String, SecretBytes>,
    /// Labels, the mark of this driver among them.
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations: the author's, and what tells one content from another.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What a Secret is made from.
pub(crate) struct Source<'a> {
    /// Name of the class.
    pub(crate) class: &'a str,
    /// Mounted files by path below the volume.
    pub(crate) files: &'a BTreeMap<String, SecretBytes>,
    /// Versions of the mounted objects by id.
    pub(crate) versions: &'a BTreeMap<String, String>,
    /// Since when the volume has this content.
    pub(crate) since: Option<Timestamp>,
}

/// Why a Secret cannot be made. Texts begin as those of driver v1.6.0.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum DesiredError {
    /// The class is incomplete or contradicts itself.
    #[error("failed to validate secret object in spc {namespace}/{class}, err: {problem}")]
    Invalid {
        /// Namespace of the class.
        namespace: String,
        /// Name of the class.
        class: String,
        /// What is missing.
        problem: &'static str,
    },
    /// A key cannot be filled.
    #[error("failed to get data in spc {namespace}/{class} for secret {secret}, err: {source}")]
    Data {
        /// Namespace of the class.
        namespace: String,
        /// Name of the class.
        class: String,
        /// Name of the Secret.
        secret: String,
        /// Why.
        source: DataError,
    },
    /// The API does not store it.
    #[error(
        "failed to get data in spc {namespace}/{class} for secret {secret}, err: data of {bytes} bytes exceeds the \
         1048576 bytes a Secret may hold (sync fewer or smaller objects)"
    )]
    TooLarge {
        /// Namespace of the class.
        namespace: String,
        /// Name of the class.
        class: String,
        /// Name of the Secret.
        secret: String,
        /// Size of all values.
        bytes: usize,
    },
}

/// What the API server demands of a TLS Secret.
const TLS_KEYS: [&str; 2] = ["tls.crt", "tls.key"];

/// Most bytes of data in one Secret.
const MAX_DATA: usize = 1_048_576;

/// What the Secret of `object` should be.
///
/// # Errors
/// [`DesiredError`] names the class, the Secret and what to correct.
#[expect(clippy::result_large_err, reason = "made once per Secret, and only where something is wrong")]
pub(crate) fn desired(
    namespace: &str,
    object: &SecretObject,
    source: &Source<'_>,
) -> Result<Desired, DesiredError> {
    let secret = object.secret_name.trim();
    let invalid = |problem| DesiredError::Invalid {
        namespace: namespace.to_owned(),
        class: source.class.to_owned(),
        problem,
    };
    if secret.is_empty() {
        return Err(invalid("secret name is empty (set secretObjects[].secretName)"));
    }
    if !is_object_name(secret) {
        return Err(invalid(
            "secret name is no name an object can have (use lower case letters, digits, '-' and '.' in secretName)",
        ));
    }
    let type_ = object.type_.trim();
    if type_.is_empty() {
        return Err(invalid("secret type is empty (set secretObjects[].type, for instance Opaque)"));
    }
    if object.data.is_empty() {
        return Err(invalid("data is empty (list at least one objectName and key in secretObjects[].data)"));
    }
    let mut data = BTreeMap::new();
    for item in &object.data {
        let (key, value) = value(item, type_, source.files).map_err(|problem| DesiredError::Data {
            namespace: namespace.to_owned(),
            class: source.class.to_owned(),
            secret: secret.to_owned(),
            source: problem,
        })?;
        data.insert(key, value);
    }
    if type_ == TLS && TLS_KEYS.iter().any(|key| !data.contains_key(*key)) {
        return Err(invalid(
            "a Secret of type kubernetes.io/tls needs both tls.crt and tls.key (list both in data)",
        ));
    }
    let bytes = data.values().map(|value| value.expose().len()).sum();
    if bytes > MAX_DATA {
        let (namespace, class, secret) = (namespace.to_owned(), source.class.to_owned(), secret.to_owned());
        return Err(DesiredError::TooLarge { namespace, class, secret, bytes });
    }
    let mut marks = object.annotations.clone();
    marks.insert(annotations::CLASS.to_owned(), source.class.to_owned());
    marks.insert(
        annotations::OBJECT_VERSIONS.to_owned(),
        serde_json::to_string(source.versions).expect("a map with text keys is always JSON"),
    );
    if let Some(since) = source.since {
        marks.insert(annotations::FETCHED_AT.to_owned(), since.to_string());
    }
    let mut desired =
        Desired { type_: type_.to_owned(), data, labels: object.labels.clone(), annotations: marks };
    desired.labels.insert(labels::MANAGED.to_owned(), "true".to_owned());
    Ok(desired)
}

impl Desired {
    /// A fingerprint of everything but the time of the fetch. It stays in this process: a hash of
    /// guessable data does not belong where others read it.
    #[must_use]
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        };
        add(self.type_.as_bytes());
        for (key, value) in &self.data {
            add(key.as_bytes());
            add(value.expose());
        }
        for (kind, texts) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            add(kind.as_bytes());
            for (key, value) in texts.iter().filter(|(key, _)| key.as_str() != annotations::FETCHED_AT) {
                add(key.as_bytes());
                add(value.as_bytes());
            }
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use keymount_api::SecretObjectData;
    use keymount_sensitive::Sensitive;

    use super::*;

    fn files(entries: &[(&str, &[u8])]) -> BTreeMap<String, SecretBytes> {
        entries.iter().map(|(path, bytes)| ((*path).to_owned(), Sensitive::new(bytes.to_vec()))).collect()
    }

    fn object(name: &str, type_: &str, data: &[(&str, &str)]) -> SecretObject {
        SecretObject {
            secret_name: name.to_owned(),
            type_: type_.to_owned(),
            labels: [("environment".to_owned(), "test".to_owned())].into(),
            annotations: [("team".to_owned(), "a".to_owned())].into(),
            data: data
                .iter()
                .map(|(object, key)| SecretObjectData {
                    object_name: (*object).to_owned(),
                    key: (*key).to_owned(),
                })
                .collect(),
        }
    }

    fn make(
        object: &SecretObject,
        files: &BTreeMap<String, SecretBytes>,
        version: &str,
    ) -> Result<Desired, String> {
        let versions = [("secret/a".to_owned(), version.to_owned())].into();
        let since = Timestamp::from_second(1_800_000_000).ok();
        desired("ns", object, &Source { class: "web", files, versions: &versions, since })
            .map_err(|e| e.to_string())
    }

    #[test]
    fn data_labels_and_marks() {
        let files = files(&[("a", b"1"), ("dir/b", b"\xff\x00")]);
        let made = make(&object(" s ", " Opaque ", &[(" a ", " x "), ("dir/b", "y")]), &files, "v1").unwrap();
        assert_eq!(made.type_, "Opaque");
        let data: Vec<_> = made.data.iter().map(|(k, v)| (k.as_str(), v.expose().as_slice())).collect();
        assert_eq!(data, [("x", &b"1"[..]), ("y", b"\xff\x00")]);
        assert_eq!(made.labels.len(), 2);
        assert_eq!(made.labels["secrets-store.csi.k8s.io/managed"], "true");
        assert_eq!(made.annotations["team"], "a");
        assert_eq!(made.annotations[annotations::OBJECT_VERSIONS], r#"{"secret/a":"v1"}"#);
    }

    #[test]
    fn mistakes_are_named_in_the_order_of_the_go_driver() {
        let files = files(&[("a", b"1")]);
        for (object, expected) in [
            (
                object(" ", "", &[]),
                "failed to validate secret object in spc ns/web, err: secret name is empty",
            ),
            (
                object("../../kube-system/secrets/s", "Opaque", &[("a", "k")]),
                "failed to validate secret object in spc ns/web, err: secret name is no name",
            ),
            (
                object("s", " ", &[]),
                "failed to validate secret object in spc ns/web, err: secret type is empty",
            ),
            (
                object("s", "Opaque", &[]),
                "failed to validate secret object in spc ns/web, err: data is empty",
            ),
            (
                object("s", "Opaque", &[("", "k")]),
                "failed to get data in spc ns/web for secret s, err: object name in secretObjects.data",
            ),
            (
                object("s", "Opaque", &[("a", " ")]),
                "failed to get data in spc ns/web for secret s, err: key in secretObjects.data is empty",
            ),
            (
                object("s", "Opaque", &[("b", "k")]),
                "failed to get data in spc ns/web for secret s, err: file matching objectName b not found in the pod",
            ),
        ] {
            let error = make(&object, &files, "v1").err().unwrap();
            assert!(error.starts_with(expected), "{error}");
        }
        let big = self::files(&[("a", &vec![0; MAX_DATA + 1])]);
        let error = make(&object("s", "Opaque", &[("a", "k")]), &big, "v1").err().unwrap();
        assert!(error.contains("1048577 bytes"), "{error}");
    }

    #[test]
    fn the_fingerprint_sees_every_difference_but_the_time() {
        let one = files(&[("a", b"1")]);
        let base = || object("s", "Opaque", &[("a", "k")]);
        let print =
            |object: &SecretObject, files, version| make(object, files, version).unwrap().fingerprint();
        let first = print(&base(), &one, "v1");
        assert_eq!(first, print(&base(), &one, "v1"));
        let mut labelled = base();
        labelled.labels.insert("x".to_owned(), "y".to_owned());
        let others = [
            print(&base(), &files(&[("a", b"2")]), "v1"),
            print(&base(), &one, "v2"),
            print(&object("s", "other", &[("a", "k")]), &one, "v1"),
            print(&object("s", "Opaque", &[("a", "l")]), &one, "v1"),
            print(&labelled, &one, "v1"),
        ];
        assert!(others.iter().all(|other| *other != first));
    }
}
