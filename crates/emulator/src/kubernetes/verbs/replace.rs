//! PUT, and what every change of an existing object goes through.

use std::sync::Arc;

use serde_json::Value;

use super::{Answer, Context, body, commit, find, is_finished, present, remove};
use crate::kubernetes::fields::managed::{self, Manager};
use crate::kubernetes::fields::types::Types;
use crate::kubernetes::request::Request;
use crate::kubernetes::resource::Nature;
use crate::kubernetes::status::{Cause, Failure};
use crate::kubernetes::store::Store;
use crate::kubernetes::{admission, object};

/// Answers a PUT.
pub(super) fn update(store: &mut Store, request: &Request, context: Context<'_>) -> Result<Answer, Failure> {
    let kept = body::keep(request, body::parse(request)?)?;
    let mut warnings = deprecation(request);
    warnings.extend(body::field_validation(request, &kept.unknown)?);
    let mut new = kept.object;
    check_name(request, &new)?;
    let (stored, old) = find(store, request)?;
    let revision = object::meta_text(&new, "resourceVersion");
    if revision.is_empty() && request.resource.is_custom() {
        let cause =
            Cause::invalid_number("metadata.resourceVersion", "0x0", "must be specified for an update");
        let resource = &request.resource;
        // Sic: here the server names the resource where it otherwise names the kind.
        return Err(Failure::invalid(&resource.plural, &resource.group, &request.route.name, &[cause]));
    }
    let uid = object::uid(&new);
    if !uid.is_empty() && uid != object::uid(&old) {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            object::uid(&old)
        );
        return Err(Failure::conflict(&request.resource, &request.route.name, &why));
    }
    without_status(request, Some(&old), &mut new);
    track(request, &old, &mut new, context);
    let object = replace(store, request, &stored, &old, new)?;
    Ok(Answer::Json { code: 200, body: object, warnings })
}

/// Refuses an object whose name or namespace is not that of the path.
pub(super) fn check_name(request: &Request, object: &Value) -> Result<(), Failure> {
    let (name, expected) = (object::name(object), &request.route.name);
    if name.is_empty() {
        return Err(Failure::bad_request(format!(
            "the name of the object ({expected} based on URL) was undeterminable: name must be provided"
        )));
    }
    if name != expected {
        return Err(Failure::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({expected})"
        )));
    }
    let namespace = object::namespace(object);
    if !namespace.is_empty() && *namespace != request.route.namespace {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Failure::bad_request(message));
    }
    Ok(())
}

/// Refuses a patch that would make another object of it.
pub(super) fn check_uid(request: &Request, old: &Value, new: &Value) -> Result<(), Failure> {
    let uid = object::uid(new);
    if uid.is_empty() || uid == object::uid(old) {
        return Ok(());
    }
    let cause = Cause::invalid("metadata.uid", &uid.into(), "field is immutable");
    Err(Failure::invalid(&request.resource.kind, &request.resource.group, object::name(old), &[cause]))
}

/// The warning a deprecated version carries.
pub(super) fn deprecation(request: &Request) -> Vec<String> {
    let version = request.resource.version(&request.route.version);
    version.and_then(|version| version.deprecation.clone()).into_iter().collect()
}

/// Where `status` is a subresource: the main resource leaves it as it is, and the subresource leaves
/// everything else as it is.
pub(super) fn without_status(request: &Request, old: Option<&Value>, new: &mut Value) {
    if !request.resource.version(&request.route.version).is_some_and(|version| version.status) {
        return;
    }
    let status = |object: &Value| object.get("status").cloned();
    if request.route.subresource == "status" {
        let (status, revision) = (status(new), object::meta(new, "resourceVersion").cloned());
        *new = old.cloned().unwrap_or_default();
        object::set_meta(new, "resourceVersion", revision.unwrap_or_default());
        set(new, "status", status);
    } else {
        set(new, "status", old.and_then(status));
    }
}

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let map = object::map_mut(object);
    match value {
        Some(value) => map.insert(field.to_owned(), value),
        None => map.remove(field),
    };
}

/// Records in `managedFields` what an update changes.
pub(super) fn track(request: &Request, old: &Value, new: &mut Value, context: Context<'_>) {
    let manager = manager(request);
    let schema = request.resource.version(&request.route.version).and_then(|version| version.schema.clone());
    system_fields(old, new);
    managed::track_update(Types::of(schema.as_deref()), Some(old), new, &manager, &context.time());
}

/// Who writes, as `managedFields` names it.
pub(super) fn manager(request: &Request) -> Manager {
    Manager {
        name: request.manager(),
        api_version: request.api_version(),
        subresource: request.route.subresource.clone(),
    }
}

/// What no client can change.
fn system_fields(old: &Value, new: &mut Value) {
    for field in [
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "selfLink",
        "generateName",
    ] {
        object::copy_meta(new, old, field);
    }
}

/// Validates and stores a change of an object. `stored` is what the change is based on, `old` the same
/// in the version of the request. Returns the result as the request sees it.
pub(super) fn replace(
    store: &mut Store,
    request: &Request,
    stored: &Arc<Value>,
    old: &Value,
    mut new: Value,
) -> Result<Value, Failure> {
    let resource = Arc::clone(&request.resource);
    let name = &request.route.name;
    let revision = object::meta_text(&new, "resourceVersion");
    if !revision.is_empty() && revision != object::meta_text(old, "resourceVersion") {
        return Err(Failure::modified(&resource, name));
    }
    system_fields(old, &mut new);
    object::copy_meta(&mut new, old, "resourceVersion");
    admission::validate(&resource, &request.route.version, Some(old), &new)?;
    if changes_generation(&resource, request, old, &new) {
        let generation = object::meta(old, "generation").and_then(Value::as_i64).unwrap_or(0);
        object::set_meta(&mut new, "generation", (generation + 1).into());
    }
    if request.dry_run() || new == *old {
        return Ok(new);
    }
    if is_finished(&resource, &new) {
        let key = (object::namespace(stored).to_owned(), name.clone());
        remove(store, &resource, &key);
        return Ok(new);
    }
    let stored = commit(store, &resource, &new);
    Ok(present(&resource, &request.route.version, &stored))
}

/// Does the change count as a new generation: anything but metadata, and `status` where it is apart?
fn changes_generation(
    resource: &crate::kubernetes::resource::ResourceType,
    request: &Request,
    old: &Value,
    new: &Value,
) -> bool {
    let counts = match resource.nature {
        Nature::Builtin { generation, .. } => generation || resource.is("storage.k8s.io", "csidrivers"),
        Nature::Custom => true,
    };
    let status = resource.version(&request.route.version).is_some_and(|version| version.status);
    let rest = |object: &Value| {
        let mut object = object.clone();
        let map = object::map_mut(&mut object);
        map.remove("metadata");
        if status {
            map.remove("status");
        }
        object
    };
    counts && rest(old) != rest(new)
}
