//! One request's panic is one failed request.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// Answers INTERNAL when the service behind it panics.
#[derive(Clone, Copy)]
pub(super) struct CatchPanics;

impl<S> Layer<S> for CatchPanics {
    type Service = Caught<S>;

    fn layer(&self, inner: S) -> Caught<S> {
        Caught(inner)
    }
}

#[derive(Clone)]
pub(super) struct Caught<S>(S);

type Answer = Result<http::Response<Body>, Infallible>;

impl<S> Service<http::Request<Body>> for Caught<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = request.uri().path().to_owned();
        let answer = AssertUnwindSafe(self.0.call(request)).catch_unwind();
        Box::pin(async move {
            answer.await.unwrap_or_else(|panic| {
                // The panic's own text may quote data; only its place is known to be harmless, and the
                // panic hook has logged that.
                drop::<Box<dyn Any + Send>>(panic);
                tracing::error!(method, "a request panicked; it is answered with an error");
                Ok(Status::internal("internal error: the request panicked; see the log of this daemon")
                    .into_http())
            })
        })
    }
}
