//! What is wrong with `objects`.

use std::fmt;

use thiserror::Error;

use crate::extensions::ExtensionProblem;
use crate::limits::Limit;
use crate::object::describe;
use crate::paths::ConflictKind;
use crate::position::Position;
use crate::reason::Reason;
use crate::yaml;

/// The `objects` parameter cannot be used.
///
/// [`text`](Self::text) is upstream's; where upstream has no such error, one in its manner.
/// `Display` is the text and, on a line of its own, the [`hint`](Self::hint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectsError {
    /// The parameter is empty.
    NotSet,
    /// The parameter is too long or has too many objects.
    Limit(Limit),
    /// The parameter is no mapping with an `array` of strings.
    Document(Box<YamlError>),
    /// An item of the array is no mapping of an object's fields.
    Item {
        /// The object, as far as it could be read.
        object: Box<ObjectRef>,
        /// Why.
        error: Box<YamlError>,
    },
    /// A field of an object is wrong.
    Field {
        /// The object.
        object: Box<ObjectRef>,
        /// What is wrong.
        problem: FieldProblem,
    },
    /// Two objects' files conflict.
    Conflict {
        /// The later object.
        object: Box<ObjectRef>,
        /// The earlier object.
        other: Box<ObjectRef>,
        /// The file both would write.
        path: String,
        /// How they conflict.
        kind: ConflictKind,
    },
}

/// Which object an error is about. `Display` is upstream's
/// `failed to get objectType:…, objectName:…, objectVersion:…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectRef {
    /// Index in the array, from 0.
    pub index: usize,
    /// `objectName`; empty if it is missing or could not be read.
    pub name: String,
    /// `objectType` as written.
    pub object_type: String,
    /// `objectVersion`.
    pub version: String,
    /// Where in the text of `objects` it stands.
    pub at: Position,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(&self.object_type, &self.name, &self.version))
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FieldProblem {
    /// Unknown `objectFormat`.
    #[error("invalid objectFormat: {0}, should be PEM or PFX")]
    Format(String),
    /// `objectFormat: pfx` of something that is not a secret.
    #[error("PFX format only supported for objectType: secret")]
    PfxNeedsSecret,
    /// `objectEncoding` of something that is not a secret.
    #[error("objectEncoding only supported for objectType: secret")]
    EncodingNeedsSecret,
    /// Unknown `objectEncoding`.
    #[error("invalid objectEncoding: {0}, should be hex, base64 or utf-8")]
    Encoding(String),
    /// Neither name nor alias.
    #[error("file name must not be empty")]
    FileNameEmpty,
    /// The alias or name is an absolute path.
    #[error("file name must be a relative path")]
    FileNameAbsolute,
    /// The alias or name has `..` in it, anywhere.
    #[error("file name must not contain '..'")]
    FileNameBacksteps,
    /// Not an octal number.
    #[error("file permission must be a valid octal number: {0} is not one from 0 to 07777")]
    Permission(String),
    /// A field that the Go provider does not know.
    #[error(transparent)]
    Extension(#[from] ExtensionProblem),
}

/// Text that is not the YAML it should be. `Display` is Go's text; lines in it count from the start of
/// the document it is about, which for an item of the array is the item.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{failure}")]
pub struct YamlError {
    pub(crate) failure: yaml::Failure,
    /// In the text of `objects`.
    pub(crate) at: Position,
}

impl fmt::Display for ObjectsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.text(), self.hint())
    }
}

impl std::error::Error for ObjectsError {}

impl ObjectsError {
    /// The text without the hint.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::NotSet => "objects is not set".into(),
            Self::Limit(limit) => format!("failed to yaml unmarshal objects, error: {limit}"),
            Self::Document(error) => format!("failed to yaml unmarshal objects, error: {error}"),
            Self::Item { object, error } => {
                format!("unmarshal failed for keyVaultObjects at index {}, error: {error}", object.index)
            }
            Self::Field { object, problem } => format!("{object}: {problem}"),
            Self::Conflict { object, other, path, kind } => format!(
                "{object}: file {path} {kind} objectType:{}, objectName:{} at index {}",
                other.object_type, other.name, other.index
            ),
        }
    }

    /// The stable code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotSet => Reason::ObjectsMissing,
            Self::Limit(_) => Reason::LimitExceeded,
            Self::Document(error) | Self::Item { error, .. } => match error.failure.cause {
                yaml::Cause::Syntax(_) => Reason::InvalidYaml,
                yaml::Cause::Type => Reason::WrongYamlType,
                yaml::Cause::Limit(_) => Reason::LimitExceeded,
            },
            Self::Field { problem, .. } => problem.reason(),
            Self::Conflict { .. } => Reason::FileConflict,
        }
    }

    /// Where in the text of `objects`, if it is about a place.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::NotSet | Self::Limit(_) => None,
            Self::Document(error) | Self::Item { error, .. } => Some(error.at),
            Self::Field { object, .. } | Self::Conflict { object, .. } => Some(object.at),
        }
    }

    /// The object it is about, if it is about one.
    #[must_use]
    pub fn object(&self) -> Option<&ObjectRef> {
        match self {
            Self::NotSet | Self::Limit(_) | Self::Document(_) => None,
            Self::Item { object, .. } | Self::Field { object, .. } | Self::Conflict { object, .. } => {
                Some(object)
            }
        }
    }

    /// What to do about it: one line that names object, place and fix.
    #[must_use]
    pub fn hint(&self) -> String {
        let fix = self.fix();
        match (self.object(), self.position()) {
            (Some(object), Some(at)) => format!("{} in objects: {fix}", place(object, at)),
            (None, Some(at)) => format!("{at} of objects: {fix}"),
            _ => fix.to_owned(),
        }
    }

    fn fix(&self) -> &'static str {
        match self {
            Self::NotSet => "set parameters.objects in the SecretProviderClass; `array: []` asks for nothing",
            Self::Limit(_) => "split the SecretProviderClass: each volume of a pod can have its own",
            Self::Document(error) => match error.failure.cause {
                yaml::Cause::Syntax(mistake) => mistake.fix(),
                yaml::Cause::Type => {
                    "objects is a mapping with an `array` of strings: put `|` behind each dash, as in \
                     `- |`, and the object's fields indented below it; or call the list `items`, and leave \
                     the `|` out"
                }
                yaml::Cause::Limit(limit) => limit.fix(),
            },
            Self::Item { error, .. } => match error.failure.cause {
                yaml::Cause::Syntax(mistake) => mistake.fix(),
                yaml::Cause::Type => {
                    "each item is a mapping such as `objectName: name`, one field per line and each once; \
                     objectVersionHistory is a number without quotes"
                }
                yaml::Cause::Limit(limit) => limit.fix(),
            },
            Self::Field { problem, .. } => problem.fix(),
            Self::Conflict { .. } => "give one of the two objects another objectAlias",
        }
    }
}

impl FieldProblem {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Format(_) | Self::PfxNeedsSecret => Reason::InvalidObjectFormat,
            Self::EncodingNeedsSecret | Self::Encoding(_) => Reason::InvalidObjectEncoding,
            Self::FileNameEmpty | Self::FileNameAbsolute | Self::FileNameBacksteps => Reason::InvalidFileName,
            Self::Permission(_) => Reason::InvalidFilePermission,
            Self::Extension(problem) => problem.reason(),
        }
    }

    pub(crate) const fn fix(&self) -> &'static str {
        match self {
            Self::Extension(problem) => problem.fix(),
            Self::Format(_) => "objectFormat is pem or pfx",
            Self::PfxNeedsSecret => {
                "use objectType: secret to get the certificate with its key as PFX, or leave objectFormat out"
            }
            Self::EncodingNeedsSecret => "leave objectEncoding out: keys and certificates are written as PEM",
            Self::Encoding(_) => {
                "objectEncoding says how the secret is encoded in the vault: utf-8, base64 or hex"
            }
            Self::FileNameEmpty => "set objectName",
            Self::FileNameAbsolute | Self::FileNameBacksteps => {
                "objectAlias is a path below the volume, such as tls/server.pem"
            }
            Self::Permission(_) => "filePermission is an octal number such as 0644",
        }
    }
}

fn place(object: &ObjectRef, at: Position) -> String {
    match object.name.as_str() {
        "" => format!("object at index {} ({at})", object.index),
        name => format!("object {name:?} at index {} ({at})", object.index),
    }
}
