//! The token endpoint: a client secret or an assertion for an access token.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use keymount_sensitive::SecretString;
use serde_json::json;

use super::{EntraError, Identity, IdentityKind, federation};
use crate::reply;
use crate::token::Parsed;
use crate::world::World;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Which token endpoint: they differ in how the resource is named and how numbers are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

pub(super) async fn answer(
    world: &World,
    tenant: &str,
    version: Version,
    request: Request<Body>,
) -> Response<Body> {
    let body = match reply::read_body(request).await {
        Ok(body) => body,
        Err(status) => return reply::text(status, ""),
    };
    let form: HashMap<String, SecretString> = url::form_urlencoded::parse(&body)
        .map(|(name, value)| (name.into_owned(), SecretString::new(value.into_owned())))
        .collect();
    match exchange(world, tenant, version, &form).await {
        Ok(response) => response,
        Err(error) => error.respond(world.clock.now()),
    }
}

async fn exchange(
    world: &World,
    tenant: &str,
    version: Version,
    form: &HashMap<String, SecretString>,
) -> Result<Response<Body>, EntraError> {
    let field = |name: &str| form.get(name).map(|value| value.expose().as_str());
    let required = |name: &str| field(name).ok_or_else(|| EntraError::missing(name));
    let Some(tenant_id) = world.tenant_for_exchange(tenant) else {
        return Err(EntraError::tenant_not_found(tenant));
    };
    if required("grant_type")? != "client_credentials" {
        return Err(EntraError::grant_type());
    }
    let client_id = required("client_id")?;
    let resource = match version {
        Version::V1 => required("resource")?.to_owned(),
        Version::V2 => resource_of(required("scope")?)?,
    };
    let identity = authenticate(world, &tenant_id, client_id, &field).await?;

    let lifetime = world.token_lifetime;
    let (token, expires) = world.issue_token(&identity, &tenant_id, &resource, lifetime);
    let seconds = lifetime.as_secs();
    Ok(match version {
        Version::V2 => reply::json(
            StatusCode::OK,
            &json!({
                "token_type": "Bearer",
                "expires_in": seconds,
                "ext_expires_in": seconds,
                "access_token": token,
            }),
        ),
        Version::V1 => reply::json(
            StatusCode::OK,
            &json!({
                "token_type": "Bearer",
                "expires_in": seconds.to_string(),
                "ext_expires_in": seconds.to_string(),
                "expires_on": expires.to_string(),
                "resource": resource,
                "access_token": token,
            }),
        ),
    })
}

/// Who asks, once the credential is found right.
async fn authenticate<'a>(
    world: &World,
    tenant: &str,
    client_id: &str,
    field: &impl Fn(&str) -> Option<&'a str>,
) -> Result<Arc<Identity>, EntraError> {
    let identity = world.directory.find(client_id, tenant);
    let now = world.clock.now();
    if let Some(assertion) = field("client_assertion") {
        if field("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err(EntraError::missing("client_assertion_type"));
        }
        let token = Parsed::new(assertion).map_err(|_| EntraError::assertion_malformed())?;
        if world.allow_any_token {
            federation::check_unknown(&token, now.as_second())?;
            return Ok(identity.unwrap_or_else(|| {
                let mut anyone = Identity::new(IdentityKind::Application, client_id);
                anyone.tenant = Some(tenant.to_owned());
                Arc::new(anyone)
            }));
        }
        let identity = identity.ok_or_else(|| EntraError::unknown_application(client_id, tenant))?;
        federation::check(world, &identity, &token, now.as_second()).await?;
        return Ok(identity);
    }
    let identity = identity.ok_or_else(|| EntraError::unknown_application(client_id, tenant))?;
    let Some(secret) = field("client_secret") else { return Err(EntraError::no_credential()) };
    let Some(known) = identity.secrets.iter().find(|known| known.value.expose() == secret) else {
        return Err(EntraError::bad_secret(client_id));
    };
    if known.expires.is_some_and(|expires| expires <= now) {
        return Err(EntraError::expired_secret(client_id));
    }
    Ok(identity)
}

/// The resource that a scope list means: that of its `/.default`.
fn resource_of(scope: &str) -> Result<String, EntraError> {
    let resource = scope.split_ascii_whitespace().find_map(|one| one.strip_suffix("/.default"));
    resource
        .filter(|resource| !resource.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| EntraError::scope(scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        for (scope, resource) in [
            ("https://vault.azure.net/.default", Some("https://vault.azure.net")),
            ("https://vault.azure.net//.default", Some("https://vault.azure.net/")),
            ("openid https://vault.azure.net/.default offline_access", Some("https://vault.azure.net")),
            ("https://vault.azure.net/user_impersonation", None),
            ("/.default", None),
            ("", None),
        ] {
            assert_eq!(resource_of(scope).ok().as_deref(), resource, "{scope}");
        }
    }
}
