//! The Instance Metadata Service: tokens of managed identities.
//!
//! Contract: "How to use managed identities on an Azure VM to acquire an access token". Numbers in the
//! answer are strings.

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;

use crate::entra::{Selector, SelectorError};
use crate::faults::{Failure, Reset, Service};
use crate::listener::{Connection, Handler};
use crate::reply;
use crate::world::Shared;

/// Answers on the metadata address.
pub(crate) struct Imds(pub(crate) Shared);

impl Handler for Imds {
    async fn answer(&self, request: Request<Body>, from: Connection) -> Result<Response<Body>, Reset> {
        let handle = |request: Request<Body>| async move { self.token(&request) };
        self.0.observer.answer(Service::Imds, from, request, render, handle).await
    }
}

fn error(status: StatusCode, error: &str, description: &str) -> Response<Body> {
    reply::json(status, &json!({ "error": error, "error_description": description }))
}

/// Words a fault's error as the metadata service would.
fn render(failure: &Failure) -> Response<Body> {
    let (code, text) = match failure.status.as_u16() {
        404 => ("not_found", "IMDS is updating"),
        410 => ("gone", "IMDS is going through updates"),
        429 => ("too_many_requests", "Too many requests"),
        500..=599 => ("unknown", "Failed to retrieve token from the Active directory"),
        _ => ("invalid_request", "Identity not found"),
    };
    error(failure.status, failure.code.as_deref().unwrap_or(code), failure.message.as_deref().unwrap_or(text))
}

impl Imds {
    fn token(&self, request: &Request<Body>) -> Response<Body> {
        let bad = |code: &str, text: &str| error(StatusCode::BAD_REQUEST, code, text);
        if request.uri().path().trim_end_matches('/') != "/metadata/identity/oauth2/token" {
            return error(StatusCode::NOT_FOUND, "not_found", "The requested resource was not found");
        }
        if request.method() != Method::GET {
            return error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Only GET is allowed");
        }
        if reply::header(request, "metadata") != Some("true") {
            return bad("invalid_request", "Required metadata header not specified");
        }
        if reply::header(request, "x-forwarded-for").is_some() {
            return bad("invalid_request", "Requests with an X-Forwarded-For header are refused");
        }
        if reply::query(request, "api-version").is_none_or(|version| version.as_str() < "2018-02-01") {
            return bad("invalid_request", "Required query variable 'api-version' is missing or too old");
        }
        let Some(resource) = reply::query(request, "resource").filter(|resource| !resource.is_empty()) else {
            return bad("invalid_request", "Required query variable 'resource' is missing");
        };
        let named = |name: &str| reply::query(request, name).filter(|value| !value.is_empty());
        let mut selectors = [
            named("client_id").map(Selector::ClientId),
            named("object_id").or_else(|| named("principal_id")).map(Selector::ObjectId),
            named("msi_res_id").or_else(|| named("mi_res_id")).map(Selector::ResourceId),
        ]
        .into_iter()
        .flatten();
        let selector = selectors.next().unwrap_or(Selector::Default);
        if selectors.next().is_some() {
            return bad("invalid_request", "Only one of client_id, object_id and msi_res_id may be given");
        }
        let world = &self.0;
        let identity = match world.directory.managed(&selector) {
            Ok(identity) => identity,
            Err(SelectorError::NotFound) => return bad("invalid_request", "Identity not found"),
            Err(SelectorError::Ambiguous) => {
                return bad(
                    "invalid_request",
                    "Multiple user assigned identities exist, please specify the clientId / resourceId of \
                     the identity in the token request",
                );
            }
        };
        let tenant = world.directory.tenant_of(&identity);
        let lifetime = world.managed_token_lifetime;
        let (token, expires) = world.issue_token(&identity, &tenant, &resource, lifetime);
        let seconds = lifetime.as_secs();
        reply::json(
            StatusCode::OK,
            &json!({
                "access_token": token,
                "client_id": identity.client_id,
                "expires_in": seconds.to_string(),
                "expires_on": expires.to_string(),
                "ext_expires_in": seconds.to_string(),
                "not_before": world.clock.now().as_second().to_string(),
                "resource": resource,
                "token_type": "Bearer",
            }),
        )
    }
}
