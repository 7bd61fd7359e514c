//! What a vault answers: secrets, keys, certificates, lists of versions.
//!
//! Every field is optional, as in the service's own models; what a missing one means is for the caller
//! to say.

use std::collections::HashMap;

use keymount_sensitive::SecretString;
use serde_json::value::RawValue;

use crate::error::VaultError;
use crate::item::{Item, ObjectKind};
use crate::json::Fields;

/// A secret (`GET /secrets/{name}/{version}`).
#[derive(Default)]
pub struct SecretBundle {
    /// The secret itself.
    pub value: Option<SecretString>,
    /// Its URL, with the version.
    pub id: Option<String>,
    /// What the value is, as whoever stored it says; reliable for certificates only.
    pub content_type: Option<String>,
    /// The URL of the key, if the secret belongs to a certificate.
    pub kid: Option<String>,
}

/// A key (`GET /keys/{name}/{version}`).
#[derive(Default)]
pub struct KeyBundle {
    /// The public part.
    pub key: Option<JsonWebKey>,
}

/// A public JSON Web Key. Numbers are base64url without padding.
#[derive(Default)]
pub struct JsonWebKey {
    /// Its URL, with the version.
    pub kid: Option<String>,
    /// `RSA`, `RSA-HSM`, `EC`, `EC-HSM`, `oct`, `oct-HSM`.
    pub kty: Option<String>,
    /// The curve of an EC key.
    pub crv: Option<String>,
    /// RSA modulus.
    pub n: Option<String>,
    /// RSA exponent.
    pub e: Option<String>,
    /// EC coordinate.
    pub x: Option<String>,
    /// EC coordinate.
    pub y: Option<String>,
}

/// A certificate (`GET /certificates/{name}/{version}`).
#[derive(Default)]
pub struct CertificateBundle {
    /// Its URL, with the version.
    pub id: Option<String>,
    /// The leaf certificate: DER in standard base64.
    pub cer: Option<String>,
}

/// One entry of a list of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionEntry {
    /// The URL of the version (`id`, for keys `kid`).
    pub id: String,
    /// Its attributes, if the entry has any.
    pub attributes: Option<Attributes>,
}

/// The attributes of a version that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Whether it may be used.
    pub enabled: Option<bool>,
    /// Unix seconds of its creation.
    pub created: Option<i64>,
}

/// One entry of a list of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectEntry {
    /// The URL of the object, without a version (`id`, for keys `kid`).
    pub id: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its tags, in the vault's order.
    pub tags: Vec<(String, String)>,
}

impl ObjectEntry {
    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(tag, _)| tag == name).map(|(_, value)| value.as_str())
    }
}

/// One page of a list.
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) next: Option<String>,
}

/// An entry of a list.
pub(crate) trait Listed: Sized {
    fn new(id: String, attributes: Attributes, fields: &Fields<'_>) -> Result<Self, VaultError>;

    /// Roughly how much memory it takes, in bytes.
    fn size(&self) -> usize;
}

impl Listed for VersionEntry {
    fn new(id: String, attributes: Attributes, _: &Fields<'_>) -> Result<Self, VaultError> {
        Ok(Self { id, attributes: Some(attributes) })
    }

    fn size(&self) -> usize {
        self.id.len() + 64
    }
}

impl Listed for ObjectEntry {
    fn new(id: String, attributes: Attributes, fields: &Fields<'_>) -> Result<Self, VaultError> {
        let tags: Option<HashMap<String, Option<String>>> =
            fields.get("tags", "Tags", "map[string]*string")?;
        let tags = tags.unwrap_or_default().into_iter();
        let mut tags: Vec<_> = tags.map(|(name, value)| (name, value.unwrap_or_default())).collect();
        tags.sort();
        Ok(Self { id, attributes, tags })
    }

    fn size(&self) -> usize {
        let tags: usize = self.tags.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
        self.id.len() + tags + 64
    }
}

/// Anything a vault answers, parsed.
pub(crate) enum Content {
    Secret(SecretBundle),
    Key(KeyBundle),
    Certificate(CertificateBundle),
    Versions(Vec<VersionEntry>),
    Objects(Vec<ObjectEntry>),
}

impl Content {
    pub(crate) fn parse_object(kind: ObjectKind, body: &[u8]) -> Result<Self, VaultError> {
        Ok(match kind {
            ObjectKind::Secret => {
                let fields = Fields::of_answer(body, "*azsecrets.SecretBundle")?;
                Self::Secret(SecretBundle {
                    value: fields.text("value", "Value")?,
                    id: fields.text("id", "ID")?,
                    content_type: fields.text("contentType", "ContentType")?,
                    kid: fields.text("kid", "Kid")?,
                })
            }
            ObjectKind::Key => {
                let fields = Fields::of_answer(body, "*azkeys.KeyBundle")?;
                Self::Key(KeyBundle { key: fields.raw("key").map(JsonWebKey::parse).transpose()? })
            }
            ObjectKind::Certificate => {
                let fields = Fields::of_answer(body, "*azcertificates.CertificateBundle")?;
                Self::Certificate(CertificateBundle {
                    id: fields.text("id", "ID")?,
                    cer: fields.text("cer", "CER")?,
                })
            }
        })
    }

    /// Roughly how much memory it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let fields = match self {
            Self::Secret(secret) => {
                secret.value.as_ref().map_or(0, |value| value.expose().len())
                    + length(&secret.id)
                    + length(&secret.kid)
                    + length(&secret.content_type)
            }
            Self::Key(bundle) => bundle.key.as_ref().map_or(0, |key| {
                [&key.kid, &key.kty, &key.crv, &key.n, &key.e, &key.x, &key.y].map(length).iter().sum()
            }),
            Self::Certificate(certificate) => length(&certificate.id) + length(&certificate.cer),
            Self::Versions(entries) => entries.iter().map(Listed::size).sum(),
            Self::Objects(entries) => entries.iter().map(Listed::size).sum(),
        };
        fields + 256
    }
}

impl JsonWebKey {
    fn parse(value: &RawValue) -> Result<Self, VaultError> {
        let fields = Fields::of_value(value, "*azkeys.JSONWebKey")?;
        Ok(Self {
            kid: fields.text("kid", "KID")?,
            kty: fields.text("kty", "Kty")?,
            crv: fields.text("crv", "Crv")?,
            n: fields.text("n", "N")?,
            e: fields.text("e", "E")?,
            x: fields.text("x", "X")?,
            y: fields.text("y", "Y")?,
        })
    }
}

impl Attributes {
    fn parse(value: &RawValue, model: &'static str) -> Result<Self, VaultError> {
        let fields = Fields::of_value(value, model)?;
        Ok(Self {
            enabled: fields.get("enabled", "Enabled", "bool")?,
            created: fields.get("created", "Created", "int64")?,
        })
    }
}

impl<T: Listed> Page<T> {
    pub(crate) fn parse(item: &Item, body: &[u8]) -> Result<Self, VaultError> {
        let (model, entry_model, attributes_model, id) = match item.kind() {
            ObjectKind::Secret => {
                ("*azsecrets.SecretListResult", "*azsecrets.SecretItem", "*azsecrets.SecretAttributes", "id")
            }
            ObjectKind::Key => ("*azkeys.KeyListResult", "*azkeys.KeyItem", "*azkeys.KeyAttributes", "kid"),
            ObjectKind::Certificate => (
                "*azcertificates.CertificateListResult",
                "*azcertificates.CertificateItem",
                "*azcertificates.CertificateAttributes",
                "id",
            ),
        };
        let list = Fields::of_answer(body, model)?;
        let values: Vec<&RawValue> = match list.raw("value") {
            None => Vec::new(),
            Some(values) => serde_json::from_str(values.get()).map_err(|_| VaultError::Malformed {
                model,
                detail: "the list is not an array".to_owned(),
            })?,
        };
        let mut entries = Vec::with_capacity(values.len());
        for value in values {
            let fields = Fields::of_value(value, entry_model)?;
            // Without attributes an entry is not used, so nobody needs to know which it is.
            let Some(attributes) = fields.raw("attributes") else { continue };
            let attributes = Attributes::parse(attributes, attributes_model)?;
            let Some(id) = fields.text(id, "ID")? else {
                return Err(VaultError::Malformed { model, detail: "an entry has no id".to_owned() });
            };
            entries.push(T::new(id, attributes, &fields)?);
        }
        let next: Option<String> = list.text("nextLink", "NextLink")?;
        Ok(Self { entries, next: next.filter(|link| !link.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn versions(kind: ObjectKind) -> Item {
        Item::Versions { kind, name: "n".to_owned() }
    }

    fn list(item: &Item, body: &[u8]) -> Result<Page<VersionEntry>, VaultError> {
        Page::parse(item, body)
    }

    #[test]
    fn the_documented_answers() {
        let secret =
            br#"{"value":"v\u00fc","id":"https://kv/secrets/s/1","contentType":"application/x-pkcs12",
            "kid":"https://kv/keys/s/1","managed":true,"attributes":{"enabled":true},"tags":{"a":"b"}}"#;
        let Ok(Content::Secret(secret)) = Content::parse_object(ObjectKind::Secret, secret) else {
            panic!("a secret")
        };
        assert_eq!(secret.value.map(SecretString::into_inner).as_deref(), Some("vü"));
        assert_eq!(secret.content_type.as_deref(), Some("application/x-pkcs12"));
        let key = br#"{"key":{"kid":"k","kty":"EC","crv":"P-256","x":"AA","y":"AQ","key_ops":["sign"]}}"#;
        let Ok(Content::Key(key)) = Content::parse_object(ObjectKind::Key, key) else { panic!("a key") };
        assert_eq!(key.key.and_then(|key| key.crv).as_deref(), Some("P-256"));
        let Ok(Content::Certificate(bare)) = Content::parse_object(ObjectKind::Certificate, b"") else {
            panic!("a certificate")
        };
        assert!(bare.id.is_none() && bare.cer.is_none());
        assert!(Content::parse_object(ObjectKind::Secret, b"null").is_ok());
        assert!(Content::parse_object(ObjectKind::Secret, b"\xef\xbb\xbf{}").is_ok());
    }

    #[test]
    fn halves_of_surrogate_pairs_are_replaced_as_in_go() {
        for (text, value) in [
            (r"a\ud83d\ude00b", "a\u{1f600}b"),
            (r"a\ud83db\n", "a\u{fffd}b\n"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
            (r"\\ud83d\uD800", "\\ud83d\u{fffd}"),
        ] {
            let body = format!(r#"{{"value":"{text}"}}"#);
            let content = Content::parse_object(ObjectKind::Secret, body.as_bytes()).expect("a secret");
            let Content::Secret(secret) = content else { panic!("another kind") };
            assert_eq!(secret.value.expect("a value").expose(), value, "{text}");
        }
        let broken = Content::parse_object(ObjectKind::Secret, br#"{"value":"\ud8"}"#);
        assert!(broken.is_err());
    }

    #[test]
    fn pages_of_versions() {
        let body = br#"{"value":[{"id":"https://kv/secrets/n/a","attributes":{"enabled":false,"created":5}},
            {"id":"https://kv/secrets/n/b"},{}],"nextLink":"https://kv/next"}"#;
        let page = list(&versions(ObjectKind::Secret), body).expect("a page");
        assert_eq!(page.entries.len(), 1, "entries without attributes are not used");
        let attributes = Attributes { enabled: Some(false), created: Some(5) };
        assert_eq!(page.entries[0].attributes, Some(attributes));
        assert_eq!(page.next.as_deref(), Some("https://kv/next"));
        for last in [r#"{"value":null,"nextLink":null}"#, r#"{"value":[],"nextLink":""}"#, "{}", ""] {
            let page = list(&versions(ObjectKind::Key), last.as_bytes()).expect("a page");
            assert!(page.entries.is_empty() && page.next.is_none());
        }
        let keys = br#"{"value":[{"kid":"https://kv/keys/n/a","attributes":{}}]}"#;
        assert_eq!(list(&versions(ObjectKind::Key), keys).expect("a page").entries.len(), 1);
        assert!(list(&versions(ObjectKind::Secret), keys).is_err(), "no id");
    }

    #[test]
    fn pages_of_objects() {
        let body = br#"{"value":[{"id":"https://kv/secrets/a","attributes":{"enabled":true},"tags":{"x":"1","b":null}},
            {"id":"https://kv/secrets/b","attributes":{"enabled":false}}]}"#;
        let page: Page<ObjectEntry> =
            Page::parse(&Item::Objects { kind: ObjectKind::Secret }, body).expect("a page");
        assert_eq!((page.entries[0].tag("x"), page.entries[0].tag("b")), (Some("1"), Some("")));
        assert_eq!((page.entries[1].tag("x"), page.entries[1].attributes.enabled), (None, Some(false)));
        let tags = br#"{"value":[{"id":"https://kv/secrets/a","attributes":{},"tags":[]}]}"#;
        let refused: Result<Page<ObjectEntry>, _> =
            Page::parse(&Item::Objects { kind: ObjectKind::Secret }, tags);
        assert!(refused.is_err());
    }

    #[test]
    fn i5_errors_do_not_quote_the_answer() {
        let model = "unmarshalling type *azsecrets.SecretBundle: ";
        for (body, end) in [
            ("<html>c4n4ry", "invalid character '<' looking for beginning of value"),
            (r#"{"value":"c4n4ry"#, "unexpected end of JSON input"),
            (
                r#"{"value":{"c4n4ry":1}}"#,
                &format!(
                    "{model}struct field Value: json: cannot unmarshal object into Go value of type string"
                ),
            ),
            (
                r#"["c4n4ry"]"#,
                &format!(
                    "{model}json: cannot unmarshal array into Go value of type map[string]json.RawMessage"
                ),
            ),
            (r#"{"value" "c4n4ry"}"#, "invalid JSON at line 1 column 10"),
            ("c4n4ry", "invalid JSON at line 1 column 1"),
            (r#"{"value":"c4n4ry"} c4n4ry"#, "invalid character 'c' after top-level value"),
        ] {
            let error = Content::parse_object(ObjectKind::Secret, body.as_bytes()).err().expect("an error");
            let text = error.to_string();
            assert_eq!(text, format!("{model}{end}"));
            assert!(!text.contains("c4n"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics_and_none_is_quoted(body in "[ -~]{0,200}", value in "c4n4ry[a-z]{0,20}") {
            let broken = [body.clone(), format!("{{\"value\":\"{value}\",{body}"), format!("[\"{value}\"]")];
            for body in broken {
                for kind in [ObjectKind::Secret, ObjectKind::Key, ObjectKind::Certificate] {
                    let error = Content::parse_object(kind, body.as_bytes()).err().map(|error| error.to_string());
                    prop_assert!(error.is_none_or(|error| !error.contains("c4n4ry")));
                    let _ = list(&versions(kind), body.as_bytes());
                }
            }
        }
    }
}
