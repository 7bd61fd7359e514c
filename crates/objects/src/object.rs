//! One object of a class: what to read from the vault, and which file to make of it.

use std::fmt;

use crate::error::ObjectRef;
use crate::extensions::Extensions;
use crate::position::Position;

/// What kind of vault object, as `objectType` says: `secret`, `key` or `cert`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ObjectType {
    /// `secret`; also the one that has a certificate's private key.
    Secret,
    /// `key`: the public key.
    Key,
    /// `cert`: the leaf certificate.
    Certificate,
    /// Anything else. It fails where the object would be fetched, with [`ObjectType::UNSUPPORTED`].
    Unknown(String),
}

impl ObjectType {
    /// Upstream's text for an unknown type, to be wrapped by [`Object::describe`].
    pub const UNSUPPORTED: &'static str = "Invalid vaultObjectTypes. Should be secret, key, or cert";

    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "secret" => Self::Secret,
            "key" => Self::Key,
            "cert" => Self::Certificate,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// The type as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Secret => "secret",
            Self::Key => "key",
            Self::Certificate => "cert",
            Self::Unknown(other) => other,
        }
    }
}

impl fmt::Display for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `objectFormat`: what becomes of a certificate that the vault keeps as PFX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectFormat {
    /// Converted to PEM.
    #[default]
    Pem,
    /// Left as it is.
    Pfx,
}

/// `objectEncoding`: how the value of a secret is encoded in the vault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectEncoding {
    /// Not at all.
    #[default]
    Utf8,
    /// Base64 with the standard alphabet.
    Base64,
    /// Hexadecimal digits.
    Hex,
}

/// One object of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Index in the class's array, from 0; items that are null are not counted, as upstream has it.
    pub index: usize,
    /// `objectName`. May be empty when an alias is given: the request to the vault then fails. Empty where
    /// a [selector](Extensions::selector) chooses.
    pub name: String,
    /// `objectAlias`; empty when the file has the object's name.
    pub alias: String,
    /// `objectVersion`; empty for the current one.
    pub version: String,
    /// `objectVersionHistory`; more than 1 asks for several versions.
    pub version_history: i32,
    /// `objectType`.
    pub object_type: ObjectType,
    /// `objectFormat`.
    pub format: ObjectFormat,
    /// `objectEncoding`.
    pub encoding: ObjectEncoding,
    /// Mode bits of the file: `filePermission`, or the request's.
    pub mode: i32,
    /// What the Go provider does not know.
    pub extensions: Extensions,
    /// Where in the text of `objects` it stands.
    pub at: Position,
}

impl Object {
    /// Path of the file below the volume: the alias, or the name.
    #[must_use]
    pub fn file_name(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }

    /// The paths that are taken as far as they are known: of a version, where there is history; none where
    /// the objects are still to be chosen.
    #[must_use]
    pub fn file_names(&self) -> Vec<&str> {
        match self.extensions.parts.aliases() {
            _ if self.extensions.selector.is_some() => Vec::new(),
            none if none.is_empty() => vec![self.file_name()],
            parts => parts,
        }
    }

    /// One of the objects that this one's selector has chosen. With an alias, that is their directory.
    #[must_use]
    pub fn chosen(&self, name: &str) -> Self {
        let alias = if self.alias.is_empty() { String::new() } else { format!("{}/{name}", self.alias) };
        let extensions = Extensions { selector: None, optional: false, ..self.extensions.clone() };
        Self { name: name.to_owned(), alias, extensions, ..self.clone() }
    }

    /// The object's id in the mount reply and in status objects: `secret/name`, or `secret/name@vault`
    /// where it is in another vault than the class's. A selector's is `secret/` and its pattern.
    #[must_use]
    pub fn uid(&self) -> String {
        let name =
            self.extensions.selector.as_ref().map_or(self.name.as_str(), |selector| selector.pattern());
        match &self.extensions.vault {
            Some(vault) => format!("{}/{name}@{vault}", self.object_type),
            None => format!("{}/{name}", self.object_type),
        }
    }

    /// Whether several versions are asked for, each with a file of its own.
    #[must_use]
    pub const fn has_history(&self) -> bool {
        self.version_history > 1
    }

    /// The object as errors carry it.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            index: self.index,
            name: self.name.clone(),
            object_type: self.object_type.to_string(),
            version: self.version.clone(),
            at: self.at,
        }
    }

    /// How upstream's error texts name the object at a version. A failure to fetch or convert it reads
    /// `<this>: <cause>`.
    #[must_use]
    pub fn describe(&self, version: &str) -> String {
        describe(self.object_type.as_str(), &self.name, version)
    }

    /// The one version of an object without history: its file, its id, and the version as given.
    #[must_use]
    pub fn single(&self) -> SelectedVersion {
        SelectedVersion {
            version: self.version.clone(),
            path: self.file_name().to_owned(),
            uid: self.uid(),
            index: None,
        }
    }
}

pub(crate) fn describe(object_type: &str, name: &str, version: &str) -> String {
    format!("failed to get objectType:{object_type}, objectName:{name}, objectVersion:{version}")
}

/// One version of an object to fetch, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedVersion {
    /// Version for the URL; empty for the current one.
    pub version: String,
    /// Path of the file below the volume.
    pub path: String,
    /// Id in the mount reply and in status objects: `secret/name`, or `secret/name/0` with history.
    pub uid: String,
    /// Its place in the history, newest first; none without history.
    pub index: Option<usize>,
}

impl SelectedVersion {
    /// Path of a part of it that has a path of its own.
    #[must_use]
    pub fn path_of(&self, alias: &str) -> String {
        self.index.map_or_else(|| alias.to_owned(), |index| format!("{alias}/{index}"))
    }
}
