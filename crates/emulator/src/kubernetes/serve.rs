//! From HTTP to verbs and back.

use std::sync::{Arc, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, USER_AGENT, WARNING};
use http::{HeaderMap, HeaderName, HeaderValue, Request as HttpRequest, Response, StatusCode};
use serde_json::Value;

use super::auth::{self, Authorization, User};
use super::journal::Record;
use super::request::{Query, Request, Route};
use super::status::Failure;
use super::verbs::{self, Answer, Watch, WatchEnd};
use super::{State, discovery, openapi};
use crate::faults::{self, Reset, Service};
use crate::listener::{Connection, Handler};

/// More than any body that is taken, so that the verb can say what is wrong with it.
const READ_LIMIT: usize = 16 * 1024 * 1024;

/// The handler of a server.
pub(super) struct Api(pub(super) Arc<State>);

impl Handler for Api {
    async fn answer(
        &self,
        request: HttpRequest<Body>,
        connection: Connection,
    ) -> Result<Response<Body>, Reset> {
        let observer = self.0.options.observer.clone();
        let mut record = self.record(&request);
        let state = Arc::clone(&self.0);
        let answer = observer
            .answer(Service::Kubernetes, connection, request, injected, |request| async move {
                handle(&state, request).await
            })
            .await;
        if let Some(mut record) = record.take() {
            if let Ok(response) = &answer {
                record.status = response.status().as_u16();
                record.user =
                    response.extensions().get::<User>().map(|user| user.name.clone()).unwrap_or_default();
            }
            self.0.journal.add(record);
        }
        answer
    }
}

impl Api {
    /// What the journal says about a request, as far as it is known before the answer.
    fn record(&self, request: &HttpRequest<Body>) -> Option<Record> {
        let route = Route::parse(request.uri().path())?;
        let verb =
            route.verb(request.method(), &Query::parse(request.uri().query().unwrap_or_default())).ok()?;
        let resource = match route.subresource.as_str() {
            "" => route.plural,
            subresource => format!("{}/{subresource}", route.plural),
        };
        Some(Record {
            verb,
            resource,
            namespace: route.namespace,
            name: route.name,
            user: String::new(),
            user_agent: header(request.headers(), &USER_AGENT).to_owned(),
            status: 0,
        })
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The answer of a fault rule.
fn injected(failure: &faults::Failure) -> Response<Body> {
    failed(&Failure::injected(failure.status.as_u16(), failure.message.as_deref()))
}

fn failed(failure: &Failure) -> Response<Body> {
    let mut response = json(failure.code, &failure.body());
    if let Some(seconds) = failure.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

fn json(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

fn text(code: u16, body: &'static str) -> Response<Body> {
    let mut response = json(code, &Value::Null);
    *response.body_mut() = Body::from(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn no_such_page() -> Response<Body> {
    text(404, "404 page not found\n")
}

/// `299 - "text"`, as RFC 7234 writes warnings.
fn warn(response: &mut Response<Body>, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

async fn handle(state: &Arc<State>, request: HttpRequest<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let authorization = head.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let options = &state.options;
    let now = options.clock.now();
    let user =
        match auth::authenticate(authorization, &options.tokens, options.authorization, &state.signer, now) {
            Ok(user) => user,
            Err(failure) => return failed(&failure),
        };
    let Some(route) = Route::parse(head.uri.path()) else {
        let mut response = plain(state, &user, head.uri.path());
        response.extensions_mut().insert(user);
        return response;
    };
    let Ok(body) = axum::body::to_bytes(body, READ_LIMIT).await else {
        return failed(&Failure::new(
            413,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 3145728",
        ));
    };
    let mut response = resource(state, &head, route, user.clone(), body);
    response.extensions_mut().insert(user);
    response
}

/// Answers a request for a resource.
fn resource(
    state: &Arc<State>,
    head: &http::request::Parts,
    route: Route,
    user: User,
    body: Bytes,
) -> Response<Body> {
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let found = {
        let store = state.store();
        let found = store
            .registry
            .get(&route.group, &route.plural)
            .filter(|found| found.version(&route.version).is_some());
        match found {
            Some(found) => Ok(Arc::clone(found)),
            // Where custom resources live the server does not know what could be there.
            None if route.group.is_empty()
                || store.registry.all().any(|known| known.group == route.group && !known.is_custom()) =>
            {
                Err(failed(&Failure::no_such_resource()))
            }
            None => Err(no_such_page()),
        }
    };
    let resource = match found {
        Ok(resource) => resource,
        Err(response) => return response,
    };
    let verb = match route.verb(&head.method, &query) {
        Ok(verb) => verb,
        Err(failure) => return failed(&failure),
    };
    let content_type =
        header(&head.headers, &CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_owned();
    let user_agent = header(&head.headers, &USER_AGENT).to_owned();
    let request = Request { verb, route, resource, query, user, user_agent, content_type, body };
    let denials = state.denials.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let answer = state.with_store(|store| {
        auth::authorize(store, &request, state.options.authorization, &denials)?;
        request.check_options()?;
        verbs::perform(store, &request, state.context())
    });
    match answer {
        Err(failure) => failed(&failure),
        Ok(Answer::Json { code, body, warnings }) => {
            let mut response = json(code, &body);
            warn(&mut response, &warnings);
            response
        }
        Ok(Answer::Watch(watch)) => {
            let mut response = json(200, &Value::Null);
            warn(&mut response, &watch.warnings);
            *response.body_mut() = stream(Arc::clone(state), *watch);
            response
        }
    }
}

/// The events of a watch, one a line.
fn stream(state: Arc<State>, watch: Watch) -> Body {
    let revision = state.revision.subscribe();
    let mut ended = state.watch_end.subscribe();
    ended.mark_unchanged();
    let first = Some((state, watch, revision, ended));
    Body::from_stream(stream::unfold(first, |running| async move {
        let (state, mut watch, mut revision, mut ended) = running?;
        let line = |event: &Value| format!("{event}\n");
        loop {
            revision.mark_unchanged();
            let events = watch.events(&state.store());
            match events {
                Err(last) => return Some((Ok::<_, std::io::Error>(line(&last)), None)),
                Ok(events) if !events.is_empty() => {
                    let lines = events.iter().map(line).collect();
                    return Some((Ok(lines), Some((state, watch, revision, ended))));
                }
                Ok(_) => {}
            }
            if tokio::time::Instant::now() >= watch.deadline {
                return None;
            }
            tokio::select! {
                changed = revision.changed() => changed.ok()?,
                () = tokio::time::sleep_until(watch.wake_at()) => {}
                end = ended.changed() => {
                    end.ok()?;
                    let how = *ended.borrow();
                    return (how == WatchEnd::Expired).then(|| (Ok(line(&watch.expired(&state.store()))), None));
                }
            }
        }
    }))
}

/// Answers a request for a path that names no resource.
fn plain(state: &State, user: &User, path: &str) -> Response<Body> {
    let public = ["/healthz", "/livez", "/readyz", "/version"];
    let stranger = user.groups.iter().any(|group| group == "system:unauthenticated");
    if state.options.authorization == Authorization::Rbac && stranger && !public.contains(&path) {
        return failed(&Failure::forbidden_path(&user.name, "get", path));
    }
    let store = state.store();
    let registry = &store.registry;
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let document = match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => return text(200, "ok"),
        ["version"] => Some(discovery::version()),
        ["api"] => Some(discovery::core_versions(state.url.split("//").nth(1).unwrap_or_default())),
        ["apis"] => Some(discovery::group_list(registry)),
        ["api", version] => discovery::resources(registry, "", version),
        ["apis", group] => discovery::one_group(registry, group),
        ["apis", group, version] => discovery::resources(registry, group, version),
        ["openapi", "v3"] => Some(openapi::index(registry)),
        ["openapi", "v3", "api", version] => openapi::document(registry, "", version),
        ["openapi", "v3", "apis", group, version] => openapi::document(registry, group, version),
        ["openid", "v1", "jwks"] => {
            let keys = serde_json::to_value(state.signer.jwks()).unwrap_or_default();
            return keyed(&keys, "application/jwk-set+json");
        }
        [".well-known", "openid-configuration"] => {
            return keyed(&state.signer.configuration(&state.url), "application/json");
        }
        _ => None,
    };
    document.map_or_else(no_such_page, |document| json(200, &document))
}

/// A document about the keys of tokens, which may be kept for an hour.
fn keyed(document: &Value, content_type: &'static str) -> Response<Body> {
    let mut response = json(200, document);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}
