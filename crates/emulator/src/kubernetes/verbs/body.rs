//! From the bytes of a body to an object of the right type.

use serde_json::Value;

use crate::kubernetes::object;
use crate::kubernetes::protobuf;
use crate::kubernetes::request::Request;
use crate::kubernetes::resource::{Nature, split_api_version};
use crate::kubernetes::status::{Cause, Failure};

/// The largest body a server takes.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// An object that was read, and what was dropped from it.
pub(crate) struct Kept {
    pub(crate) object: Value,
    /// Paths of fields the type does not know.
    pub(crate) unknown: Vec<String>,
}

/// Parses a body as JSON or YAML, by its media type.
pub(super) fn parse(request: &Request) -> Result<Value, Failure> {
    within_limit(request)?;
    let unrecognized = |why: &str| {
        Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): {why}",
            request.resource.kind
        ))
    };
    match request.content_type.as_str() {
        // What a parser says may quote the body, so it is not passed on.
        "" | "application/json" => serde_json::from_slice(&request.body)
            .map_err(|_| unrecognized("couldn't get version/kind; json parse error")),
        "application/yaml" => {
            yaml(&request.body).ok_or_else(|| unrecognized("couldn't get version/kind; yaml parse error"))
        }
        protobuf::MEDIA_TYPE if !request.resource.is_custom() => protobuf::decode(&request.body)
            .ok_or_else(|| Failure::bad_request("this protobuf body is not known to the test double")),
        _ if request.resource.is_custom() => {
            Err(Failure::unsupported_media_type("application/json, application/yaml"))
        }
        _ => Err(Failure::unsupported_media_type(
            "application/json, application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

/// Parses YAML, of which JSON is a part.
pub(super) fn yaml(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().or_else(|| serde_saphyr::from_str(std::str::from_utf8(body).ok()?).ok())
}

/// Refuses bodies that are too large.
pub(super) fn within_limit(request: &Request) -> Result<(), Failure> {
    if request.body.len() > MAX_BYTES {
        let message = format!("Request entity too large: limit is {MAX_BYTES}");
        return Err(Failure::new(413, "RequestEntityTooLarge", message));
    }
    Ok(())
}

/// Checks the type of an object, drops what the type does not know, and normalizes the rest.
pub(super) fn keep(request: &Request, mut object: Value) -> Result<Kept, Failure> {
    let resource = &request.resource;
    let (kind, api_version) = (resource.kind.as_str(), request.api_version());
    let cannot = |why: &str| {
        let version = &request.route.version;
        Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"))
    };
    if !object.is_object() {
        return Err(cannot("json: cannot unmarshal into Go value"));
    }
    check_type(request, &mut object, kind, &api_version)?;
    let unknown = match resource.nature {
        Nature::Builtin { typed, .. } => {
            let before = object.clone();
            // The error of the deserializer may quote the value.
            object = typed(object).map_err(|_| cannot("json: cannot unmarshal a value of the wrong type"))?;
            let mut unknown = Vec::new();
            lost(&before, &object, "", &mut unknown);
            unknown.retain(|path| !path.starts_with("stringData"));
            unknown
        }
        Nature::Custom => {
            let schema = resource.version(&request.route.version).and_then(|version| version.schema.as_ref());
            let unknown = schema.map(|schema| schema.prune(&mut object)).unwrap_or_default();
            object::normalize(&mut object);
            if let Some(schema) = schema {
                schema.default(&mut object);
            }
            unknown
        }
    };
    object::normalize(&mut object);
    crate::kubernetes::admission::default(resource, &mut object);
    Ok(Kept { object, unknown })
}

fn check_type(request: &Request, object: &mut Value, kind: &str, api_version: &str) -> Result<(), Failure> {
    let text = |object: &Value, field: &str| object::text(object, &[field]).to_owned();
    let (given_kind, given_version) = (text(object, "kind"), text(object, "apiVersion"));
    if request.resource.is_custom() {
        if given_kind.is_empty() {
            let message = format!(
                "the object provided is unrecognized (must be of type {kind}): Object 'Kind' is missing"
            );
            return Err(Failure::bad_request(message));
        }
        if given_version != api_version {
            return Err(Failure::bad_request(format!(
                "the API version in the data ({given_version}) does not match the expected API version ({api_version})"
            )));
        }
        if given_kind != kind {
            let cause = Cause::invalid("kind", &given_kind.as_str().into(), &format!("must be {kind}"));
            return Err(Failure::invalid(
                &given_kind,
                &request.resource.group,
                object::name(object),
                &[cause],
            ));
        }
        return Ok(());
    }
    let wrong_kind = !given_kind.is_empty() && given_kind != kind;
    let wrong_version = !given_version.is_empty() && given_version != api_version;
    if wrong_kind || wrong_version {
        let (_, version) = split_api_version(&given_version);
        let name = if given_kind.is_empty() { kind } else { &given_kind };
        return Err(Failure::bad_request(format!(
            "{name} in version \"{version}\" cannot be handled as a {kind}"
        )));
    }
    object["kind"] = kind.into();
    object["apiVersion"] = api_version.into();
    Ok(())
}

/// Collects the paths of fields that did not survive.
fn lost(before: &Value, after: &Value, path: &str, paths: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before.iter().filter(|(_, value)| !value.is_null()) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match after.get(name) {
                    Some(kept) => lost(value, kept, &path, paths),
                    // Types leave empty containers out.
                    None if value.as_object().is_some_and(serde_json::Map::is_empty) => {}
                    None if value.as_array().is_some_and(Vec::is_empty) => {}
                    None => paths.push(path),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (index, (value, kept)) in before.iter().zip(after).enumerate() {
                lost(value, kept, &format!("{path}[{index}]"), paths);
            }
        }
        _ => {}
    }
}

/// What `fieldValidation` makes of unknown fields: nothing, warnings, or a failure.
pub(super) fn field_validation(request: &Request, unknown: &[String]) -> Result<Vec<String>, Failure> {
    let texts: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
    match request.query.get("fieldValidation") {
        "Ignore" => Ok(Vec::new()),
        "Strict" if !texts.is_empty() => {
            let (kind, version) = (&request.resource.kind, &request.route.version);
            Err(Failure::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {}",
                texts.join(", ")
            )))
        }
        _ => Ok(texts),
    }
}
