//! How much memory the replies of providers may take while they are received and written.
//!
//! A reply says its length in its first five bytes. A large one is read on only when the memory for it is there, and
//! holds it until its files are written; until then flow control keeps the rest of it with the provider. So many
//! large replies at once take turns, where they would take the process past the memory limit of its container.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use http_body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::transport::Channel;
use tower::Service;

/// Replies of this many bytes or fewer are not counted: what a connection may have under way anyhow.
const SMALL: usize = 64 << 10;

/// A reply is there up to three times: as it was received, in a buffer that grew by doubling, and decoded.
const COPIES: usize = 3;

/// Permits are for so many bytes, because their number is limited.
const UNIT: usize = 1 << 10;

/// Length of what stands before a gRPC message: a flag and the length in four bytes.
const PREFIX: usize = 5;

/// The memory for replies that are received and written.
#[derive(Clone)]
pub(crate) struct ReplyMemory {
    units: Arc<Semaphore>,
    total: u32,
}

/// The memory of one reply; dropping gives it back.
#[derive(Clone, Default)]
pub(crate) struct HeldMemory(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl ReplyMemory {
    /// So many bytes for all replies. A single one may be larger than that.
    pub(super) fn new(bytes: usize) -> Self {
        let total = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 4);
        Self { units: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Bytes that replies hold now.
    pub(super) fn used(&self) -> usize {
        (self.total as usize - self.units.available_permits()) * UNIT
    }

    /// Bytes there are in all.
    pub(super) const fn limit(&self) -> usize {
        self.total as usize * UNIT
    }

    /// Waits for the memory of a reply of this length.
    fn take(&self, length: usize) -> BoxFuture<'static, Option<OwnedSemaphorePermit>> {
        let units = (length.saturating_mul(COPIES) / UNIT).max(1);
        let units = u32::try_from(units).unwrap_or(u32::MAX).min(self.total);
        Arc::clone(&self.units).acquire_many_owned(units).map(Result::ok).boxed()
    }
}

/// A channel whose replies wait for their memory. A call brings the [`HeldMemory`] of its reply among its extensions.
#[derive(Clone)]
pub(super) struct Metered {
    pub(super) channel: Channel,
    pub(super) memory: ReplyMemory,
}

impl Service<http::Request<tonic::body::Body>> for Metered {
    type Response = http::Response<MeteredBody<tonic::body::Body>>;
    type Error = tonic::transport::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let held = request.extensions().get::<HeldMemory>().cloned().unwrap_or_default();
        let memory = self.memory.clone();
        self.channel
            .call(request)
            .map_ok(|response| {
                response.map(|inner| MeteredBody { inner, memory, held, state: State::Prefix(Vec::new()) })
            })
            .boxed()
    }
}

/// The body of a reply.
pub(super) struct MeteredBody<B> {
    inner: B,
    memory: ReplyMemory,
    held: HeldMemory,
    state: State,
}

enum State {
    /// The length is not known yet; these bytes of it are.
    Prefix(Vec<u8>),
    /// The memory is not there yet; this frame has been received.
    Waits(BoxFuture<'static, Option<OwnedSemaphorePermit>>, Option<Bytes>),
    /// All else is read as it comes.
    Open,
}

impl<B: Body<Data = Bytes, Error = Status> + Unpin> Body for MeteredBody<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Open => return Pin::new(&mut this.inner).poll_frame(context),
                State::Waits(memory, frame) => {
                    let permit = ready!(memory.poll_unpin(context));
                    *this.held.0.lock().unwrap_or_else(PoisonError::into_inner) = permit;
                    let frame = frame.take().unwrap_or_default();
                    this.state = State::Open;
                    return Poll::Ready(Some(Ok(Frame::data(frame))));
                }
                State::Prefix(seen) => {
                    let Some(frame) = ready!(Pin::new(&mut this.inner).poll_frame(context)) else {
                        return Poll::Ready(None);
                    };
                    let data = match frame?.into_data() {
                        Ok(data) => data,
                        Err(other) => return Poll::Ready(Some(Ok(other))),
                    };
                    seen.extend(data.iter().take(PREFIX - seen.len()));
                    let &[_, a, b, c, d] = seen.as_slice() else {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    };
                    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                    if length <= SMALL {
                        this.state = State::Open;
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    this.state = State::Waits(this.memory.take(length), Some(data));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        !matches!(self.state, State::Waits(..)) && self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, poll, stream};
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// A message of so many bytes, in frames of this size.
    fn body(
        memory: &ReplyMemory,
        length: u32,
        frame: usize,
    ) -> (MeteredBody<impl Body<Data = Bytes, Error = Status> + Unpin>, HeldMemory) {
        let mut bytes = vec![0];
        bytes.extend(length.to_be_bytes());
        bytes.extend(std::iter::repeat_n(b'x', length as usize));
        let frames: Vec<_> =
            bytes.chunks(frame).map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
        let held = HeldMemory::default();
        let inner = StreamBody::new(stream::iter(frames).boxed());
        let state = State::Prefix(Vec::new());
        (MeteredBody { inner, memory: memory.clone(), held: held.clone(), state }, held)
    }

    #[tokio::test]
    async fn a_reply_comes_through_as_it_is_whatever_its_frames() {
        let memory = ReplyMemory::new(1 << 20);
        for (length, frame) in [(0, 1), (10, 1), (10, 100), (100_000, 3), (100_000, 7000)] {
            let (body, held) = body(&memory, length, frame);
            let all = body.collect().await.unwrap().to_bytes();
            assert_eq!(all.len(), PREFIX + length as usize);
            assert_eq!(memory.used() > 0, length as usize > SMALL, "{length}");
            drop(held);
            assert_eq!(memory.used(), 0);
        }
    }

    #[tokio::test]
    async fn large_replies_take_turns_and_small_ones_pass() {
        let memory = ReplyMemory::new(1 << 20);
        let (first, held) = body(&memory, 300_000, 7000);
        first.collect().await.unwrap();
        let (second, held_too) = body(&memory, 300_000, 7000);
        let mut second = second.collect();
        assert!(poll!(&mut second).is_pending());
        let (small, _) = body(&memory, 1000, 7000);
        small.collect().await.unwrap();
        drop(held);
        second.await.unwrap();
        drop(held_too);
        assert_eq!(memory.used(), 0);
    }

    #[tokio::test]
    async fn a_reply_larger_than_all_memory_goes_alone() {
        let memory = ReplyMemory::new(1 << 10);
        let (body, _held) = body(&memory, 100_000, 7000);
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 100_005);
        assert_eq!(memory.used(), memory.limit());
    }
}
