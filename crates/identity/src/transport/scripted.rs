//! A script in the place of a server.

use std::sync::Mutex;
use std::sync::PoisonError;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::StatusCode;
use keymount_sensitive::SecretBytes;

use super::{Answer, Http, Request, TransportError};

type Handler = dyn Fn(Request) -> BoxFuture<'static, Result<Answer, TransportError>> + Send + Sync;

/// Answers requests by a function and remembers what was asked.
pub struct Scripted {
    handler: Box<Handler>,
    log: Mutex<Vec<String>>,
}

impl Scripted {
    /// Answers each request with what `handler` makes of it.
    pub fn new<F>(handler: impl Fn(Request) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Answer, TransportError>> + Send + 'static,
    {
        Self { handler: Box::new(move |request| handler(request).boxed()), log: Mutex::default() }
    }

    /// `METHOD url` of every request so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests had this text in their method and URL.
    pub fn count(&self, part: &str) -> usize {
        self.log().iter().filter(|line| line.contains(part)).count()
    }
}

impl Http for Scripted {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Answer, TransportError>> {
        let line = format!("{} {}", request.method().as_str(), request.url());
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        (self.handler)(request)
    }
}

/// An answer with a status and a body.
#[must_use]
pub fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: http::HeaderMap::new(),
        body: SecretBytes::new(body.into()),
    }
}

impl Answer {
    /// The same answer with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = value.parse() {
            self.headers.insert(name, value);
        }
        self
    }
}
