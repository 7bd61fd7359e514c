//! DELETE: preconditions, finalizers, grace, propagation.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, Context, body, commit, find, is_finished, present, remove};
use crate::kubernetes::request::Request;
use crate::kubernetes::status::{self, Cause, Failure};
use crate::kubernetes::store::Store;
use crate::kubernetes::{object, protobuf};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Resources whose deletion answers with the object instead of a `Status`.
const ANSWERS_OBJECT: [(&str, &str); 5] = [
    ("", "pods"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "csinodes"),
];

/// How to delete.
struct Options {
    grace_seconds: Option<i64>,
    /// `Foreground`, `Background` or `Orphan`.
    propagation: String,
    dry_run: bool,
    uid: Option<String>,
    revision: Option<String>,
}

impl Options {
    fn read(request: &Request) -> Result<Self, Failure> {
        body::within_limit(request)?;
        let invalid =
            || Failure::bad_request("the object provided is unrecognized (must be of type DeleteOptions)");
        let body = match request.content_type.as_str() {
            _ if request.body.is_empty() => json!({}),
            protobuf::MEDIA_TYPE => protobuf::decode(&request.body).ok_or_else(invalid)?,
            _ => body::yaml(&request.body).ok_or_else(invalid)?,
        };
        let query =
            |name: &str| Some(request.query.get(name)).filter(|value| !value.is_empty()).map(str::to_owned);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let propagation =
            text(&body["propagationPolicy"]).or_else(|| query("propagationPolicy")).unwrap_or_default();
        if !["", "Foreground", "Background", "Orphan"].contains(&propagation.as_str()) {
            let supported = "\"Foreground\", \"Background\", \"Orphan\", \"nil\"";
            let cause = Cause::unsupported("propagationPolicy", &format!("\"{propagation}\""), supported);
            return Err(Failure::invalid_options("DeleteOptions", cause));
        }
        let in_body = body["dryRun"].as_array().is_some_and(|runs| runs.iter().any(|run| run == "All"));
        Ok(Self {
            grace_seconds: body["gracePeriodSeconds"]
                .as_i64()
                .or_else(|| query("gracePeriodSeconds")?.parse().ok()),
            propagation,
            dry_run: in_body || request.dry_run(),
            uid: text(&body["preconditions"]["uid"]),
            revision: text(&body["preconditions"]["resourceVersion"]),
        })
    }

    fn check(&self, request: &Request, object: &Value) -> Result<(), Failure> {
        let name = object::name(object);
        let uid = object::uid(object);
        if let Some(expected) = self.uid.as_ref().filter(|expected| *expected != uid) {
            let why = format!(
                "the UID in the precondition ({expected}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            );
            return Err(Failure::precondition(&request.resource, name, &why));
        }
        let revision = object::meta_text(object, "resourceVersion");
        if let Some(expected) = self.revision.as_ref().filter(|expected| *expected != revision) {
            let why = format!(
                "the ResourceVersion in the precondition ({expected}) does not match the ResourceVersion in record ({revision}). The object might have been modified"
            );
            return Err(Failure::precondition(&request.resource, name, &why));
        }
        Ok(())
    }

    /// Seconds of grace the object gets: only a pod that is on a node and has not ended has any.
    fn grace(&self, request: &Request, object: &Value) -> i64 {
        let ended = matches!(object::text(object, &["status", "phase"]), "Succeeded" | "Failed");
        if !request.resource.is("", "pods") || ended || object::text(object, &["spec", "nodeName"]).is_empty()
        {
            return 0;
        }
        let own = object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
        let asked = self.grace_seconds.unwrap_or(own).max(0);
        match object::meta(object, "deletionGracePeriodSeconds").and_then(Value::as_i64) {
            // A second deletion can only shorten the wait.
            Some(running) => asked.min(running),
            None => asked,
        }
    }
}

/// Answers the DELETE of one object.
pub(super) fn one(store: &mut Store, request: &Request, context: Context<'_>) -> Result<Answer, Failure> {
    let options = Options::read(request)?;
    let (stored, _) = find(store, request)?;
    let (object, gone) = delete(store, request, &stored, &options, context)?;
    let answers_object = ANSWERS_OBJECT.iter().any(|(group, plural)| request.resource.is(group, plural));
    let body = if gone && !answers_object {
        status::deleted(&request.resource, object::name(&object), object::uid(&object))
    } else {
        present(&request.resource, &request.route.version, &object)
    };
    Ok(Answer::Json { code: 200, body, warnings: super::replace::deprecation(request) })
}

/// Answers the DELETE of a collection with the objects that were deleted.
pub(super) fn collection(
    store: &mut Store,
    request: &Request,
    context: Context<'_>,
) -> Result<Answer, Failure> {
    let options = Options::read(request)?;
    let selector = super::read::selector(request)?;
    let namespace = &request.route.namespace;
    let selected: Vec<Arc<Value>> = store
        .all(&request.resource.key())
        .filter(|((namespace_of, _), object)| {
            (namespace.is_empty() || namespace_of == namespace) && selector.matches(object)
        })
        .map(|(_, object)| Arc::clone(object))
        .collect();
    let mut items = Vec::new();
    for object in selected {
        items.push(present(&request.resource, &request.route.version, &object));
        delete(store, request, &object, &options, context)?;
    }
    let body = json!({
        "kind": request.resource.list_kind, "apiVersion": request.api_version(),
        "metadata": {"resourceVersion": store.revision().to_string()}, "items": items,
    });
    Ok(Answer::ok(body))
}

/// Deletes a stored object, or begins to. Returns it as it is then, and whether it is gone.
fn delete(
    store: &mut Store,
    request: &Request,
    stored: &Arc<Value>,
    options: &Options,
    context: Context<'_>,
) -> Result<(Value, bool), Failure> {
    options.check(request, stored)?;
    let resource = Arc::clone(&request.resource);
    let grace = options.grace(request, stored);
    let mut object = (**stored).clone();
    let mut finalizers = object::meta_list(&object, "finalizers").to_vec();
    if !object::is_terminating(&object) {
        let policy = match options.propagation.as_str() {
            "Foreground" => Some(FOREGROUND),
            "Orphan" => Some(ORPHAN),
            _ => None,
        };
        finalizers.retain(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN);
        finalizers.extend(policy.map(Value::from));
        object::set_meta(
            &mut object,
            "finalizers",
            if finalizers.is_empty() { Value::Null } else { finalizers.into() },
        );
        if let Some(generation) = object::meta(&object, "generation").and_then(Value::as_i64) {
            object::set_meta(&mut object, "generation", (generation + 1).into());
        }
    }
    let namespace = resource.is("", "namespaces");
    if !object::is_terminating(&object) || grace < grace_of(&object) {
        let end = context.now.saturating_add(jiff::SignedDuration::from_secs(grace)).unwrap_or(context.now);
        object::set_meta(&mut object, "deletionTimestamp", super::time(end).into());
        if !namespace {
            object::set_meta(&mut object, "deletionGracePeriodSeconds", grace.into());
        }
    }
    if namespace {
        object["status"]["phase"] = "Terminating".into();
    }
    let gone = is_finished(&resource, &object);
    if options.dry_run {
        return Ok((object, gone));
    }
    if gone {
        let key = (object::namespace(stored).to_owned(), object::name(stored).to_owned());
        if let Some(last) = remove(store, &resource, &key) {
            object::copy_meta(&mut object, &last, "resourceVersion");
        }
        return Ok((object, true));
    }
    if object != **stored {
        object = (*commit(store, &resource, &object)).clone();
    }
    Ok((object, false))
}

fn grace_of(object: &Value) -> i64 {
    object::meta(object, "deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0)
}
