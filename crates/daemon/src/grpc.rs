//! gRPC over a unix socket: endpoint notation, listening, serving, dialling.

mod accept;
mod authority;
mod panics;

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use hyper_util::rt::TokioIo;
use rustix::fs::Mode;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint as HttpEndpoint, Server};
use tower::service_fn;

use authority::AnyAuthority;
use panics::CatchPanics;

/// Largest list of header or trailer fields in bytes: that of programs written in Go. The text of an error is a
/// trailer, and may quote long answers of a cloud.
const MAX_HEADER_LIST: u32 = 16 * 1024 * 1024;

/// Where a daemon listens, in the notation of the Go programs: `unix://path` (a `/` is put in front
/// of the path) or `tcp://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP address; `:port` means every address of the machine.
    Tcp(String),
}

/// The endpoint is written in no form the daemons know.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid endpoint: {0} (write unix:///path/to.sock or tcp://host:port)")]
pub struct InvalidEndpoint(String);

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let invalid = || InvalidEndpoint(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(invalid)?;
        match scheme.to_ascii_lowercase().as_str() {
            _ if rest.is_empty() => Err(invalid()),
            "unix" => Ok(Self::Unix(Path::new("/").join(rest.trim_start_matches('/')))),
            "tcp" => Ok(Self::Tcp(rest.to_owned())),
            _ => Err(invalid()),
        }
    }
}

/// The socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Something that is no socket stands at the path; it is left alone.
    #[error("failed to listen: {0} exists and is no socket; move it away or choose another --endpoint")]
    NotASocket(PathBuf),
    /// The operating system refused.
    #[error("failed to listen on {endpoint}: {source}")]
    Io {
        /// Path or address.
        endpoint: String,
        /// What it said.
        source: io::Error,
    },
}

/// An open socket. A unix socket's file goes away with it.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Unix { listener: UnixListener, file: SocketFile },
    Tcp(TcpListener),
}

/// Removes the socket file when dropped, unless another process has put its own there since.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// Opens the socket. A socket file left by an earlier process is replaced; the new one is
    /// accessible to this user only (mode 0700).
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn bind(endpoint: &Endpoint) -> Result<Self, ListenError> {
        match endpoint {
            Endpoint::Unix(path) => Self::bind_unix(path),
            Endpoint::Tcp(address) => crate::http::bind(address)
                .await
                .map(|listener| Self(Kind::Tcp(listener)))
                .map_err(|source| ListenError::Io { endpoint: address.clone(), source }),
        }
    }

    fn bind_unix(path: &Path) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Io { endpoint: path.display().to_string(), source };
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(ListenError::NotASocket(path.to_owned()));
            }
            Ok(_) => std::fs::remove_file(path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        // The mode must be right from the first moment; files written elsewhere set theirs explicitly.
        let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
        let bound = UnixListener::bind(path);
        rustix::process::umask(before);
        let listener = bound.map_err(failed)?;
        let inode = std::fs::symlink_metadata(path).map_err(failed)?.ino();
        Ok(Self(Kind::Unix { listener, file: SocketFile { path: path.to_owned(), inode } }))
    }

    /// Where it listens, for the log.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.0 {
            Kind::Unix { file, .. } => file.path.display().to_string(),
            Kind::Tcp(listener) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |a| a.to_string())
            }
        }
    }
}

/// Serves until `shutdown` is cancelled, then lets running requests end for at most `drain`.
/// A panic in one request becomes that request's INTERNAL error. On a unix socket every `:authority` is taken, as
/// servers written in Go take it.
///
/// # Errors
/// The transport failed while it was accepting connections.
pub async fn serve(
    listener: Listener,
    routes: Routes,
    shutdown: CancellationToken,
    drain: Duration,
) -> Result<(), tonic::transport::Error> {
    let server =
        Server::builder().http2_max_header_list_size(MAX_HEADER_LIST).layer(CatchPanics).add_routes(routes);
    let stop = shutdown.clone().cancelled_owned();
    let overdue = async move {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    let serving = async {
        match listener.0 {
            Kind::Unix { listener, file } => {
                let incoming = accept::unix(listener).map(|stream| stream.map(AnyAuthority::new));
                let served = server.serve_with_incoming_shutdown(incoming, stop).await;
                drop(file);
                served
            }
            Kind::Tcp(listener) => server.serve_with_incoming_shutdown(accept::tcp(listener), stop).await,
        }
    };
    tokio::select! {
        served = serving => served,
        () = overdue => {
            tracing::warn!(seconds = drain.as_secs(), "requests still running after the drain time, ending them");
            Ok(())
        }
    }
}

/// What may be under way of one answer that nobody reads yet. A socket has no latency that a larger one would hide.
const STREAM_WINDOW: u32 = 64 << 10;

/// The same for all answers of a connection: those that are not read must never keep the others back.
const CONNECTION_WINDOW: u32 = 256 << 20;

/// A channel to the socket that dials on first use and again whenever the connection is lost. The
/// authority is `localhost`: other implementations refuse a socket path there.
#[must_use]
pub fn channel(path: &Path) -> Channel {
    dialling(path, None)
}

/// Like [`channel`], but the first connection is one that the caller has dialled, and so knows the
/// outcome of.
#[must_use]
pub fn channel_over(path: &Path, first: UnixStream) -> Channel {
    dialling(path, Some(first))
}

fn dialling(path: &Path, first: Option<UnixStream>) -> Channel {
    let path = path.to_owned();
    let first = Arc::new(Mutex::new(first));
    let endpoint = HttpEndpoint::from_static("http://localhost")
        .http2_max_header_list_size(MAX_HEADER_LIST)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    endpoint.connect_with_connector_lazy(service_fn(move |_| {
        let path = path.clone();
        let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move {
            match first {
                Some(stream) => Ok(stream),
                None => UnixStream::connect(path).await,
            }
            .map(TokioIo::new)
        }
    }))
}

#[cfg(test)]
mod tests;
