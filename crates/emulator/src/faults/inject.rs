//! Carries an action out around a handler.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;

use super::{Action, Facts, Faults};

/// The error a service is to answer with, in its own form.
#[derive(Clone, Debug)]
pub struct Failure {
    /// HTTP status.
    pub status: StatusCode,
    /// The service's error code, if the rule names one.
    pub code: Option<String>,
    /// Key Vault's inner error code, if the rule names one.
    pub inner: Option<String>,
    /// Text for people, if the rule has one.
    pub message: Option<String>,
}

/// The connection is to be reset without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connection reset by a fault rule")]
pub struct Reset;

const GARBAGE: &str = "\u{feff}<html><body>not what you asked for";

impl Faults {
    /// Answers a request through the rules: `handle` gives the true answer (and runs only when it is
    /// needed), `render` puts an error into the service's form (`Retry-After` and extra headers are
    /// added here).
    ///
    /// # Errors
    /// [`Reset`] when a rule wants the connection gone; the server has to drop it.
    pub async fn answer<H>(
        &self,
        facts: &Facts<'_>,
        render: impl Fn(&Failure) -> Response<Body>,
        handle: H,
    ) -> Result<Response<Body>, Reset>
    where
        H: Future<Output = Response<Body>>,
    {
        let mut releases = self.0.releases.subscribe();
        let (latency, action) = self.decide(facts);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let Some(action) = action else { return Ok(handle.await) };
        Ok(match action {
            Action::Latency { .. } | Action::Tls { .. } => handle.await,
            Action::Hang => {
                // An error means that the emulator is gone; then nobody waits for the answer either.
                let _ = releases.changed().await;
                handle.await
            }
            Action::Reset => return Err(Reset),
            Action::Respond { status, code, inner, message, retry_after, headers, body } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let mut response = render(&Failure { status, code, inner, message });
                if let Some(body) = body {
                    response.headers_mut().remove(CONTENT_LENGTH);
                    *response.body_mut() = Body::from(body);
                }
                set(&mut response, &RETRY_AFTER, retry_after.as_deref());
                for (name, value) in &headers {
                    if let Ok(name) = name.parse() {
                        set(&mut response, &name, Some(value));
                    }
                }
                response
            }
            Action::Throttle { retry_after, .. } => {
                let failure =
                    Failure { status: StatusCode::TOO_MANY_REQUESTS, code: None, inner: None, message: None };
                let mut response = render(&failure);
                set(&mut response, &RETRY_AFTER, retry_after.as_deref());
                response
            }
            Action::Truncate { after } => truncate(handle.await, after).await,
            Action::ContentLength { off_by } => lie_about_length(handle.await, off_by).await,
            Action::Trickle { bytes, millis } => {
                trickle(handle.await, bytes.max(1) as usize, Duration::from_millis(millis)).await
            }
            Action::Redirect { status, location } => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::TEMPORARY_REDIRECT);
                set(&mut response, &LOCATION, Some(&location));
                response
            }
            Action::Oversize { bytes } => json(Body::from_stream(quoted(bytes))),
            Action::Garbage => json(Body::from(GARBAGE)),
        })
    }
}

fn set(response: &mut Response<Body>, name: &HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        response.headers_mut().insert(name, value);
    }
}

fn json(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// A JSON string of this many bytes, in pieces.
fn quoted(bytes: u64) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send {
    const PIECE: u64 = 64 * 1024;
    let filling = stream::unfold(bytes.saturating_sub(2), |left| async move {
        let size = left.min(PIECE);
        let piece = vec![b'x'; usize::try_from(size).unwrap_or_default()];
        (size > 0).then(|| (Bytes::from(piece), left - size))
    });
    let quote = || stream::iter([Bytes::from_static(b"\"")]);
    quote().chain(filling).chain(quote()).map(Ok)
}

/// Sends the first bytes, then breaks the connection. The length of the whole is announced where it is
/// known, so that a client can tell.
async fn truncate(response: Response<Body>, after: u64) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = http_body::Body::size_hint(&body).exact() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    let cut = stream::try_unfold((body.into_data_stream(), after), |(mut body, left)| async move {
        if left == 0 {
            return Err(broken_off().await);
        }
        match body.next().await {
            None => Err(broken_off().await),
            Some(Err(error)) => Err(std::io::Error::other(error)),
            Some(Ok(piece)) => {
                let taken = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - taken as u64;
                Ok::<_, std::io::Error>(Some((piece.slice(..taken), (body, left))))
            }
        }
    });
    Response::from_parts(head, Body::from_stream(cut))
}

/// Sends the body in small pieces.
async fn trickle(response: Response<Body>, bytes: usize, pause: Duration) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let whole = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    head.headers.insert(CONTENT_LENGTH, whole.len().into());
    let pieces = stream::unfold(whole, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(bytes.min(rest.len()));
        Some((Ok::<_, std::convert::Infallible>(piece), rest))
    });
    Response::from_parts(head, Body::from_stream(pieces))
}

/// Ends a body with an error, once the server has had a chance to send what it has so far: a body that
/// fails at once makes it drop the head as well.
async fn broken_off() -> std::io::Error {
    tokio::task::yield_now().await;
    std::io::Error::other(Reset)
}

/// Announces a wrong length. Too long, and the body ends early; too short, and its end is lost.
async fn lie_about_length(response: Response<Body>, off_by: i64) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let length = i64::try_from(body.len()).unwrap_or(i64::MAX).saturating_add(off_by).max(0);
    head.headers.insert(CONTENT_LENGTH, length.into());
    // As a stream, so that the HTTP server does not know better; too little of it must end in an error.
    let whole = Body::from(body).into_data_stream();
    let missing = stream::iter((off_by > 0).then_some(()));
    let end = missing.then(|()| async { Err(axum::Error::new(broken_off().await)) });
    Response::from_parts(head, Body::from_stream(whole.chain(end)))
}
