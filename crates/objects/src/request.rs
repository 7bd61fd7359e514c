//! The three JSON strings of a MountRequest (provider API v1alpha1).

use std::collections::HashMap;
use std::fmt;

use keymount_sensitive::SecretString;

use crate::json::{JsonError, file_mode, string_map};
use crate::reason::Reason;

/// The request's `attributes`: a class's `parameters` and what kubelet and driver add to them.
/// Values may be tokens, so they are kept as secrets.
#[derive(Default)]
pub struct Attributes(HashMap<String, SecretString>);

impl Attributes {
    /// Reads the JSON object of strings; `null` is an empty one.
    ///
    /// # Errors
    /// [`RequestError::Attributes`] for anything else.
    pub fn decode(json: &str) -> Result<Self, RequestError> {
        string_map(json).map(|map| Self(map.unwrap_or_default())).map_err(RequestError::Attributes)
    }

    /// The value of a key without the white space around it; empty when the key is missing.
    #[must_use]
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", |value| value.expose().trim())
    }
}

/// The request's `secrets`: the data of the Secret that `nodePublishSecretRef` names.
pub struct PublishSecrets(Option<HashMap<String, SecretString>>);

impl PublishSecrets {
    /// Reads the JSON object of strings, or `null` when the pod's volume names no Secret.
    ///
    /// # Errors
    /// [`RequestError::Secrets`] for anything else.
    pub fn decode(json: &str) -> Result<Self, RequestError> {
        string_map(json).map(Self).map_err(RequestError::Secrets)
    }

    /// The keys and values; none when the volume names no Secret.
    #[must_use]
    pub const fn entries(&self) -> Option<&HashMap<String, SecretString>> {
        self.0.as_ref()
    }
}

/// Reads the request's `permission`: the mode bits of files that have none of their own, as a decimal
/// number (`420` is 0644); `null` is 0.
///
/// # Errors
/// [`RequestError::Permission`] for anything else.
pub fn decode_permission(json: &str) -> Result<u32, RequestError> {
    file_mode(json).map_err(RequestError::Permission)
}

/// A JSON string of the request cannot be read: the driver's fault, not a user's. `Display` is
/// upstream's [`text`](Self::text) and, on a line of its own, the [`hint`](Self::hint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// `attributes`.
    Attributes(JsonError),
    /// `secrets`.
    Secrets(JsonError),
    /// `permission`.
    Permission(JsonError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.text(), self.hint())
    }
}

impl std::error::Error for RequestError {}

impl RequestError {
    /// The text without the hint.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Attributes(error) => format!("failed to unmarshal attributes, error: {error}"),
            Self::Secrets(error) => format!("failed to unmarshal secrets, error: {error}"),
            Self::Permission(error) => format!("failed to unmarshal file permission, error: {error}"),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason::MalformedRequest
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "the driver sent a request this provider cannot read: check that driver and provider speak v1alpha1"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_trimmed_and_missing_ones_empty() {
        let attributes = Attributes::decode(r#"{"a":" x\n","b":null}"#).expect("an object of strings");
        assert_eq!([attributes.get("a"), attributes.get("b"), attributes.get("c")], ["x", "", ""]);
        assert_eq!(Attributes::decode("null").expect("null is empty").get("a"), "");
    }

    #[test]
    fn no_secret_is_told_from_an_empty_one() {
        assert!(PublishSecrets::decode("null").expect("null").entries().is_none());
        assert!(PublishSecrets::decode("{}").expect("an object").entries().is_some_and(HashMap::is_empty));
    }

    #[test]
    fn texts_begin_as_upstreams() {
        let texts = [
            Attributes::decode("").err().map(|error| error.text()),
            PublishSecrets::decode("[]").err().map(|error| error.text()),
            decode_permission("\"0644\"").err().map(|error| error.text()),
        ];
        let texts = texts.map(Option::unwrap_or_default);
        assert_eq!(
            texts.each_ref().map(String::as_str),
            [
                "failed to unmarshal attributes, error: unexpected end of JSON input",
                "failed to unmarshal secrets, error: json: cannot unmarshal array into Go value of type \
                 map[string]string",
                "failed to unmarshal file permission, error: json: cannot unmarshal string into Go value \
                 of type fs.FileMode",
            ]
        );
        assert_eq!(decode_permission(" 420\n"), Ok(0o644));
    }

    #[test]
    fn i5_errors_do_not_show_values() {
        for json in [
            r#"{"token":"s3cr3t","a":1}"#,
            r#"{"token":"s3cr3t""#,
            r#"{"token":"s3cr3t" "#,
            r#"{"token":"s3cr3t"}s3cr3t"#,
            r#""s3cr3t""#,
            r#"{"token":"s3cr3t\x"}"#,
        ] {
            let text = PublishSecrets::decode(json).err().map(|error| format!("{error} {error:?}"));
            assert!(text.is_some_and(|text| !text.contains("s3c")), "{json}");
        }
    }
}
