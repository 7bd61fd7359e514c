//! Whether a client assertion may stand in for a secret: one of another issuer, or one that the
//! application signs itself with the key of a certificate.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};

use super::{EntraError, Federation, Identity, KeySource};
use crate::token::{Jwk, Jwks, Parsed};
use crate::world::World;

/// Entra tolerates clocks that differ by this many seconds.
const CLOCK_SKEW: i64 = 300;
/// How long the keys of an issuer may take.
const KEYS_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest key document that is read.
const KEYS_BYTES: usize = 1024 * 1024;

/// Checks lifetime and, against the audience Entra exchanges, the form of an assertion whose issuer is
/// not asked about (`--allow-any-token`).
pub(super) fn check_unknown(token: &Parsed<'_>, now: i64) -> Result<(), EntraError> {
    lifetime(token, now)?;
    let audience = super::identity::exchange_audience();
    if !token.has_audience(&audience) {
        return Err(EntraError::no_match("audience", &audience_text(token)));
    }
    Ok(())
}

/// Checks an assertion against the certificates or the federated credentials of an identity.
pub(super) async fn check(
    world: &World,
    identity: &Identity,
    token: &Parsed<'_>,
    now: i64,
) -> Result<(), EntraError> {
    lifetime(token, now)?;
    if token.text("iss") == Some(&identity.client_id) {
        return own_certificate(identity, token);
    }
    let federation = matching(&identity.federated, token)?;
    let Some(source) = &federation.keys else { return Ok(()) };
    let keys = keys(world, source).await.ok_or_else(|| EntraError::keys_unreachable(&federation.issuer))?;
    if keys.verifies(token) { Ok(()) } else { Err(EntraError::assertion_signature()) }
}

/// An assertion of the application itself is for the token endpoint, about itself.
fn own_certificate(identity: &Identity, token: &Parsed<'_>) -> Result<(), EntraError> {
    let audience = audience_text(token);
    if !audience.ends_with("/token") || token.text("sub") != Some(&identity.client_id) {
        return Err(EntraError::assertion_malformed());
    }
    let keys = identity.certificates.iter().filter_map(|pem| Jwk::of_certificate(pem)).collect();
    if (Jwks { keys }).verifies(token) { Ok(()) } else { Err(EntraError::assertion_signature()) }
}

/// The federated credential that an assertion is for.
fn matching<'a>(list: &'a [Federation], token: &Parsed<'_>) -> Result<&'a Federation, EntraError> {
    if list.is_empty() {
        return Err(EntraError::no_federation());
    }
    let (issuer, subject) = (token.text("iss").unwrap_or_default(), token.text("sub").unwrap_or_default());
    let of_issuer: Vec<_> = list.iter().filter(|one| one.issuer == issuer).collect();
    if of_issuer.is_empty() {
        return Err(EntraError::no_match("issuer", issuer));
    }
    let of_subject: Vec<_> = of_issuer.into_iter().filter(|one| one.subject == subject).collect();
    if of_subject.is_empty() {
        return Err(EntraError::no_match("subject", subject));
    }
    let found = of_subject.into_iter().find(|one| token.has_audience(&one.audience));
    found.ok_or_else(|| EntraError::no_match("audience", &audience_text(token)))
}

fn lifetime(token: &Parsed<'_>, now: i64) -> Result<(), EntraError> {
    let expires = token.seconds("exp").ok_or_else(EntraError::assertion_malformed)?;
    let begins = token.seconds("nbf").unwrap_or(i64::MIN);
    if expires.saturating_add(CLOCK_SKEW) <= now || begins.saturating_sub(CLOCK_SKEW) > now {
        return Err(EntraError::assertion_lifetime());
    }
    Ok(())
}

fn audience_text(token: &Parsed<'_>) -> String {
    token.claims.get("aud").map(ToString::to_string).unwrap_or_default().replace('"', "")
}

async fn keys(world: &World, source: &KeySource) -> Option<Jwks> {
    let (url, ca) = match source {
        KeySource::Inline(keys) => return Some(keys.clone()),
        KeySource::Cluster => return world.cluster_keys.get().cloned(),
        KeySource::Url(url) => (url, None),
        KeySource::Private { url, ca } => (url, Some(ca)),
    };
    let mut client = reqwest::Client::builder().timeout(KEYS_TIMEOUT).no_proxy();
    if let Some(ca) = ca {
        let pem = tokio::fs::read(ca).await.ok()?;
        client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).ok()?);
    }
    let response = client.build().ok()?.get(url).send().await.ok()?.error_for_status().ok()?;
    let body = Limited::new(reqwest::Body::from(response), KEYS_BYTES).collect().await.ok()?;
    serde_json::from_slice(&body.to_bytes()).ok()
}
