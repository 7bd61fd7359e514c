//! The REST API of a vault: who asks, may they, and what is asked.

mod certificates;
mod keys;
mod objects;
mod pages;
mod secrets;

use std::net::IpAddr;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::access::{self, Wish};
use super::error::VaultError;
use super::kind::Type;
use super::object::{Change, Properties};
use super::{Listing, Vault, spec};
use crate::listener::authority;
use crate::reply;
use crate::token::{Claims, Refused};
use crate::world::World;

/// By this a client finds its request in the service's log; it is answered as it came.
const CLIENT_REQUEST: &str = "x-ms-client-request-id";

const NO_TOKEN: &str = "AKV10000: Request is missing a Bearer or PoP token.";

/// Key Vault's application id, which stands for its resource in tokens.
const KEY_VAULT: &str = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093";

type Answer = Result<Response<Body>, VaultError>;

/// Whether a path belongs to a vault; for hosts whose name does not tell.
pub(crate) fn is_vault_path(path: &str) -> bool {
    Type::from_segment(path.trim_start_matches('/').split('/').next().unwrap_or_default()).is_some()
}

/// Answers a request to a vault. `suffix` is that of the host name, or none if the client came by
/// address.
pub(crate) async fn answer(
    world: &World,
    vault: &str,
    suffix: Option<&str>,
    from: IpAddr,
    request: Request<Body>,
) -> Response<Body> {
    let client_request = request.headers().get(CLIENT_REQUEST).cloned();
    let mut response = match world.vaults.get(vault) {
        Some(vault) => {
            let call = Call { world, vault: &vault, suffix, from, base: base_of(&request) };
            call.answer(request).await.unwrap_or_else(|error| error.respond())
        }
        None => {
            let text = format!("There is no vault named '{vault}' in this emulator.");
            VaultError::new(StatusCode::NOT_FOUND, "VaultNotFound", text).respond()
        }
    };
    if let Some(id) = client_request {
        response.headers_mut().insert(CLIENT_REQUEST, id);
    }
    decorate(response, from)
}

/// The headers that all answers of the service have.
pub(crate) fn decorate(mut response: Response<Body>, from: IpAddr) -> Response<Body> {
    let family = if from.is_ipv4() { ("Ipv4", "InterNetwork") } else { ("Ipv6", "InterNetworkV6") };
    let network = format!("conn_type={};addr={from};act_addr_fam={};", family.0, family.1);
    for (name, value) in [
        ("x-ms-keyvault-region", "emulator".to_owned()),
        ("x-ms-keyvault-service-version", "1.9.0.0".to_owned()),
        ("x-ms-keyvault-network-info", network),
        ("x-ms-request-id", reply::uuid()),
        ("x-content-type-options", "nosniff".to_owned()),
    ] {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn base_of(request: &Request<Body>) -> String {
    format!("https://{}", authority(request).map(|authority| authority.to_string()).unwrap_or_default())
}

/// One request, and where it goes.
struct Call<'a> {
    world: &'a World,
    vault: &'a Vault,
    suffix: Option<&'a str>,
    from: IpAddr,
    base: String,
}

/// What is left of a request once it may be answered.
struct Admitted {
    method: Method,
    path: Vec<String>,
    api_version: String,
    page_size: Option<String>,
    skip_token: Option<String>,
    listing: Listing,
}

impl Call<'_> {
    async fn answer(&self, request: Request<Body>) -> Answer {
        let who = self.authenticate(&request)?;
        let api_version = api_version(&request)?;
        let path = segments(request.uri().path());
        let collection = path.first().map(String::as_str).unwrap_or_default();
        let Some((kind, deleted)) = Type::from_segment(collection) else {
            return Err(VaultError::new(
                StatusCode::NOT_FOUND,
                "NotFound",
                "The path is not that of an object.",
            ));
        };
        let rest: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
        let name = rest.first().copied().unwrap_or_default();
        if !name.is_empty() {
            spec::check_name(name)?;
        }
        let operation = access::operation(kind, deleted, request.method(), &rest);
        let (access, listing) = self.vault.settings();
        access.check(&who, Wish { vault: self.vault.name(), kind, operation, name, from: self.from })?;

        let admitted = Admitted {
            method: request.method().clone(),
            path: path.iter().skip(1).cloned().collect(),
            api_version,
            page_size: reply::query(&request, "maxresults"),
            skip_token: reply::query(&request, "$skiptoken"),
            listing,
        };
        match (kind, deleted) {
            (Type::Secret, false) => self.secrets(&admitted, request).await,
            (Type::Key, false) => self.keys(&admitted, request).await,
            (Type::Certificate, false) => self.certificates(&admitted, request).await,
            (Type::Secret, true) => self.deleted::<super::Secret>(&admitted),
            (Type::Key, true) => self.deleted::<super::Key>(&admitted),
            (Type::Certificate, true) => self.deleted::<super::Certificate>(&admitted),
        }
    }

    /// The resource that tokens for this vault must be for.
    fn resource(&self) -> String {
        format!("https://{}", self.suffix.unwrap_or("vault.azure.net"))
    }

    fn authenticate(&self, request: &Request<Body>) -> Result<Claims, VaultError> {
        let tenant = self.vault.tenant.clone().unwrap_or_else(|| self.world.directory.default_tenant());
        let resource = self.resource();
        let challenge = || {
            let authority = match self.suffix {
                // Whoever came by address can reach the authority only the same way.
                None => self.base.clone(),
                Some(suffix) => {
                    let port = self.base.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
                    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                    format!("https://{}{port}", self.world.hosts.authority_of(suffix))
                }
            };
            format!("Bearer authorization=\"{authority}/{tenant}\", resource=\"{resource}\"")
        };
        let refuse = |message: String| VaultError::unauthorized(message, challenge());

        let header = reply::header(request, "authorization").unwrap_or_default();
        let Some(token) = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        else {
            return Err(refuse(NO_TOKEN.to_owned()));
        };
        let claims = self.world.signer.verify(token.1.trim(), self.world.clock.now());
        let claims = claims.map_err(|refused| {
            refuse(match refused {
                Refused::Malformed => NO_TOKEN.to_owned(),
                Refused::Signature => {
                    "AKV10046: Unable to resolve the key used for signature validation.".to_owned()
                }
                Refused::Lifetime => "[TokenExpired] Error validating token: 'S2S12005'.".to_owned(),
            })
        })?;
        // Letter by letter: the resource with a slash behind it is another one.
        let public = self.suffix.is_none_or(|suffix| !suffix.starts_with("vault."));
        let is_mine = [resource.as_str(), KEY_VAULT].contains(&claims.aud.as_str())
            || (public && claims.aud == "https://vault.azure.net");
        if !is_mine {
            return Err(refuse(format!(
                "AKV10022: Invalid audience. Expected {resource}, found: {}.",
                claims.aud
            )));
        }
        if !claims.tid.eq_ignore_ascii_case(&tenant) && !self.world.allow_any_token {
            return Err(refuse(format!(
                "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{tenant}/, found {}.",
                claims.iss
            )));
        }
        Ok(claims)
    }
}

/// Path segments, decoded, without the empty one that a trailing slash leaves.
fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect()
}

/// The api-version: 7.2 to 7.6 with previews, or one that is a date.
fn api_version(request: &Request<Body>) -> Result<String, VaultError> {
    let Some(version) = reply::query(request, "api-version") else {
        return Err(VaultError::bad_parameter("The request URI is missing the api-version query parameter."));
    };
    let release = version.split_once('-').map_or(version.as_str(), |(release, _)| release);
    let numbered = matches!(release, "7.2" | "7.3" | "7.4" | "7.5" | "7.6");
    let dated = release.len() == 4 && release >= "2025" && release.chars().all(|c| c.is_ascii_digit());
    if numbered || dated {
        return Ok(version);
    }
    Err(VaultError::bad_parameter(format!(
        "The specified version ({version}) is not recognized. Consider using the latest supported version \
         (7.6)."
    )))
}

/// The JSON body of a request.
async fn body<T: DeserializeOwned>(request: Request<Body>) -> Result<T, VaultError> {
    let bytes = reply::read_body(request)
        .await
        .map_err(|status| VaultError::new(status, "BadParameter", "The request body cannot be read."))?;
    // No parser text: it would quote the body.
    serde_json::from_slice(&bytes)
        .map_err(|_| VaultError::bad_parameter("Request body is not specified or not valid JSON."))
}

/// `attributes` as clients write them: times are seconds since 1970.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Attributes {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
}

type Tags = std::collections::BTreeMap<String, String>;

impl Attributes {
    fn times(&self) -> Result<[Option<jiff::Timestamp>; 2], VaultError> {
        let time = |seconds: Option<i64>| {
            seconds.map(jiff::Timestamp::from_second).transpose().map_err(|_| {
                VaultError::bad_parameter("Property attributes has invalid value: a time is out of range.")
            })
        };
        Ok([time(self.nbf)?, time(self.exp)?])
    }

    fn properties(&self, tags: Option<Tags>) -> Result<Properties, VaultError> {
        let [not_before, expires] = self.times()?;
        let tags = tags.unwrap_or_default();
        Ok(Properties { enabled: self.enabled, not_before, expires, tags, ..Properties::default() })
    }

    fn change(&self, tags: Option<Tags>) -> Result<Change, VaultError> {
        let [not_before, expires] = self.times()?;
        Ok(Change { enabled: self.enabled, not_before, expires, tags })
    }
}

fn ok(body: impl Into<Value>) -> Response<Body> {
    reply::json(StatusCode::OK, &body.into())
}

fn method_not_allowed() -> VaultError {
    let text = "The request method is not allowed on this path.";
    VaultError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", text)
}
