//! The documents by which MSAL finds the token endpoint.

use axum::body::Body;
use http::{Request, Response, StatusCode};
use serde_json::json;

use super::EntraError;
use crate::listener::authority;
use crate::reply;
use crate::world::World;

/// The base URL by which the client reached this authority.
fn base(request: &Request<Body>) -> String {
    let authority = authority(request).map(|authority| authority.to_string()).unwrap_or_default();
    format!("https://{authority}")
}

/// Instance discovery: the asked authority is its own and only alias, next to the public cloud's.
pub(super) fn instance(world: &World, request: &Request<Body>) -> Response<Body> {
    let Some(asked) = reply::query(request, "authorization_endpoint") else {
        return EntraError::missing("authorization_endpoint").respond(world.clock.now());
    };
    let url = url::Url::parse(&asked).ok();
    let tenant = url.as_ref().and_then(|url| url.path_segments()?.next()).unwrap_or("common").to_owned();
    let host = url
        .and_then(|url| {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(format!("{}{port}", url.host_str()?))
        })
        .unwrap_or_else(|| "login.microsoftonline.com".to_owned());
    let public = ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"];
    let metadata = if public.contains(&host.as_str()) {
        json!({
            "preferred_network": "login.microsoftonline.com",
            "preferred_cache": "login.windows.net",
            "aliases": public,
        })
    } else {
        json!({ "preferred_network": host, "preferred_cache": host, "aliases": [host] })
    };
    reply::json(
        StatusCode::OK,
        &json!({
            "tenant_discovery_endpoint":
                format!("https://{host}/{tenant}/v2.0/.well-known/openid-configuration"),
            "api-version": "1.1",
            "metadata": [metadata],
        }),
    )
}

/// OpenID configuration of a tenant.
pub(super) fn configuration(world: &World, tenant: &str, request: &Request<Body>) -> Response<Body> {
    let Some(id) = world.tenant_for_exchange(tenant) else {
        return EntraError::tenant_not_found(tenant).respond(world.clock.now());
    };
    let base = base(request);
    let (endpoints, issuer) = if tenant == "adfs" {
        (format!("{base}/adfs/oauth2"), format!("{base}/adfs"))
    } else {
        (format!("{base}/{tenant}/oauth2/v2.0"), format!("{base}/{id}/v2.0"))
    };
    reply::json(
        StatusCode::OK,
        &json!({
            "token_endpoint": format!("{endpoints}/token"),
            "authorization_endpoint": format!("{endpoints}/authorize"),
            "device_authorization_endpoint": format!("{endpoints}/devicecode"),
            "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
            "issuer": issuer,
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "tenant_region_scope": null,
            "cloud_instance_name": "microsoftonline.com",
        }),
    )
}
