//! What happens to objects between decoding and storing: defaults of their kind, and rules.

mod definition;
mod names;
mod pod;
mod secret;

pub(crate) use definition::{resource_of, with_status};

use serde_json::{Value, json};

use super::object;
use super::resource::ResourceType;
use super::status::{Cause, Failure};
use super::store::Store;

/// Fills in what the kind defaults when it is decoded.
pub(crate) fn default(resource: &ResourceType, object: &mut Value) {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "secrets") => secret::default(object),
        ("", "pods") => pod::default(object),
        ("", "namespaces") => {
            let name = object::name(object).to_owned();
            if !name.is_empty() {
                object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name.into();
            }
        }
        ("storage.k8s.io", "csidrivers") => csi_driver(object),
        ("apiextensions.k8s.io", "customresourcedefinitions") => definition::default(object),
        _ => {}
    }
}

fn csi_driver(driver: &mut Value) {
    let spec = object::map_mut(object::map_mut(driver).entry("spec").or_insert(Value::Null));
    for (field, value) in [
        ("attachRequired", json!(true)),
        ("podInfoOnMount", json!(false)),
        ("storageCapacity", json!(false)),
        ("fsGroupPolicy", json!("ReadWriteOnceWithFSType")),
        ("requiresRepublish", json!(false)),
        ("seLinuxMount", json!(false)),
        ("volumeLifecycleModes", json!(["Persistent"])),
    ] {
        spec.entry(field).or_insert(value);
    }
}

/// What admission and the storage strategy add to a new object, and what they refuse.
pub(crate) fn admit(store: &Store, resource: &ResourceType, object: &mut Value) -> Result<(), Failure> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
            Ok(())
        }
        ("", "pods") => pod::admit(store, resource, object),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            object["status"] = json!({});
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Refuses objects that break rules of the API; `old` is what the object replaces.
pub(crate) fn validate(
    resource: &ResourceType,
    version: &str,
    old: Option<&Value>,
    object: &Value,
) -> Result<(), Failure> {
    let mut causes = names::metadata(resource, object);
    if let Some(old) = old {
        for field in ["name", "namespace", "uid", "creationTimestamp"] {
            if object::meta(old, field) != object::meta(object, field) {
                let value = object::meta(object, field).cloned().unwrap_or_default();
                causes.push(Cause::invalid(format!("metadata.{field}"), &value, "field is immutable"));
            }
        }
    }
    causes.extend(old.and_then(|old| new_finalizers(old, object)));
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "secrets") => secret::validate(old, object, &mut causes),
        ("", "pods") => pod::validate(old, object, &mut causes),
        ("", "events") => event(object, &mut causes),
        ("storage.k8s.io", "csidrivers") => {
            let attach = |object: &Value| object["spec"]["attachRequired"].clone();
            if let Some(old) = old
                && attach(old) != attach(object)
            {
                // Sic: the API server names the field like this.
                causes.push(Cause::invalid("spec.attachedRequired", &attach(object), "field is immutable"));
            }
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => definition::validate(object, &mut causes),
        _ => {}
    }
    if let Some(schema) = resource.version(version).and_then(|version| version.schema.as_ref()) {
        causes.extend(schema.validate(object));
    }
    if causes.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(&resource.kind, &resource.group, object::name(object), &causes))
    }
}

/// Once deletion has begun finalizers can only go.
fn new_finalizers(old: &Value, object: &Value) -> Option<Cause> {
    let before = object::meta_list(old, "finalizers");
    let added: Vec<String> = object::meta_list(object, "finalizers")
        .iter()
        .filter(|finalizer| !before.contains(finalizer))
        .map(ToString::to_string)
        .collect();
    if added.is_empty() || !object::is_terminating(old) {
        return None;
    }
    let added = added.join(", ");
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{added}}}"
    );
    Some(Cause::forbidden("metadata.finalizers", &detail))
}

fn event(event: &Value, causes: &mut Vec<Cause>) {
    let involved = object::text(event, &["involvedObject", "namespace"]);
    let own = object::namespace(event);
    // Events of cluster-wide objects live in the default namespace.
    if involved != own && !(involved.is_empty() && own == "default") {
        causes.push(Cause::invalid(
            "involvedObject.namespace",
            &involved.into(),
            "does not match event.namespace",
        ));
    }
}
