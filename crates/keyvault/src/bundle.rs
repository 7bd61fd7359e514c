//! What a vault answers: secrets, keys, certificates, lists of versions.
//!
//! Every field is optional, as in the service's own models; what a missing one means is for the caller
//! to say. Errors never quote the answer.

use keymount_sensitive::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::error::VaultError;
use crate::item::{Item, ObjectKind};

/// A secret (`GET /secrets/{name}/{version}`).
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SecretBundle {
    /// The secret itself.
    pub value: Option<SecretString>,
    /// Its URL, with the version.
    pub id: Option<String>,
    /// What the value is, as whoever stored it says; reliable for certificates only.
    #[serde(rename = "contentType")]
    pub content_type: Option<String>,
    /// The URL of the key, if the secret belongs to a certificate.
    pub kid: Option<String>,
}

/// A key (`GET /keys/{name}/{version}`).
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct KeyBundle {
    /// The public part.
    pub key: Option<JsonWebKey>,
}

/// A public JSON Web Key. Numbers are base64url without padding.
#[derive(Default, Deserialize)]
#[serde(default)]
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
#[derive(Default, Deserialize)]
#[serde(default)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// Whether it may be used.
    pub enabled: Option<bool>,
    /// Unix seconds of its creation.
    pub created: Option<i64>,
}

/// One page of a list of versions.
pub(crate) struct Page {
    pub(crate) entries: Vec<VersionEntry>,
    pub(crate) next: Option<String>,
}

/// Anything a vault answers, parsed.
pub(crate) enum Content {
    Secret(SecretBundle),
    Key(KeyBundle),
    Certificate(CertificateBundle),
    Versions(Vec<VersionEntry>),
}

impl Content {
    pub(crate) fn parse_object(kind: ObjectKind, body: &[u8]) -> Result<Self, VaultError> {
        Ok(match kind {
            ObjectKind::Secret => Self::Secret(parse(body, "*azsecrets.SecretBundle")?),
            ObjectKind::Key => Self::Key(parse(body, "*azkeys.KeyBundle")?),
            ObjectKind::Certificate => Self::Certificate(parse(body, "*azcertificates.CertificateBundle")?),
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
            Self::Versions(entries) => entries.iter().map(|entry| entry.id.len() + 64).sum(),
        };
        fields + 256
    }
}

impl Page {
    pub(crate) fn parse(item: &Item, body: &[u8]) -> Result<Self, VaultError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct List {
            value: Option<Vec<Entry>>,
            #[serde(rename = "nextLink")]
            next_link: Option<String>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Entry {
            id: Option<String>,
            kid: Option<String>,
            attributes: Option<Attributes>,
        }
        let kind = item.kind();
        let model = match kind {
            ObjectKind::Secret => "*azsecrets.SecretListResult",
            ObjectKind::Key => "*azkeys.KeyListResult",
            ObjectKind::Certificate => "*azcertificates.CertificateListResult",
        };
        let list: List = parse(body, model)?;
        let entry = |entry: Entry| {
            let id = if kind == ObjectKind::Key { entry.kid } else { entry.id };
            match id {
                Some(id) => Ok(Some(VersionEntry { id, attributes: entry.attributes })),
                // Dropped later in any case; without attributes nobody needs to know which it was.
                None if entry.attributes.is_none() => Ok(None),
                None => Err(VaultError::Malformed { model, detail: "an entry has no id".to_owned() }),
            }
        };
        let entries = list.value.unwrap_or_default().into_iter().map(entry);
        let entries: Vec<Option<VersionEntry>> = entries.collect::<Result<_, _>>()?;
        Ok(Self {
            entries: entries.into_iter().flatten().collect(),
            next: list.next_link.filter(|link| !link.is_empty()),
        })
    }
}

/// An empty body is an empty object, and a byte order mark is skipped, as the SDK has it.
fn parse<T: Default + DeserializeOwned>(body: &[u8], model: &'static str) -> Result<T, VaultError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.is_empty() {
        return Ok(T::default());
    }
    let parsed: Result<Option<T>, _> = serde_json::from_slice(body);
    match parsed {
        Ok(parsed) => Ok(parsed.unwrap_or_default()),
        Err(error) => Err(VaultError::Malformed { model, detail: detail(body, &error) }),
    }
}

/// Go's words where they fit; never more of the body than one character that cannot begin JSON.
fn detail(body: &[u8], error: &serde_json::Error) -> String {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace()).copied().map(char::from);
    match (error.classify(), first) {
        (Category::Eof, _) => "unexpected end of JSON input".to_owned(),
        (Category::Syntax, Some(first @ ('<' | '='))) => {
            format!("invalid character '{first}' looking for beginning of value")
        }
        (Category::Data, _) => {
            format!("json: cannot unmarshal a value of the wrong type at column {}", error.column())
        }
        _ => format!("invalid JSON at line {} column {}", error.line(), error.column()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(kind: ObjectKind) -> Item {
        Item::Versions { kind, name: "n".to_owned() }
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
    fn pages_of_versions() {
        let body = br#"{"value":[{"id":"https://kv/secrets/n/a","attributes":{"enabled":false,"created":5}},
            {"id":"https://kv/secrets/n/b"},{}],"nextLink":"https://kv/next"}"#;
        let page = Page::parse(&versions(ObjectKind::Secret), body).expect("a page");
        assert_eq!(page.entries.len(), 2);
        let attributes = Attributes { enabled: Some(false), created: Some(5) };
        assert_eq!(page.entries[0].attributes, Some(attributes));
        assert_eq!(page.next.as_deref(), Some("https://kv/next"));
        for last in [r#"{"value":null,"nextLink":null}"#, r#"{"value":[],"nextLink":""}"#, "{}", ""] {
            let page = Page::parse(&versions(ObjectKind::Key), last.as_bytes()).expect("a page");
            assert!(page.entries.is_empty() && page.next.is_none());
        }
        let keys = br#"{"value":[{"kid":"https://kv/keys/n/a","attributes":{}}]}"#;
        assert_eq!(Page::parse(&versions(ObjectKind::Key), keys).expect("a page").entries.len(), 1);
        assert!(Page::parse(&versions(ObjectKind::Secret), keys).is_err(), "no id");
    }

    #[test]
    fn i5_errors_do_not_quote_the_answer() {
        for (body, end) in [
            ("<html>c4n4ry", "invalid character '<' looking for beginning of value"),
            (r#"{"value":"c4n4ry"#, "unexpected end of JSON input"),
            (r#"{"value":{"c4n4ry":1}}"#, "json: cannot unmarshal a value of the wrong type at column 9"),
            (r#"{"value" "c4n4ry"}"#, "invalid JSON at line 1 column 10"),
        ] {
            let error = Content::parse_object(ObjectKind::Secret, body.as_bytes()).err().expect("an error");
            let text = error.to_string();
            assert!(text.starts_with("unmarshalling type *azsecrets.SecretBundle: "), "{text}");
            assert!(text.ends_with(end), "{text}");
            assert!(!text.contains("c4n"), "{text}");
        }
    }
}
