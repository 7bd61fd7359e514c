//! GET of one object, and lists: selectors, pages, revisions.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Answer, find, present};
use crate::kubernetes::request::Request;
use crate::kubernetes::resource::ResourceType;
use crate::kubernetes::selector::Selector;
use crate::kubernetes::status::{Cause, Failure};
use crate::kubernetes::store::{Key, Store};

/// Answers a GET of one object.
pub(super) fn get(store: &Store, request: &Request) -> Result<Answer, Failure> {
    let (_, object) = find(store, request)?;
    Ok(Answer::Json { code: 200, body: object, warnings: super::replace::deprecation(request) })
}

/// The selector of a request.
pub(super) fn selector(request: &Request) -> Result<Selector, Failure> {
    Selector::parse(&request.resource, request.query.get("labelSelector"), request.query.get("fieldSelector"))
}

/// An object as an item of a list: compiled-in types leave out there what the list already says.
fn item(resource: &ResourceType, version: &str, object: &Value) -> Value {
    let mut item = present(resource, version, object);
    if !resource.is_custom()
        && let Some(map) = item.as_object_mut()
    {
        map.remove("kind");
        map.remove("apiVersion");
    }
    item
}

/// Where a list goes on: revision of the first page, and the last key seen.
struct Continue {
    revision: u64,
    after: Key,
}

impl Continue {
    fn encode(&self) -> String {
        let token =
            json!({"v": "meta.k8s.io/v1", "rv": self.revision, "start": [self.after.0, self.after.1]});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn decode(token: &str) -> Result<Self, Failure> {
        let invalid = || Failure::bad_request("invalid continue token: continue key is not valid");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        let part = |index: usize| token["start"][index].as_str().map(str::to_owned).ok_or_else(invalid);
        Ok(Self { revision: token["rv"].as_u64().ok_or_else(invalid)?, after: (part(0)?, part(1)?) })
    }
}

/// The objects a list is taken from, and the revision they are of.
fn snapshot(
    store: &Store,
    request: &Request,
    page: Option<&Continue>,
) -> Result<(u64, BTreeMap<Key, Arc<Value>>), Failure> {
    let key = request.resource.key();
    if let Some(page) = page {
        let objects = store.at(page.revision, &key).ok_or_else(|| {
            Failure::expired("The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.")
        })?;
        return Ok((page.revision, objects));
    }
    let asked = request.query.get("resourceVersion");
    let exact = request.query.get("resourceVersionMatch");
    if !exact.is_empty() && asked.is_empty() {
        let cause = Cause::forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        );
        return Err(Failure::invalid_options("ListOptions", cause));
    }
    let revision = if asked.is_empty() {
        0
    } else {
        parse_revision(asked)
            .map_err(|why| Failure::bad_request(format!("invalid resource version: {why}")))?
    };
    if revision > store.revision() {
        return Err(Failure::too_large_revision(revision, store.revision()));
    }
    if exact == "Exact" {
        let objects = store
            .at(revision, &key)
            .ok_or_else(|| Failure::expired("The resourceVersion for the provided list is too old."))?;
        return Ok((revision, objects));
    }
    let objects = store.all(&key).map(|(key, object)| (key.clone(), Arc::clone(object))).collect();
    Ok((store.revision(), objects))
}

/// A resource version of a query; the error is worded as the API server words it.
pub(super) fn parse_revision(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        format!("resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax")
    })
}

/// Answers a list.
pub(super) fn list(store: &Store, request: &Request) -> Result<Answer, Failure> {
    let selector = selector(request)?;
    let token = request.query.get("continue");
    let page = if token.is_empty() { None } else { Some(Continue::decode(token)?) };
    let (revision, objects) = snapshot(store, request, page.as_ref())?;
    let limit: usize = match request.query.get("limit") {
        "" => 0,
        text => text.parse().map_err(|_| {
            Failure::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))
        })?,
    };
    let from = page.map_or(Bound::Unbounded, |page| Bound::Excluded(page.after));
    let namespace = &request.route.namespace;
    let mut selected = objects.range((from, Bound::Unbounded)).filter(|((namespace_of, name), object)| {
        (namespace.is_empty() || namespace_of == namespace)
            && (request.route.name.is_empty() || *name == request.route.name)
            && selector.matches(object)
    });
    let most = if limit == 0 { usize::MAX } else { limit };
    let taken: Vec<_> = selected.by_ref().take(most).collect();
    let left = selected.count();
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let (true, Some((last, _))) = (left > 0, taken.last()) {
        metadata["continue"] = Continue { revision, after: (*last).clone() }.encode().into();
        if selector.is_everything() {
            metadata["remainingItemCount"] = left.into();
        }
    }
    let version = &request.route.version;
    let items: Vec<Value> =
        taken.iter().map(|(_, object)| item(&request.resource, version, object)).collect();
    let body = json!({
        "kind": request.resource.list_kind, "apiVersion": request.api_version(), "metadata": metadata, "items": items,
    });
    Ok(Answer::Json { code: 200, body, warnings: super::replace::deprecation(request) })
}
