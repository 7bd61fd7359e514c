//! The JSON file that describes a custom cloud (`AzureStackCloud`).
//!
//! A tenant may name any path, so nothing of the content is ever shown, and only a regular file of
//! modest size is read. Keys match in any case, as Go's decoder has it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::Cloud;

/// Azure's own metadata documents have a few kilobytes.
const MAX_BYTES: u64 = 64 << 10;

/// The file of a custom cloud cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustomCloudError {
    /// It cannot be read; in the words of Go's `os` package.
    #[error("{operation} {}: {reason}", path.display())]
    Unreadable {
        /// `open` or `read`.
        operation: &'static str,
        /// The path as it was given.
        path: PathBuf,
        /// In the words of the operating system.
        reason: &'static str,
    },
    /// It is no JSON object.
    #[error("the file is not a JSON object (its content is not shown)")]
    NotJson,
    /// A key has a value of the wrong type.
    #[error("json: cannot unmarshal {kind} into Go struct field Environment.{key} of type string")]
    NotText {
        /// The key.
        key: &'static str,
        /// The type of its value.
        kind: &'static str,
    },
    /// The suffix cannot be part of a host name.
    #[error("keyVaultDNSSuffix is not a DNS name (its value is not shown)")]
    Suffix,
}

pub(super) async fn read(path: &Path) -> Result<Cloud, CustomCloudError> {
    let failed = |operation, error: &io::Error| CustomCloudError::Unreadable {
        operation,
        path: path.to_owned(),
        reason: words(error),
    };
    let metadata = tokio::fs::metadata(path).await.map_err(|error| failed("open", &error))?;
    let refused = |reason| CustomCloudError::Unreadable { operation: "read", path: path.to_owned(), reason };
    if metadata.is_dir() {
        return Err(refused("is a directory"));
    }
    if !metadata.is_file() {
        return Err(refused("not a regular file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(refused("larger than 64 KiB"));
    }
    let content = tokio::fs::read(path).await.map_err(|error| failed("open", &error))?;
    parse(&content)
}

fn words(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::NotADirectory => "not a directory",
        io::ErrorKind::InvalidFilename => "file name too long",
        io::ErrorKind::InvalidInput => "invalid argument",
        _ => "input/output error",
    }
}

/// The keys that matter, with the values found.
#[derive(Default)]
struct Fields {
    suffix: String,
    resource: String,
    authority: String,
    wrong: Option<(&'static str, &'static str)>,
}

fn parse(content: &[u8]) -> Result<Cloud, CustomCloudError> {
    let mut json = serde_json::Deserializer::from_slice(content);
    let fields = json.deserialize_map(FieldsVisitor).map_err(|_| CustomCloudError::NotJson)?;
    json.end().map_err(|_| CustomCloudError::NotJson)?;
    if let Some((key, kind)) = fields.wrong {
        return Err(CustomCloudError::NotText { key, kind });
    }
    // A port may follow: emulators and private clouds have vaults beside the usual one.
    let (name, port) = fields.suffix.rsplit_once(':').unwrap_or((&fields.suffix, "443"));
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if !name.bytes().all(of_a_name) || port.parse::<u16>().is_err() {
        return Err(CustomCloudError::Suffix);
    }
    Ok(Cloud {
        vault_suffix: fields.suffix,
        vault_resource: fields.resource.trim_end_matches('/').to_owned(),
        authority: fields.authority,
    })
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<String>()? {
            let (name, slot) = match key.to_ascii_lowercase().as_str() {
                "keyvaultdnssuffix" => ("keyVaultDNSSuffix", &mut fields.suffix),
                "keyvaultendpoint" => ("keyVaultEndpoint", &mut fields.resource),
                "activedirectoryendpoint" => ("activeDirectoryEndpoint", &mut fields.authority),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            match map.next_value::<Value>()? {
                Value::String(value) => *slot = value,
                Value::Null => {}
                other => fields.wrong = fields.wrong.or(Some((name, kind(&other)))),
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::CloudError;

    const FOUR_KEYS: &str = r#"{
        "name": "AzureStackCloud",
        "activeDirectoryEndpoint": "https://login.example.com/",
        "keyVaultEndpoint": "https://vault.example.com/",
        "keyVaultDNSSuffix": "vault.example.com"
    }"#;

    #[test]
    fn the_documented_file() {
        let cloud = parse(FOUR_KEYS.as_bytes()).expect("a cloud");
        assert_eq!(cloud.vault_suffix, "vault.example.com");
        assert_eq!(cloud.vault_resource, "https://vault.example.com");
        assert_eq!(cloud.authority, "https://login.example.com/");
        assert_eq!(cloud.resource_for("kv.vault.example.com"), Some("https://vault.example.com"));
    }

    #[test]
    fn keys_match_in_any_case_and_unknown_ones_are_ignored() {
        let cloud =
            parse(br#"{"KEYVAULTDNSSUFFIX":"a.b","resourceIdentifiers":{"x":[1]},"keyvaultendpoint":null}"#)
                .expect("a cloud");
        assert_eq!((cloud.vault_suffix.as_str(), cloud.vault_resource.as_str()), ("a.b", ""));
    }

    #[test]
    fn content_is_never_shown() {
        for content in [
            "root:c4n4ry",
            "{\"keyVaultDNSSuffix\": c4n4ry}",
            "{\"keyVaultDNSSuffix\":\"c4n4ry/x\"}",
            "[]",
            "{} x",
        ] {
            let error = parse(content.as_bytes()).expect_err("an error").to_string();
            assert!(!error.contains("c4n4ry") && !error.contains("root"), "{error}");
        }
        assert_eq!(
            parse(br#"{"keyVaultDNSSuffix":{"a":"c4n4ry"}}"#),
            Err(CustomCloudError::NotText { key: "keyVaultDNSSuffix", kind: "object" })
        );
    }

    #[tokio::test]
    async fn files_that_cannot_be_read() {
        let text = async |path: &str| {
            let path = (!path.is_empty()).then(|| path.into());
            Cloud::by_name("AzureStackCloud", path).await.expect_err("an error").to_string()
        };
        assert_eq!(text("").await, "open : no such file or directory");
        assert_eq!(text("/absent/cloud.json").await, "open /absent/cloud.json: no such file or directory");
        assert_eq!(text("/").await, "read /: is a directory");
        assert_eq!(text("/dev/zero").await, "read /dev/zero: not a regular file");
    }

    #[tokio::test]
    async fn the_file_is_read_anew_each_time() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("cloud.json");
        for suffix in ["one.test", "two.test"] {
            std::fs::write(&path, format!("{{\"keyVaultDNSSuffix\":\"{suffix}\"}}")).expect("written");
            let cloud = Cloud::by_name("azurestackcloud", Some(path.clone())).await;
            assert_eq!(cloud.map(|cloud| cloud.vault_suffix), Ok::<_, CloudError>(suffix.to_owned()));
        }
    }
}
