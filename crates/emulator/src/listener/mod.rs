//! The HTTP servers of the emulator: accept, TLS, HTTP/1.1 and HTTP/2, counting, clean end.
//!
//! There are no time-outs on purpose: a test may pause the clock or keep a request hanging. The number
//! of connections is bounded instead.

mod observe;
mod socket;
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::faults::Reset;
use crate::traffic::Traffic;

pub use observe::{Observer, authority, host_of};
use socket::Socket;

/// Connections one server holds at once; more wait in the backlog.
const MAX_CONNECTIONS: usize = 4096;

/// Pause after an accept that failed for want of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// Number of the connection, unique in this process.
    pub id: u64,
    /// Address of the client.
    pub peer: SocketAddr,
}

/// Answers the requests of one server.
pub trait Handler: Send + Sync + 'static {
    /// The answer, or that the connection is to be reset.
    fn answer(
        &self,
        request: Request<Body>,
        connection: Connection,
    ) -> impl Future<Output = Result<Response<Body>, Reset>> + Send;
}

/// A server that runs until it is shut down or dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves a bound socket. `name` is under which connections are counted.
    ///
    /// # Errors
    /// If the socket has no local address.
    pub fn start(
        listener: TcpListener,
        name: &'static str,
        tls: Option<TlsAcceptor>,
        traffic: Traffic,
        handler: impl Handler,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let site = Arc::new(Site { name, tls, traffic, handler, stop: stop.clone() });
        let task = tokio::spawn(accept(listener, site));
        Ok(Self { address, stop, task: Some(task) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, lets requests under way finish for so long, then ends them.
    pub async fn shutdown(mut self, patience: Duration) {
        self.stop.cancel();
        if let Some(mut task) = self.task.take()
            && tokio::time::timeout(patience, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Site<H> {
    name: &'static str,
    tls: Option<TlsAcceptor>,
    traffic: Traffic,
    handler: H,
    stop: CancellationToken,
}

async fn accept<H: Handler>(listener: TcpListener, site: Arc<Site<H>>) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Dropping the set, also by an abort of this task, ends all connections.
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&room).acquire_owned();
        let accepted = tokio::select! {
            () = site.stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = async { (place.await, listener.accept().await) } => accepted,
        };
        let (place, (stream, peer)) = match accepted {
            (Ok(place), Ok(accepted)) => (place, accepted),
            // A client that is gone already concerns nobody else.
            (_, Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            // Mostly no descriptor is left. There is no event that tells when one is free again.
            _ => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = Connection { id: LAST.fetch_add(1, Ordering::Relaxed), peer };
        let site = Arc::clone(&site);
        connections.spawn(async move {
            site.connect(stream, connection).await;
            drop(place);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

impl<H: Handler> Site<H> {
    async fn connect(self: Arc<Self>, stream: TcpStream, connection: Connection) {
        self.traffic.connection(self.name, |counts| counts.accepted += 1);
        // Small answers at once; if it cannot be had, they come later.
        let _ = stream.set_nodelay(true);
        let (socket, reset) = Socket::new(stream);
        let Some(tls) = &self.tls else {
            return self.serve(TokioIo::new(socket), connection, reset).await;
        };
        let handshake = tokio::select! {
            () = self.stop.cancelled() => return,
            handshake = tls.accept(socket) => handshake,
        };
        match handshake {
            Err(_) => self.traffic.connection(self.name, |counts| counts.failed_handshakes += 1),
            Ok(stream) => {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.traffic.connection(self.name, |counts| {
                    counts.handshakes += 1;
                    counts.http2 += u64::from(http2);
                });
                self.serve(TokioIo::new(stream), connection, reset).await;
            }
        }
    }

    async fn serve<I>(self: Arc<Self>, io: I, connection: Connection, reset: socket::ResetOnDrop)
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let broken = CancellationToken::new();
        let service = hyper::service::service_fn(|request: Request<Incoming>| {
            let (site, reset, broken) = (Arc::clone(&self), reset.clone(), broken.clone());
            async move {
                let answer = site.handler.answer(request.map(Body::new), connection).await;
                if answer.is_err() {
                    reset.arm();
                    broken.cancel();
                }
                answer
            }
        });
        let http = Builder::new(TokioExecutor::new());
        let serving = http.serve_connection(io, service);
        tokio::pin!(serving);
        tokio::select! {
            _ = &mut serving => return,
            () = broken.cancelled() => return,
            () = self.stop.cancelled() => serving.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = serving => {}
            () = broken.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests;
