//! The Node Managed Identity endpoint of aad-pod-identity, which pods' volumes were served through
//! before workload identity.

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;

use crate::faults::{Failure, Reset, Service};
use crate::listener::{Connection, Handler};
use crate::reply;
use crate::world::Shared;

/// Answers on the pod identity port.
pub(crate) struct Nmi(pub(crate) Shared);

impl Handler for Nmi {
    async fn answer(&self, request: Request<Body>, from: Connection) -> Result<Response<Body>, Reset> {
        let handle = |request: Request<Body>| async move { self.token(&request) };
        self.0.observer.answer(Service::Nmi, from, request, render, handle).await
    }
}

fn render(failure: &Failure) -> Response<Body> {
    let text = failure.message.as_deref().or(failure.code.as_deref());
    reply::text(failure.status, text.unwrap_or("no azure identity found for request clientID"))
}

impl Nmi {
    fn token(&self, request: &Request<Body>) -> Response<Body> {
        if request.method() != Method::GET || request.uri().path().trim_end_matches('/') != "/host/token" {
            return reply::text(StatusCode::NOT_FOUND, "404 page not found\n");
        }
        let (Some(pod), Some(namespace)) =
            (reply::header(request, "podname"), reply::header(request, "podns"))
        else {
            return reply::text(
                StatusCode::BAD_REQUEST,
                "missing 'podname' and 'podns' from request header\n",
            );
        };
        let Some(resource) = reply::query(request, "resource").filter(|resource| !resource.is_empty()) else {
            return reply::text(StatusCode::BAD_REQUEST, "parameter resource cannot be empty\n");
        };
        let world = &self.0;
        let Some(identity) = world.directory.of_pod(namespace, pod) else {
            let text = format!("no AzureAssignedIdentity found for pod:{namespace}/{pod}\n");
            return reply::text(StatusCode::NOT_FOUND, &text);
        };
        let tenant = world.directory.tenant_of(&identity);
        let lifetime = world.token_lifetime;
        let (token, expires) = world.issue_token(&identity, &tenant, &resource, lifetime);
        reply::json(
            StatusCode::OK,
            &json!({
                "token": {
                    "access_token": token,
                    "refresh_token": "",
                    "expires_in": lifetime.as_secs().to_string(),
                    "expires_on": expires.to_string(),
                    "not_before": world.clock.now().as_second().to_string(),
                    "resource": resource,
                    "token_type": "Bearer",
                },
                "clientid": identity.client_id,
            }),
        )
    }
}
