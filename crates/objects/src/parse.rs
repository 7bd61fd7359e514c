//! `objects`: YAML in YAML, as upstream reads it.

use crate::error::{FieldProblem, ObjectRef, ObjectsError, YamlError};
use crate::extensions::{Context, Written};
use crate::limits::{Budget, Limit, Limits};
use crate::object::{Object, ObjectEncoding, ObjectFormat, ObjectType};
use crate::paths::FilePaths;
use crate::position::Position;
use crate::yaml::{self, Cause, Failure, Field, NodeId, Record, Text};

/// The fields of an object that are read; others are ignored.
pub const OBJECT_FIELDS: [&str; 15] = [
    "objectName",
    "objectType",
    "objectAlias",
    "objectVersion",
    "objectVersionHistory",
    "objectFormat",
    "objectEncoding",
    "filePermission",
    "optional",
    "keyvaultName",
    "objectNamePattern",
    "tags",
    "jsonPath",
    "pemFiles",
    "pfxPasswordObject",
];

/// Reads the `objects` parameter: a YAML mapping with an `array` of strings, each of which is the YAML
/// mapping of one object; or with `items`, which are such mappings themselves. All objects are checked
/// before the first is used; those of `array` come first.
///
/// `default_permission` is the request's, for objects without `filePermission`. `text` is expected to
/// be trimmed, as [`Parameters::objects`](crate::Parameters::objects) is.
///
/// # Errors
/// The first in upstream's order: the parameter, its YAML, then object by object its YAML and its
/// fields, last conflicts between files. An unknown `objectType` is no error here.
pub fn parse_objects(
    text: &str,
    default_permission: u32,
    limits: Limits,
) -> Result<Vec<Object>, ObjectsError> {
    read(text, default_permission, limits, Err)
}

/// Like [`parse_objects`], but goes on after an object that is wrong: gives the objects that are right, and
/// everything that is wrong in the order in which `parse_objects` would say it. For those who check a class
/// before it is used.
#[must_use]
pub fn check_objects(
    text: &str,
    default_permission: u32,
    limits: Limits,
) -> (Vec<Object>, Vec<ObjectsError>) {
    let mut errors = Vec::new();
    let read = read(text, default_permission, limits, |error| {
        errors.push(error);
        Ok(())
    });
    let objects = read.unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    (objects, errors)
}

/// Reads objects. `refuse` is given what is wrong with one of them, and says whether to go on without it.
fn read(
    text: &str,
    default_permission: u32,
    limits: Limits,
    mut refuse: impl FnMut(ObjectsError) -> Result<(), ObjectsError>,
) -> Result<Vec<Object>, ObjectsError> {
    if text.is_empty() {
        return Err(ObjectsError::NotSet);
    }
    if text.len() > limits.text_bytes {
        return Err(ObjectsError::Limit(Limit::TextBytes(limits.text_bytes)));
    }
    let mut budget = Budget::new(limits);
    let mut document = Document::default();
    let unreadable = |failure: Failure| {
        let at = failure.at;
        ObjectsError::Document(Box::new(YamlError { failure, at }))
    };
    let source = yaml::Document::parse(text, &mut budget).map_err(unreadable)?;
    if let Some(root) = source.root {
        yaml::decode_node(&source, root, &mut document, &mut budget).map_err(unreadable)?;
    }
    let strings = document.array.len();
    if strings + document.items.len() > limits.objects {
        return Err(ObjectsError::Limit(Limit::Objects(limits.objects)));
    }
    let mut objects = Vec::with_capacity(strings + document.items.len());
    for (index, item) in document.array.iter().enumerate() {
        let mut fields = Fields::default();
        let decoded = yaml::decode(&item.value, &mut fields, &mut budget)
            .map_err(|failure| (outer_position(text, item, &failure), failure));
        match fields.object(index, item.at, decoded, default_permission) {
            Ok(object) => objects.push(object),
            Err(error) => refuse(error)?,
        }
    }
    for (index, node) in document.items.into_iter().enumerate() {
        let mut fields = Fields::default();
        let decoded = yaml::decode_node(&source, node, &mut fields, &mut budget)
            .map_err(|failure| (failure.at, failure));
        match fields.object(strings + index, source.node(node).at, decoded, default_permission) {
            Ok(object) => objects.push(object),
            Err(error) => refuse(error)?,
        }
    }
    refuse_conflicts(&objects, refuse)?;
    Ok(objects)
}

impl Fields {
    /// Checks the fields of an object whose text was decoded with this outcome.
    fn object(
        self,
        index: usize,
        at: Position,
        decoded: Result<(), (Position, Failure)>,
        default_permission: u32,
    ) -> Result<Object, ObjectsError> {
        let Self { texts, version_history, extensions: written } = self;
        let [name, alias, version, object_type, format, encoding, permission] =
            texts.map(|text| text.value.trim().to_owned());
        let object = Box::new(ObjectRef { index, name, object_type, version, at });
        if let Err((at, failure)) = decoded {
            return Err(ObjectsError::Item { object, error: Box::new(YamlError { failure, at }) });
        }
        let fail = |problem| ObjectsError::Field { object: object.clone(), problem };
        let format = parse_format(&format, &object.object_type).map_err(fail)?;
        let encoding = parse_encoding(&encoding, &object.object_type).map_err(fail)?;
        let file_name = if alias.is_empty() { &object.name } else { &alias };
        if !(file_name.is_empty() && written.selects()) {
            check_file_name(file_name).map_err(fail)?;
        }
        let mode = parse_permission(&permission, default_permission).map_err(fail)?;
        let context = Context {
            name: &object.name,
            alias: &alias,
            version: &object.version,
            object_type: &object.object_type,
            history: version_history,
            format,
            encoding,
            mode,
        };
        let extensions = written.check(&context).map_err(|problem| fail(problem.into()))?;
        Ok(Object {
            index,
            alias,
            version_history,
            object_type: ObjectType::parse(&object.object_type),
            format,
            encoding,
            mode,
            extensions,
            at,
            name: object.name,
            version: object.version,
        })
    }
}

fn parse_format(format: &str, object_type: &str) -> Result<ObjectFormat, FieldProblem> {
    let parsed = match format {
        _ if format.eq_ignore_ascii_case("pfx") => ObjectFormat::Pfx,
        _ if format.is_empty() || format.eq_ignore_ascii_case("pem") => ObjectFormat::Pem,
        _ => return Err(FieldProblem::Format(format.to_owned())),
    };
    // Only this spelling: upstream lets `PFX` pass for any type, and ignores it there.
    if format == "pfx" && object_type != "secret" {
        return Err(FieldProblem::PfxNeedsSecret);
    }
    Ok(parsed)
}

fn parse_encoding(encoding: &str, object_type: &str) -> Result<ObjectEncoding, FieldProblem> {
    if encoding.is_empty() {
        return Ok(ObjectEncoding::Utf8);
    }
    if object_type != "secret" {
        return Err(FieldProblem::EncodingNeedsSecret);
    }
    match encoding.to_ascii_lowercase().as_str() {
        "utf-8" => Ok(ObjectEncoding::Utf8),
        "base64" => Ok(ObjectEncoding::Base64),
        "hex" => Ok(ObjectEncoding::Hex),
        _ => Err(FieldProblem::Encoding(encoding.to_owned())),
    }
}

pub(crate) fn check_file_name(name: &str) -> Result<(), FieldProblem> {
    if name.is_empty() {
        Err(FieldProblem::FileNameEmpty)
    } else if name.starts_with('/') {
        Err(FieldProblem::FileNameAbsolute)
    } else if name.contains("..") {
        Err(FieldProblem::FileNameBacksteps)
    } else {
        Ok(())
    }
}

pub(crate) fn parse_permission(permission: &str, default: u32) -> Result<i32, FieldProblem> {
    if permission.is_empty() {
        // The bits of the request go through unchanged, as in upstream.
        return Ok(default.cast_signed());
    }
    match i32::from_str_radix(permission, 8) {
        // Nine bits and three more, which Go takes too; what becomes of those is for the driver to say.
        Ok(mode @ 0..=0o7777) => Ok(mode),
        _ => Err(FieldProblem::Permission(permission.to_owned())),
    }
}

/// The place in `objects` of a failure inside an item: exact in a literal block, whose lines are the
/// document's own; else the place of the item.
fn outer_position(text: &str, item: &Text, failure: &Failure) -> Position {
    let Some(literal) = item.literal else { return item.at };
    if matches!(failure.cause, Cause::Limit(_)) {
        return item.at;
    }
    let line = literal.line + failure.at.line - 1;
    let column = literal.indent + failure.at.column;
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let inside = text.get(start..).unwrap_or_default().chars().take(column - 1);
    Position { line, column, offset: start + inside.map(char::len_utf8).sum::<usize>() }
}

/// A class whose files conflict is refused before anything is fetched. With version history the file
/// `<name>/0` stands for all of them; files of objects that are still to be chosen are not known yet.
fn refuse_conflicts(
    objects: &[Object],
    mut refuse: impl FnMut(ObjectsError) -> Result<(), ObjectsError>,
) -> Result<(), ObjectsError> {
    let mut paths = FilePaths::default();
    for (index, object) in objects.iter().enumerate() {
        for name in object.file_names() {
            let path = if object.has_history() { format!("{name}/0") } else { name.to_owned() };
            if let Err(conflict) = paths.take(&path, &index) {
                refuse(ObjectsError::Conflict {
                    object: Box::new(object.reference()),
                    other: Box::new(objects.get(conflict.other).map(Object::reference).unwrap_or_default()),
                    path: conflict.path,
                    kind: conflict.kind,
                })?;
            }
        }
    }
    Ok(())
}

/// The outer document.
#[derive(Debug, Default)]
struct Document {
    array: Vec<Text>,
    /// Not in the Go provider, which ignores the key.
    items: Vec<NodeId>,
}

impl Record for Document {
    const TYPE: &'static str = "types.StringArray";

    fn field(&mut self, key: &str) -> Option<Field<'_>> {
        match key {
            "array" => Some(Field::List(&mut self.array)),
            "items" => Some(Field::Nodes(&mut self.items)),
            _ => None,
        }
    }
}

/// The fields of one object, as written. Keys of other names are ignored, which is where fields of
/// later versions go.
#[derive(Debug, Default)]
struct Fields {
    texts: [Text; 7],
    version_history: i32,
    extensions: Written,
}

impl Record for Fields {
    const TYPE: &'static str = "types.KeyVaultObject";

    fn field(&mut self, key: &str) -> Option<Field<'_>> {
        let index = match key {
            "objectName" => 0,
            "objectAlias" => 1,
            "objectVersion" => 2,
            "objectType" => 3,
            "objectFormat" => 4,
            "objectEncoding" => 5,
            "filePermission" => 6,
            "objectVersionHistory" => return Some(Field::Number(&mut self.version_history)),
            _ => return self.extensions.field(key),
        };
        self.texts.get_mut(index).map(Field::Text)
    }
}

#[cfg(test)]
mod tests;
