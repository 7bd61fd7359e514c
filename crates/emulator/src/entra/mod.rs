//! Microsoft Entra ID as far as tokens for applications and managed identities need it.
//!
//! Contract: the OAuth 2.0 client credentials flow of the Microsoft identity platform, its error codes
//! page, and the instance discovery that MSAL does.

mod directory;
mod discovery;
mod error;
mod exchange;
mod federation;
mod identity;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};

pub use directory::{Directory, PodBinding, Selector, SelectorError, Tenant};
use error::EntraError;
pub(crate) use error::render;
pub use identity::{ClientSecret, Federation, Identity, IdentityKind, KeySource};

use crate::reply;
use crate::world::World;

/// Whether a path belongs to an authority; for hosts whose name does not tell.
pub(crate) fn is_entra_path(path: &str) -> bool {
    let mut segments = path.trim_matches('/').split('/').skip(1);
    matches!(segments.next(), Some("oauth2" | "v2.0" | "discovery" | ".well-known"))
}

/// Answers a request to an authority.
pub(crate) async fn answer(world: &World, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().trim_matches('/').to_owned();
    let segments: Vec<&str> = path.split('/').collect();
    match (request.method(), segments.as_slice()) {
        (&Method::POST, [tenant, "oauth2", "v2.0", "token"] | [tenant @ "adfs", "oauth2", "token"]) => {
            exchange::answer(world, tenant, exchange::Version::V2, request).await
        }
        (&Method::POST, [tenant, "oauth2", "token"]) => {
            exchange::answer(world, tenant, exchange::Version::V1, request).await
        }
        (&Method::GET, ["common", "discovery", "instance"]) => discovery::instance(world, &request),
        (
            &Method::GET,
            [tenant, "v2.0", ".well-known", "openid-configuration"]
            | [tenant, ".well-known", "openid-configuration"],
        ) => discovery::configuration(world, tenant, &request),
        (&Method::GET, [_, "discovery", "v2.0", "keys"] | [_, "discovery", "keys"]) => {
            reply::json(StatusCode::OK, world.signer.jwks())
        }
        _ => reply::text(StatusCode::NOT_FOUND, "The emulator's authority does not serve this path.\n"),
    }
}
