//! POST: new objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Context, body, commit, present};
use crate::kubernetes::fields::managed::{self, Manager};
use crate::kubernetes::fields::types::Types;
use crate::kubernetes::request::Request;
use crate::kubernetes::resource::Nature;
use crate::kubernetes::status::Failure;
use crate::kubernetes::store::Store;
use crate::kubernetes::{admission, object};

/// Answers a POST to a collection.
pub(super) fn create(store: &mut Store, request: &Request, context: Context<'_>) -> Result<Answer, Failure> {
    let kept = body::keep(request, body::parse(request)?)?;
    let mut warnings = super::replace::deprecation(request);
    warnings.extend(body::field_validation(request, &kept.unknown)?);
    let mut object = kept.object;
    place(store, request, &mut object)?;
    let manager =
        Manager { name: request.manager(), api_version: request.api_version(), subresource: String::new() };
    let schema = request.resource.version(&request.route.version).and_then(|version| version.schema.clone());
    super::replace::without_status(request, None, &mut object);
    managed::track_update(Types::of(schema.as_deref()), None, &mut object, &manager, &context.time());
    let object = insert(store, request, object, context)?;
    Ok(Answer::Json { code: 201, body: object, warnings })
}

/// Gives a new object its namespace and name.
fn place(store: &Store, request: &Request, object: &mut Value) -> Result<(), Failure> {
    if object::meta(object, "resourceVersion").is_some() {
        return Err(Failure::new(500, "", "resourceVersion should not be set on objects to be created"));
    }
    let given = object::namespace(object);
    if !given.is_empty() && given != request.route.namespace {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Failure::bad_request(message));
    }
    if request.resource.namespaced {
        if request.route.namespace.is_empty() {
            return Err(Failure::method_not_allowed());
        }
        object::set_meta(object, "namespace", request.route.namespace.as_str().into());
    }
    let prefix = object::meta_text(object, "generateName").to_owned();
    if object::name(object).is_empty() && !prefix.is_empty() {
        let taken = |name: &str| {
            let key = (object::namespace(object).to_owned(), name.to_owned());
            store.get(&request.resource.key(), &key).is_some()
        };
        let name = (0..8).map(|_| format!("{prefix}{}", random_suffix())).find(|name| !taken(name));
        let name = name.ok_or_else(|| Failure::already_exists(&request.resource, &prefix))?;
        object::set_meta(object, "name", name.into());
        // Only now is known what the default label of a namespace says.
        admission::default(&request.resource, object);
    }
    Ok(())
}

/// Five characters, as the API server appends them.
fn random_suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]);
    rand::random::<[u8; 5]>().iter().map(letter).collect()
}

/// A new uid (RFC 9562, version 4).
pub(super) fn new_uid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Admits and stores a new object that is complete but for what the server sets. Returns it as the
/// request sees it.
pub(super) fn insert(
    store: &mut Store,
    request: &Request,
    mut object: Value,
    context: Context<'_>,
) -> Result<Value, Failure> {
    let resource = Arc::clone(&request.resource);
    let name = object::name(&object).to_owned();
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
        object::set_meta(&mut object, field, Value::Null);
    }
    object::set_meta(&mut object, "uid", new_uid().into());
    object::set_meta(&mut object, "creationTimestamp", context.time().into());
    let counts = match resource.nature {
        Nature::Builtin { generation, .. } => generation,
        Nature::Custom => true,
    };
    if counts {
        object::set_meta(&mut object, "generation", 1.into());
    }
    if !name.is_empty() {
        admission::admit(store, &resource, &mut object)?;
    }
    admission::validate(&resource, &request.route.version, None, &object)?;
    if resource.namespaced {
        check_namespace(store, request, &name)?;
    }
    let key = (object::namespace(&object).to_owned(), name.clone());
    if store.get(&resource.key(), &key).is_some() {
        return Err(Failure::already_exists(&resource, &name));
    }
    if request.dry_run() {
        return Ok(object);
    }
    if resource.is("apiextensions.k8s.io", "customresourcedefinitions") {
        object = admission::with_status(object, &context.time());
    }
    let stored = commit(store, &resource, &object);
    if context.controllers && resource.is("", "namespaces") {
        default_service_account(store, &name, context);
    }
    Ok(present(&resource, &request.route.version, &stored))
}

fn check_namespace(store: &Store, request: &Request, name: &str) -> Result<(), Failure> {
    let namespace = &request.route.namespace;
    let Some(namespaces) = store.registry.get("", "namespaces") else { return Ok(()) };
    match store.get(&namespaces.key(), &(String::new(), namespace.clone())) {
        None => Err(Failure::not_found(namespaces, namespace)),
        Some(object) if object::is_terminating(object) => {
            Err(Failure::namespace_terminating(&request.resource, name, namespace))
        }
        Some(_) => Ok(()),
    }
}

/// What the controller manager makes in every new namespace.
pub(crate) fn default_service_account(store: &mut Store, namespace: &str, context: Context<'_>) {
    let Some(accounts) = store.registry.get("", "serviceaccounts").cloned() else { return };
    let object = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace, "uid": new_uid(), "creationTimestamp": context.time()},
    });
    store.put(&accounts, object);
}
