//! PATCH in its four forms.

mod strategic;

use serde_json::{Map, Value};

use super::{Answer, Context, body, create, find, replace};
use crate::kubernetes::fields::managed;
use crate::kubernetes::fields::types::Types;
use crate::kubernetes::object;
use crate::kubernetes::request::Request;
use crate::kubernetes::resource::Nature;
use crate::kubernetes::status::{Cause, Failure};
use crate::kubernetes::store::Store;

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Answers a PATCH.
pub(super) fn patch(store: &mut Store, request: &Request, context: Context<'_>) -> Result<Answer, Failure> {
    body::within_limit(request)?;
    let form = request.content_type.as_str();
    let custom = request.resource.is_custom();
    if ![JSON, MERGE, APPLY].contains(&form) && (form != STRATEGIC || custom) {
        let strategic = if custom { "" } else { "application/strategic-merge-patch+json, " };
        return Err(Failure::unsupported_media_type(&format!("{JSON}, {MERGE}, {strategic}{APPLY}")));
    }
    if form == APPLY {
        return apply(store, request, context);
    }
    if request.query.flag("force") {
        let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
        return Err(Failure::invalid_options("PatchOptions", cause));
    }
    let (stored, old) = find(store, request)?;
    let patched = match form {
        JSON => json_patch(&old, &request.body)?,
        MERGE => {
            let mut patched = old.clone();
            json_patch::merge(&mut patched, &merge_body(&request.body)?);
            patched
        }
        _ => {
            let mut patched = old.clone();
            strategic::merge(Types::of(None), &mut patched, &merge_body(&request.body)?);
            patched
        }
    };
    let kept = body::keep(request, patched)?;
    let mut warnings = replace::deprecation(request);
    warnings.extend(body::field_validation(request, &kept.unknown)?);
    let mut new = kept.object;
    replace::check_name(request, &new)?;
    replace::check_uid(request, &old, &new)?;
    replace::without_status(request, Some(&old), &mut new);
    replace::track(request, &old, &mut new, context);
    let object = replace::replace(store, request, &stored, &old, new)?;
    Ok(Answer::Json { code: 200, body: object, warnings })
}

fn json_patch(old: &Value, body: &[u8]) -> Result<Value, Failure> {
    let operations: json_patch::Patch =
        serde_json::from_slice(body).map_err(|_| Failure::bad_request("error decoding patch"))?;
    let mut patched = old.clone();
    match json_patch::patch(&mut patched, &operations) {
        Ok(()) => Ok(patched),
        Err(_) => Err(Failure::rejected_patch()),
    }
}

fn merge_body(body: &[u8]) -> Result<Value, Failure> {
    let patch: Option<Map<String, Value>> = serde_json::from_slice(body).ok();
    patch.map(Value::Object).ok_or_else(|| Failure::bad_request("error decoding patch"))
}

/// Server-side apply: creates the object when it is not there.
fn apply(store: &mut Store, request: &Request, context: Context<'_>) -> Result<Answer, Failure> {
    if request.query.get("fieldManager").is_empty() {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(Failure::invalid_options("PatchOptions", cause));
    }
    let applied = body::yaml(&request.body).filter(Value::is_object);
    let applied = applied.ok_or_else(|| Failure::bad_request("error decoding YAML"))?;
    let found = match find(store, request) {
        Ok(found) => Some(found),
        Err(failure) if failure.code == 404 && request.route.subresource.is_empty() => None,
        Err(failure) => return Err(failure),
    };
    let applied = configuration(request, applied)?;
    let nothing = || {
        let metadata = serde_json::json!({"name": request.route.name, "namespace": request.route.namespace});
        serde_json::json!({"apiVersion": request.api_version(), "kind": request.resource.kind, "metadata": metadata})
    };
    let old = found.as_ref().map_or_else(nothing, |(_, old)| old.clone());
    let schema = request.resource.version(&request.route.version).and_then(|version| version.schema.clone());
    let manager = replace::manager(request);
    let types = Types::of(schema.as_deref());
    let new = managed::apply(types, &old, &applied, &manager, request.query.flag("force"), &context.time())
        .map_err(|conflicts| Failure::apply_conflict(&conflicts))?;
    let ownership = object::meta(&new, "managedFields").cloned();
    let mut new = body::keep(request, new)?.object;
    object::set_meta(&mut new, "managedFields", ownership.unwrap_or_default());
    replace::without_status(request, found.as_ref().map(|(_, old)| old), &mut new);
    let warnings = replace::deprecation(request);
    match found {
        Some((stored, old)) => {
            let object = replace::replace(store, request, &stored, &old, new)?;
            Ok(Answer::Json { code: 200, body: object, warnings })
        }
        None => {
            let object = create::insert(store, request, new, context)?;
            Ok(Answer::Json { code: 201, body: object, warnings })
        }
    }
}

/// Checks an applied configuration, which must fit the type exactly, and brings it into the form objects
/// are stored in.
fn configuration(request: &Request, mut applied: Value) -> Result<Value, Failure> {
    let text = |field: &str| object::text(&applied, &[field]).to_owned();
    let (kind, api_version) = (text("kind"), text("apiVersion"));
    if kind.is_empty() || api_version.is_empty() {
        return Err(Failure::bad_request(format!("invalid object type: {api_version}/, Kind={kind}")));
    }
    if object::meta(&applied, "managedFields").is_some() {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    let whole = format!("{}/{}", object::namespace(&applied), object::name(&applied));
    replace::check_name(request, &applied)?;
    let unknown = match request.resource.nature {
        Nature::Custom => {
            let version = request.resource.version(&request.route.version);
            let schema = version.and_then(|version| version.schema.as_ref());
            schema.map(|schema| schema.prune(&mut applied.clone())).unwrap_or_default()
        }
        Nature::Builtin { .. } => body::keep(request, applied.clone())?.unknown,
    };
    if let Some(path) = unknown.first() {
        let version = crate::kubernetes::resource::split_api_version(&api_version);
        return Err(Failure::new(
            500,
            "",
            format!(
                "failed to create typed patch object ({whole}; {}/{}, Kind={kind}): .{path}: field not declared in schema",
                version.0, version.1
            ),
        ));
    }
    if request.resource.is("", "secrets") {
        // The one field that is written by another name than it is stored by.
        let had_type = applied.get("type").is_some();
        crate::kubernetes::admission::default(&request.resource, &mut applied);
        if !had_type {
            object::map_mut(&mut applied).remove("type");
        }
    }
    object::set_meta(&mut applied, "creationTimestamp", Value::Null);
    Ok(applied)
}
