//! HTTPS as the calls to Entra, the metadata services and Key Vault need it.
//!
//! A [`Transport`] is one purpose's client: its time-outs, its roots of trust, its proxy rules, its
//! resolver. Redirects are never followed (a bearer token must not travel on), bodies are bounded and
//! held as secrets, and every failure says in Go's words what happened, because people search for those.

mod answer;
mod client;
mod dump;
mod error;
#[cfg(test)]
pub(crate) mod loopback;
mod probe;
mod proxy;
mod request;
mod resolve;
mod retry;
mod roots;
#[cfg(any(test, feature = "testing"))]
mod scripted;

use futures::future::BoxFuture;

pub use answer::Answer;
pub use client::{Transport, TransportOptions, install_tls_provider};
pub use dump::{RULE, SHOWN_BODY_BYTES, credential_dump, error_code, service_dump};
pub use error::{Cause, TransportError};
pub use probe::{ProbeStep, Probed, probe};
pub use proxy::{ProxyError, ProxyRules};
pub use request::{Method, Request};
pub use resolve::Resolver;
pub use retry::{Schedule, retry_after, send_with_retries};
pub use roots::Roots;
#[cfg(any(test, feature = "testing"))]
pub use scripted::{Scripted, answer};

/// Something that carries one HTTP request to a server and its answer back.
///
/// [`Transport`] is the real one. Tests put a script in its place, so that retries and back-offs run
/// on paused time.
pub trait Http: Send + Sync {
    /// Sends one request, once. Any status is an answer; only the lack of one is an error.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Answer, TransportError>>;
}
