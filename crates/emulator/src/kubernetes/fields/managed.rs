//! `metadata.managedFields`: who owns which field, and what writes do to that.

use serde_json::{Value, json};

use super::types::Types;
use super::{FieldSet, compare, merge, remove_orphans};
use crate::kubernetes::object;

/// Who writes: name, `apiVersion` of the request, and the subresource (empty for none).
#[derive(Clone, Debug)]
pub(crate) struct Manager {
    pub(crate) name: String,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
}

/// One entry of `managedFields`.
#[derive(Clone, Debug)]
struct Entry {
    manager: Manager,
    applies: bool,
    time: String,
    fields: FieldSet,
}

impl Entry {
    fn read(value: &Value) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            manager: Manager {
                name: text("manager"),
                api_version: text("apiVersion"),
                subresource: text("subresource"),
            },
            applies: text("operation") == "Apply",
            time: text("time"),
            fields: FieldSet::from_json(value.get("fieldsV1").unwrap_or(&Value::Null)),
        }
    }

    fn write(&self) -> Value {
        let mut value = json!({
            "manager": self.manager.name, "operation": if self.applies { "Apply" } else { "Update" },
            "apiVersion": self.manager.api_version, "time": self.time,
            "fieldsType": "FieldsV1", "fieldsV1": self.fields.to_json(),
        });
        if !self.manager.subresource.is_empty() {
            value["subresource"] = Value::from(self.manager.subresource.as_str());
        }
        value
    }

    fn is(&self, manager: &Manager, applies: bool) -> bool {
        self.applies == applies
            && self.manager.name == manager.name
            && self.manager.subresource == manager.subresource
            && self.manager.api_version == manager.api_version
    }

    /// As conflicts name the owner.
    fn describe(&self) -> String {
        let subresource = if self.manager.subresource.is_empty() {
            String::new()
        } else {
            format!(" with subresource \"{}\"", self.manager.subresource)
        };
        let using = if self.applies { String::new() } else { format!(" using {}", self.manager.api_version) };
        format!("\"{}\"{subresource}{using}", self.manager.name)
    }
}

/// All entries of an object, in the order they are stored.
struct Ownership(Vec<Entry>);

impl Ownership {
    fn read(object: &Value) -> Self {
        Self(object::meta_list(object, "managedFields").iter().map(Entry::read).collect())
    }

    fn fields(&self, manager: &Manager, applies: bool) -> FieldSet {
        let entry = self.0.iter().find(|entry| entry.is(manager, applies));
        entry.map(|entry| entry.fields.clone()).unwrap_or_default()
    }

    fn set(&mut self, manager: &Manager, applies: bool, fields: FieldSet, time: &str) {
        match self.0.iter_mut().find(|entry| entry.is(manager, applies)) {
            Some(entry) if entry.fields == fields => {}
            Some(entry) => (entry.fields, entry.time) = (fields, time.to_owned()),
            None => self.0.push(Entry { manager: manager.clone(), applies, time: time.to_owned(), fields }),
        }
    }

    /// Everything that someone owns.
    fn all(&self) -> FieldSet {
        self.0.iter().fold(FieldSet::default(), |all, entry| all.union(&entry.fields))
    }

    fn write(mut self, object: &mut Value) {
        self.0.retain(|entry| !entry.fields.is_empty());
        // Stable, and the order of the API server: applied configurations first, then by time and name.
        self.0.sort_by(|a, b| {
            (!a.applies, &a.time, &a.manager.name, &a.manager.api_version, &a.manager.subresource).cmp(&(
                !b.applies,
                &b.time,
                &b.manager.name,
                &b.manager.api_version,
                &b.manager.subresource,
            ))
        });
        let entries: Vec<Value> = self.0.iter().map(Entry::write).collect();
        object::set_meta(
            object,
            "managedFields",
            if entries.is_empty() { Value::Null } else { entries.into() },
        );
    }
}

/// Paths that nobody owns.
fn ownable(set: FieldSet) -> FieldSet {
    let mut set = set.without(&[&["f:apiVersion"], &["f:kind"]]);
    for field in [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        set = set.without(&[&["f:metadata", &format!("f:{field}")]]);
    }
    if let Some(metadata) = set.children.get_mut("f:metadata") {
        metadata.member = false;
        if metadata.is_empty() {
            set.children.remove("f:metadata");
        }
    }
    set.member = false;
    set
}

/// Records a POST, PUT or patch: what changed belongs to `manager`, and to nobody else any more.
/// `old` is `None` for a new object.
pub(crate) fn track_update(
    types: Types<'_>,
    old: Option<&Value>,
    new: &mut Value,
    manager: &Manager,
    time: &str,
) {
    // An explicitly empty list gives up all ownership that was recorded.
    let reset = new.get("metadata").and_then(|meta| meta.get("managedFields")).is_some_and(|fields| {
        fields.as_array().is_some_and(|entries| {
            entries.iter().all(|entry| entry.as_object().is_some_and(serde_json::Map::is_empty))
        })
    });
    object::set_meta(new, "managedFields", Value::Null);
    if reset && old.is_some() {
        return;
    }
    let nothing = Value::Object(serde_json::Map::new());
    let mut ownership = old.map_or_else(|| Ownership(Vec::new()), Ownership::read);
    let mut comparison = compare(types, old.unwrap_or(&nothing), new);
    comparison.changed = ownable(comparison.changed);
    comparison.removed = ownable(comparison.removed);
    for entry in ownership.0.iter_mut().filter(|entry| !entry.is(manager, false)) {
        entry.fields = entry.fields.difference(&comparison.changed).difference(&comparison.removed);
    }
    let own = ownership.fields(manager, false).difference(&comparison.removed).union(&comparison.changed);
    ownership.set(manager, false, own, time);
    ownership.write(new);
}

/// Applies a configuration. Returns the new object, or every `(owner, field)` that is in the way.
pub(crate) fn apply(
    types: Types<'_>,
    live: &Value,
    applied: &Value,
    manager: &Manager,
    force: bool,
    time: &str,
) -> Result<Value, Vec<(String, String)>> {
    let mut ownership = Ownership::read(live);
    let before = ownership.fields(manager, true);
    let fields = ownable(FieldSet::of(types, applied));
    let mut object = live.clone();
    object::set_meta(&mut object, "managedFields", Value::Null);
    merge(types, &mut object, applied);
    ownership.set(manager, true, fields, time);
    let owned = ownership.all();
    remove_orphans(types, &mut object, &before.difference(&owned), Some(&owned));
    let mut bare = live.clone();
    object::set_meta(&mut bare, "managedFields", Value::Null);
    let comparison = compare(types, &bare, &object);
    let mut conflicts = Vec::new();
    for entry in ownership.0.iter_mut().filter(|entry| !entry.is(manager, true)) {
        let taken = entry.fields.intersection(&comparison.changed);
        if !force {
            conflicts.extend(taken.paths().into_iter().map(|path| (entry.describe(), path)));
        }
        entry.fields = entry.fields.difference(&taken).difference(&comparison.removed);
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    ownership.write(&mut object);
    Ok(object)
}

#[cfg(test)]
mod tests;
