//! One HTTP request, with its secrets in custody.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};
use keymount_sensitive::{SecretBytes, SecretString};
use url::Url;

/// How long one try may take when the caller does not say: connecting, sending, and the whole answer.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest body that is read when the caller does not say, in bytes.
const DEFAULT_BODY_LIMIT: usize = 1 << 20;

/// The methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
}

impl Method {
    /// As it stands in a request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// A request that is sent once.
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    pub(super) timeout: Duration,
    pub(super) body_limit: usize,
}

/// Erases the body when the last user of the `Bytes` lets go of it.
struct Erased(SecretBytes);

impl AsRef<[u8]> for Erased {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

impl Request {
    /// A GET.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self {
            method: Method::Get,
            url,
            headers: HeaderMap::new(),
            body: None,
            timeout: DEFAULT_TIMEOUT,
            body_limit: DEFAULT_BODY_LIMIT,
        }
    }

    /// A POST of an `application/x-www-form-urlencoded` body.
    #[must_use]
    pub fn post_form(url: Url, form: SecretBytes) -> Self {
        let request =
            Self { method: Method::Post, body: Some(Bytes::from_owner(Erased(form))), ..Self::get(url) };
        request
            .header(http::header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds `Authorization: <scheme> <secret>`, marked as sensitive so that it is never indexed or
    /// printed. A secret that cannot stand in a header (a line break in it) is left out; the server
    /// then refuses the request.
    #[must_use]
    pub fn authorization(mut self, scheme: &str, secret: &SecretString) -> Self {
        let text = SecretString::new(format!("{scheme} {}", secret.expose()));
        if let Ok(mut value) = HeaderValue::from_str(text.expose()) {
            value.set_sensitive(true);
            self.headers.insert(AUTHORIZATION, value);
        }
        self
    }

    /// Bounds one try, from connecting to the last byte of the answer.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Bounds the answer's body, in bytes.
    #[must_use]
    pub const fn body_limit(mut self, limit: usize) -> Self {
        self.body_limit = limit;
        self
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Where the request goes.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The headers set so far.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body, which may hold credentials.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }
}
