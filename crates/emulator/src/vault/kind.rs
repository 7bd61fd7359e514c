//! The three types of objects and their content.

use std::sync::Arc;

use keymount_sensitive::SecretString;
use serde_json::{Map, Value, json};

use super::contents::Contents;
use super::object::{Collection, Version};
use crate::pki::PrivateKey;

/// Type of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Secret,
    Key,
    Certificate,
}

impl Type {
    /// First path segment and whether it is the collection of deleted objects.
    pub(crate) fn from_segment(segment: &str) -> Option<(Self, bool)> {
        Some(match segment {
            "secrets" => (Self::Secret, false),
            "keys" => (Self::Key, false),
            "certificates" => (Self::Certificate, false),
            "deletedsecrets" => (Self::Secret, true),
            "deletedkeys" => (Self::Key, true),
            "deletedcertificates" => (Self::Certificate, true),
            _ => return None,
        })
    }

    pub(crate) const fn collection(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Key => "keys",
            Self::Certificate => "certificates",
        }
    }

    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Key => "key",
            Self::Certificate => "certificate",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::Key => "Key",
            Self::Certificate => "Certificate",
        }
    }
}

/// Where an object of a vault is, as the client addresses the vault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// `https://{host}[:port]`.
    pub(crate) base: &'a str,
    pub(crate) name: &'a str,
}

impl Place<'_> {
    pub(crate) fn id(&self, kind: Type, version: &str) -> String {
        let Place { base, name } = self;
        let collection = kind.collection();
        if version.is_empty() {
            return format!("{base}/{collection}/{name}");
        }
        format!("{base}/{collection}/{name}/{version}")
    }
}

/// Content of a type of object, and how the REST API shows it.
pub(crate) trait Kind: Sized {
    /// Which type.
    const TYPE: Type;
    /// The member that holds the id in lists.
    const ID: &'static str = "id";

    /// Where a vault keeps objects of this type.
    fn collection(contents: &Contents) -> &Collection<Self>;

    /// The same, to change.
    fn collection_mut(contents: &mut Contents) -> &mut Collection<Self>;

    /// The whole version, as a get answers it (without `attributes`, `tags` and `managed`).
    fn bundle(version: &Version<Self>, place: Place<'_>) -> Map<String, Value>;

    /// What a list shows of it beside id, attributes and tags.
    fn summary(version: &Version<Self>) -> Map<String, Value>;

    /// The whole version, with all members.
    fn whole(version: &Version<Self>, place: Place<'_>) -> Map<String, Value> {
        decorate(Self::bundle(version, place), version)
    }

    /// An item of a list; `version` is empty for a list of names.
    fn item(version: &Version<Self>, place: Place<'_>, id: &str) -> Map<String, Value> {
        let mut item = Self::summary(version);
        item.insert(Self::ID.to_owned(), place.id(Self::TYPE, id).into());
        decorate(item, version)
    }
}

fn decorate<B>(mut members: Map<String, Value>, version: &Version<B>) -> Map<String, Value> {
    members.insert("attributes".to_owned(), version.attributes());
    if !version.tags.is_empty() {
        members.insert("tags".to_owned(), json!(version.tags));
    }
    if version.managed {
        members.insert("managed".to_owned(), true.into());
    }
    members
}

fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A secret.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) value: Arc<SecretString>,
    pub(crate) content_type: Option<String>,
}

impl Kind for Secret {
    const TYPE: Type = Type::Secret;

    fn collection(contents: &Contents) -> &Collection<Self> {
        &contents.secrets
    }

    fn collection_mut(contents: &mut Contents) -> &mut Collection<Self> {
        &mut contents.secrets
    }

    fn bundle(version: &Version<Self>, place: Place<'_>) -> Map<String, Value> {
        object([
            ("value", Some(version.body.value.expose().as_str().into())),
            ("id", Some(place.id(Type::Secret, &version.id).into())),
            ("contentType", version.body.content_type.clone().map(Value::from)),
            ("kid", version.managed.then(|| place.id(Type::Key, &version.id).into())),
        ])
    }

    fn summary(version: &Version<Self>) -> Map<String, Value> {
        object([("contentType", version.body.content_type.clone().map(Value::from))])
    }
}

/// A key.
#[derive(Clone)]
pub(crate) struct Key {
    /// `kty` and the public members.
    pub(crate) jwk: Map<String, Value>,
    pub(crate) operations: Vec<String>,
    /// The private half, where this emulator made it.
    pub(crate) private: Option<Arc<PrivateKey>>,
}

impl Kind for Key {
    const TYPE: Type = Type::Key;

    fn collection(contents: &Contents) -> &Collection<Self> {
        &contents.keys
    }

    fn collection_mut(contents: &mut Contents) -> &mut Collection<Self> {
        &mut contents.keys
    }

    const ID: &'static str = "kid";

    fn bundle(version: &Version<Self>, place: Place<'_>) -> Map<String, Value> {
        let mut key = version.body.jwk.clone();
        key.insert("kid".to_owned(), place.id(Type::Key, &version.id).into());
        key.insert("key_ops".to_owned(), json!(version.body.operations));
        object([("key", Some(key.into()))])
    }

    fn summary(_: &Version<Self>) -> Map<String, Value> {
        Map::new()
    }
}

/// A certificate. Its key and secret are objects of their own with the same name and version.
#[derive(Clone)]
pub(crate) struct Certificate {
    /// DER of the leaf.
    pub(crate) der: Arc<Vec<u8>>,
    pub(crate) subject: String,
    pub(crate) content_type: &'static str,
    /// Policy as it was at the time, without `id`.
    pub(crate) policy: Value,
}

impl Certificate {
    /// SHA-1 of the DER, base64url.
    fn thumbprint(&self) -> String {
        use sha1::Digest;
        crate::pki::base64url(&sha1::Sha1::digest(self.der.as_slice()))
    }
}

impl Kind for Certificate {
    const TYPE: Type = Type::Certificate;

    fn collection(contents: &Contents) -> &Collection<Self> {
        &contents.certificates
    }

    fn collection_mut(contents: &mut Contents) -> &mut Collection<Self> {
        &mut contents.certificates
    }

    fn bundle(version: &Version<Self>, place: Place<'_>) -> Map<String, Value> {
        use base64::Engine;
        let cer = base64::engine::general_purpose::STANDARD.encode(version.body.der.as_slice());
        let mut policy = version.body.policy.clone();
        if let Some(policy) = policy.as_object_mut() {
            policy.insert("id".to_owned(), place.id(Type::Certificate, "policy").into());
        }
        object([
            ("id", Some(place.id(Type::Certificate, &version.id).into())),
            ("kid", Some(place.id(Type::Key, &version.id).into())),
            ("sid", Some(place.id(Type::Secret, &version.id).into())),
            ("x5t", Some(version.body.thumbprint().into())),
            ("cer", Some(cer.into())),
            ("contentType", Some(version.body.content_type.into())),
            ("policy", Some(policy)),
        ])
    }

    fn summary(version: &Version<Self>) -> Map<String, Value> {
        object([
            ("x5t", Some(version.body.thumbprint().into())),
            ("subject", Some(version.body.subject.as_str().into())),
        ])
    }

    fn whole(version: &Version<Self>, place: Place<'_>) -> Map<String, Value> {
        let mut members = decorate(Self::bundle(version, place), version);
        members.remove("managed");
        members
    }
}
