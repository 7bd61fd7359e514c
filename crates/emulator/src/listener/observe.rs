//! What every emulated service does around a request: count it, and let the fault rules have it first.

use axum::body::Body;
use http::header::{HOST, USER_AGENT};
use http::uri::Authority;
use http::{Request, Response};

use super::Connection;
use crate::faults::{Facts, Failure, Faults, Reset, Service};
use crate::traffic::{self, Kind, Tally, Traffic};

/// The counters and fault rules of one emulator.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    /// Fault rules.
    pub faults: Faults,
    /// Counters.
    pub traffic: Traffic,
}

impl Observer {
    /// Counts a request and answers it through the fault rules. `render` words a fault's error as the
    /// service would; `handle` gives the true answer.
    ///
    /// # Errors
    /// [`Reset`], which the server carries out.
    pub async fn answer<H>(
        &self,
        service: Service,
        connection: Connection,
        request: Request<Body>,
        render: impl Fn(&Failure) -> Response<Body>,
        handle: impl FnOnce(Request<Body>) -> H,
    ) -> Result<Response<Body>, Reset>
    where
        H: Future<Output = Response<Body>>,
    {
        let host = host_of(&request);
        self.answer_as(service, host, connection, request, render, handle).await
    }

    /// The same under a host name of the caller's choice: what came by address and belongs to a vault is
    /// counted and disturbed as that vault's.
    ///
    /// # Errors
    /// [`Reset`], which the server carries out.
    pub async fn answer_as<H>(
        &self,
        service: Service,
        host: String,
        connection: Connection,
        request: Request<Body>,
        render: impl Fn(&Failure) -> Response<Body>,
        handle: impl FnOnce(Request<Body>) -> H,
    ) -> Result<Response<Body>, Reset>
    where
        H: Future<Output = Response<Body>>,
    {
        let kind = Kind {
            service,
            host,
            method: request.method().as_str().to_owned(),
            path: request.uri().path().to_owned(),
            status: 0,
        };
        let tally = Tally::new(
            &self.traffic,
            traffic::Request {
                kind: kind.clone(),
                query: request.uri().query().unwrap_or_default().to_owned(),
                connection: connection.id,
                version: request.version(),
                user_agent: header_text(&request, &USER_AGENT),
            },
        );
        let facts = Facts { service, host: &kind.host, method: &kind.method, path: &kind.path };
        let response = self.faults.answer(&facts, render, async { handle(request).await }).await?;
        tally.answered(response.status());
        Ok(response)
    }
}

fn header_text(request: &Request<Body>, name: &http::HeaderName) -> String {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Host and port as the client wrote them (`:authority` of HTTP/2, `Host` of HTTP/1.1).
#[must_use]
pub fn authority(request: &Request<Body>) -> Option<Authority> {
    let from_uri = request.uri().authority().cloned();
    from_uri.or_else(|| Authority::try_from(request.headers().get(HOST)?.as_bytes()).ok())
}

/// Host name without port; empty if the client sent none.
#[must_use]
pub fn host_of(request: &Request<Body>) -> String {
    authority(request).map(|authority| authority.host().to_owned()).unwrap_or_default()
}
