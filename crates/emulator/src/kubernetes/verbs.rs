//! The verbs of the API, each on the store under its lock.

mod access;
mod body;
mod create;
mod delete;
mod patch;
mod read;
mod replace;
mod token;
mod watch;

pub(crate) use access::is_review;
pub(crate) use watch::Watch;
pub use watch::WatchEnd;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::object;
use super::request::{Request, Verb};
use super::resource::ResourceType;
use super::status::Failure;
use super::store::Store;
use super::token::Signer;

/// What a verb needs beside the store and the request.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) signer: &'a Signer,
    /// What the controller manager does is done: default service accounts, garbage, empty namespaces.
    pub(crate) controllers: bool,
}

impl Context<'_> {
    /// Now, as `metav1.Time` writes it.
    pub(crate) fn time(&self) -> String {
        time(self.now)
    }
}

/// A moment as `metav1.Time` writes it.
pub(crate) fn time(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What a verb answers.
pub(crate) enum Answer {
    /// A JSON body.
    Json { code: u16, body: Value, warnings: Vec<String> },
    /// A stream of events.
    Watch(Box<Watch>),
}

impl Answer {
    pub(crate) const fn ok(body: Value) -> Self {
        Self::Json { code: 200, body, warnings: Vec::new() }
    }
}

/// Carries a request out.
pub(crate) fn perform(store: &mut Store, request: &Request, context: Context<'_>) -> Result<Answer, Failure> {
    let subresource = request.route.subresource.as_str();
    if is_review(&request.resource) {
        return access::review(store, request);
    }
    match (request.resource.plural.as_str(), subresource) {
        (_, "") => {}
        ("serviceaccounts", "token") if request.verb == Verb::Create => {
            return token::create(store, request, context);
        }
        (_, "status")
            if request.resource.version(&request.route.version).is_some_and(|version| version.status) => {}
        _ if request.resource.is_custom() => {
            return Err(Failure::not_found(&request.resource, &request.route.name));
        }
        _ => return Err(Failure::no_such_resource()),
    }
    match request.verb {
        Verb::Get => read::get(store, request),
        Verb::List => read::list(store, request),
        Verb::Watch => watch::start(store, request),
        Verb::Create => create::create(store, request, context),
        Verb::Update => replace::update(store, request, context),
        Verb::Patch => patch::patch(store, request, context),
        Verb::Delete => delete::one(store, request, context),
        Verb::DeleteCollection => delete::collection(store, request, context),
    }
}

/// A stored object as an answer in the version asked for.
pub(crate) fn present(resource: &ResourceType, version: &str, object: &Value) -> Value {
    let mut object = object.clone();
    let api_version = resource.api_version(version);
    if object.get("apiVersion").and_then(Value::as_str) != Some(&api_version) {
        object["apiVersion"] = api_version.into();
        // Versions differ in their schema only: what the other one lacks is not shown.
        if let Some(schema) = resource.version(version).and_then(|version| version.schema.as_ref()) {
            schema.prune(&mut object);
        }
    }
    object
}

/// The object a request names, in the version of the request.
fn find(store: &Store, request: &Request) -> Result<(Arc<Value>, Value), Failure> {
    let key = (request.route.namespace.clone(), request.route.name.clone());
    let stored = store.get(&request.resource.key(), &key);
    let stored = stored.ok_or_else(|| Failure::not_found(&request.resource, &request.route.name))?;
    Ok((Arc::clone(stored), present(&request.resource, &request.route.version, stored)))
}

/// Stores an object in the storage version, and does what follows for the registry.
pub(crate) fn commit(store: &mut Store, resource: &ResourceType, object: &Value) -> Arc<Value> {
    let stored = store.put(resource, present(resource, &resource.storage().name, object));
    if resource.is("apiextensions.k8s.io", "customresourcedefinitions")
        && let Some(made) = super::admission::resource_of(&stored)
    {
        store.registry.add(made);
    }
    stored
}

/// Removes an object for good, and with a definition all objects of its resource.
pub(crate) fn remove(
    store: &mut Store,
    resource: &ResourceType,
    key: &super::store::Key,
) -> Option<Arc<Value>> {
    let last = store.remove(&resource.key(), key)?;
    if resource.is("apiextensions.k8s.io", "customresourcedefinitions")
        && let Some(made) = super::admission::resource_of(&last)
    {
        let keys: Vec<_> = store.all(&made.key()).map(|(key, _)| key.clone()).collect();
        for key in keys {
            store.remove(&made.key(), &key);
        }
        store.registry.remove(&made.key());
    }
    Some(last)
}

/// True when deletion has begun and nothing holds the object any more.
fn is_finished(resource: &ResourceType, object: &Value) -> bool {
    let grace = object::meta(object, "deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
    let namespace_held = resource.is("", "namespaces")
        && object["spec"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
    object::is_terminating(object) && !object::has_finalizers(object) && grace == 0 && !namespace_held
}
