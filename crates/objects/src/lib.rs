//! What an Azure SecretProviderClass asks for: its parameters and its `objects`, read and checked.
//!
//! Pure: no network, no file, no clock. The order of checks and the texts are those of the Azure
//! provider v1.8.2, because people and scripts know them; each error adds a stable [`Reason`], a place
//! and a hint. The stages, between which the caller resolves cloud and credential:
//!
//! 1. [`Attributes::decode`], [`PublishSecrets::decode`], [`decode_permission`]: the JSON of the RPC;
//! 2. [`Parameters::from_attributes`]: pod, flags, vault and tenant;
//! 3. [`parse_objects`]: the YAML, every object, conflicts between their files;
//! 4. [`VaultName::parse`];
//! 5. per object [`Object::single`] or [`Object::select_versions`];
//! 6. [`FilePaths`] for the files that came of it.
//!
//! YAML is read as Go's yaml.v3 reads it. Known differences, none of which a working class can notice:
//! JSON's escape `\/` and surrogate pairs in double quotes, an empty key, a tab on a blank line or an
//! unknown directive are taken here and refused there; a line break written as U+0085, U+2028 or
//! U+2029, `0b-1` and `0o-7` as numbers, a key that stands twice in a merged mapping, a word that ends with a
//! colon within brackets, an open quote or bracket behind the one that ends the document, and text behind
//! `...` are taken there and refused (or plain text) here; what follows the first document is never read here,
//! while yaml.v3 may stumble over its first words.

mod error;
mod extensions;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod go_text;
#[cfg(test)]
mod golden;
mod json;
mod limits;
mod object;
mod parameters;
mod parse;
mod paths;
mod position;
mod reason;
mod request;
mod vault;
mod versions;
mod yaml;

pub use error::{FieldProblem, ObjectRef, ObjectsError, YamlError};
pub use extensions::{
    ExtensionProblem, Extensions, JsonFile, JsonFileError, Parts, PemFile, PemPart, Selector,
};
pub use json::JsonError;
pub use limits::{Limit, Limits};
pub use object::{Object, ObjectEncoding, ObjectFormat, ObjectType, SelectedVersion};
pub use parameters::{IdentityMode, PARAMETERS, Parameters, ParametersError, Pod};
pub use parse::{OBJECT_FIELDS, check_objects, parse_objects};
pub use paths::{ConflictKind, FilePaths, PathConflict};
pub use position::Position;
pub use reason::Reason;
pub use request::{Attributes, PublishSecrets, RequestError, decode_permission};
pub use vault::{VaultName, VaultNameError, name_of_id, version_of_id};
pub use versions::{ListedVersion, UnknownVersion, VersionAttributes};
