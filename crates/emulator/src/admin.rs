//! The admin API: JSON over plain HTTP on loopback, for tests in other languages and for people.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /` | where everything is |
//! | `GET /ca` | the CA certificate, PEM |
//! | `POST /seed` | adds what a seed (YAML or JSON) describes |
//! | `GET /faults`, `POST /faults`, `DELETE /faults`, `DELETE /faults/{id}` | the fault rules |
//! | `POST /faults/release` | lets go what a `hang` holds |
//! | `GET /traffic`, `DELETE /traffic` | totals and connections; starts them again at zero |
//! | `GET /traffic/journal` | the last requests; `?service=`, `?host=`, `?method=`, `?path=` narrow it |
//! | `PUT /vaults/{name}/access`, `PUT /vaults/{name}/listing` | who may do what; how lists are paged |
//! | `POST /tokens` | an access token for `{"clientId": .., "resource": ..}` |
//! | `DELETE /identities/{clientId}` | takes an identity away |
//!
//! Requests with an `Origin` header are refused: no web page is to steer an emulator.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::emulator::Started;
use crate::faults::{Match, Reset, Rule, RuleId, Service};
use crate::listener::{Connection, Handler, tls::Ca};
use crate::reply;
use crate::seed::Seed;
use crate::world::Shared;

/// Answers on the admin port.
pub(crate) struct Admin {
    pub(crate) world: Shared,
    pub(crate) ca: Arc<Ca>,
    pub(crate) started: Started,
}

/// A refusal with its reason.
struct Refused(StatusCode, String);

impl Refused {
    fn bad(reason: impl std::fmt::Display) -> Self {
        Self(StatusCode::BAD_REQUEST, reason.to_string())
    }

    fn not_found() -> Self {
        Self(StatusCode::NOT_FOUND, "There is no such thing.".to_owned())
    }
}

type Answer = Result<Response<Body>, Refused>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TokenRequest {
    client_id: String,
    #[serde(default)]
    resource: Option<String>,
}

impl Handler for Admin {
    async fn answer(&self, request: Request<Body>, _: Connection) -> Result<Response<Body>, Reset> {
        let answer = if request.headers().contains_key(http::header::ORIGIN) {
            Err(Refused(StatusCode::FORBIDDEN, "Requests of web pages are refused.".to_owned()))
        } else {
            self.route(request).await
        };
        Ok(answer.unwrap_or_else(|Refused(status, reason)| reply::json(status, &json!({ "error": reason }))))
    }
}

impl Admin {
    async fn route(&self, request: Request<Body>) -> Answer {
        let observer = &self.world.observer;
        let path = request.uri().path().to_owned();
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match (request.method().clone(), segments.as_slice()) {
            (Method::GET, []) => Ok(reply::json(StatusCode::OK, &self.started.refreshed(&self.world))),
            (Method::GET, ["ca"]) => Ok(reply::text(StatusCode::OK, &self.ca.pem().map_err(Refused::bad)?)),
            (Method::POST, ["seed"]) => self.seed(request).await,
            (Method::GET, ["faults"]) => Ok(reply::json(StatusCode::OK, &observer.faults.list())),
            (Method::POST, ["faults"]) => {
                let rule: Rule = body(request).await?;
                Ok(reply::json(StatusCode::CREATED, &json!({ "id": observer.faults.add(rule) })))
            }
            (Method::POST, ["faults", "release"]) => {
                observer.faults.release();
                Ok(done())
            }
            (Method::DELETE, ["faults"]) => {
                observer.faults.clear();
                Ok(done())
            }
            (Method::DELETE, ["faults", id]) => {
                let id: u64 = id.parse().map_err(|_| Refused::not_found())?;
                if observer.faults.remove(RuleId::from(id)) { Ok(done()) } else { Err(Refused::not_found()) }
            }
            (Method::GET, ["traffic"]) => Ok(reply::json(StatusCode::OK, &observer.traffic.snapshot())),
            (Method::DELETE, ["traffic"]) => {
                observer.traffic.reset();
                Ok(done())
            }
            (Method::GET, ["traffic", "journal"]) => {
                let matches = matches(&request)?;
                Ok(reply::json(StatusCode::OK, &observer.traffic.journal(&matches)))
            }
            (Method::PUT, ["vaults", name, "access"]) => {
                let vault = self.world.vaults.get(name).ok_or_else(Refused::not_found)?;
                vault.set_access(body(request).await?);
                Ok(done())
            }
            (Method::PUT, ["vaults", name, "listing"]) => {
                let vault = self.world.vaults.get(name).ok_or_else(Refused::not_found)?;
                vault.set_listing(body(request).await?);
                Ok(done())
            }
            (Method::POST, ["tokens"]) => {
                let asked: TokenRequest = body(request).await?;
                let resource = asked.resource.as_deref().unwrap_or("https://vault.azure.net");
                let token = self.world.token(&asked.client_id, resource).ok_or_else(Refused::not_found)?;
                Ok(reply::json(StatusCode::OK, &json!({ "accessToken": token })))
            }
            (Method::DELETE, ["identities", client_id]) => {
                if self.world.directory.remove(client_id) {
                    Ok(done())
                } else {
                    Err(Refused::not_found())
                }
            }
            _ => Err(Refused::not_found()),
        }
    }

    async fn seed(&self, request: Request<Body>) -> Answer {
        let bytes = reply::read_body(request).await.map_err(|status| Refused(status, String::new()))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Refused::bad("The seed is not UTF-8."))?;
        let seed = Seed::parse(text).map_err(Refused::bad)?;
        seed.apply(&self.world).await.map_err(Refused::bad)?;
        Ok(done())
    }
}

fn done() -> Response<Body> {
    reply::json(StatusCode::OK, &json!({}))
}

fn matches(request: &Request<Body>) -> Result<Match, Refused> {
    let service = reply::query(request, "service").map(|name| {
        let unknown = |_| Refused::bad("There is no such service.");
        Service::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(&name))
            .map_err(unknown)
    });
    Ok(Match {
        service: service.transpose()?,
        host: reply::query(request, "host").map(Into::into),
        method: reply::query(request, "method"),
        path: reply::query(request, "path").map(Into::into),
    })
}

async fn body<T: DeserializeOwned>(request: Request<Body>) -> Result<T, Refused> {
    let bytes = reply::read_body(request).await.map_err(|status| Refused(status, String::new()))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        // The parser's own text could quote a secret.
        let (line, column) = (error.line(), error.column());
        Refused::bad(format!("The body does not fit, at line {line}, column {column}."))
    })
}
