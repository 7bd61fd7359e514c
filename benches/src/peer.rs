//! A provider that answers at once.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use keymount_proto::provider::csi_driver_provider_server::{CsiDriverProvider, CsiDriverProviderServer};
use keymount_proto::provider::{
    File, MountRequest, MountResponse, ObjectVersion, VersionRequest, VersionResponse,
};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Files of a reply.
pub(crate) const FILES: usize = 10;

/// A provider on a socket; it ends with the runtime.
#[derive(Clone)]
pub(crate) struct Peer(Arc<State>);

struct State {
    version: AtomicU64,
    calls: AtomicUsize,
    /// Bytes of the only file, if it is not the usual files.
    large: AtomicUsize,
}

/// Name and content of a file.
pub(crate) fn file(number: usize, version: u64) -> (String, String) {
    (format!("file-{number}"), format!("content {number} of version {version}, {:064}", 0))
}

impl Peer {
    /// Listens on `<directory>/bench.sock`.
    pub(crate) fn start(directory: &Path) -> anyhow::Result<Self> {
        let socket = directory.join("bench.sock");
        let listener = UnixListener::bind(&socket)?;
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600))?;
        let peer = Self(Arc::new(State {
            version: AtomicU64::new(1),
            calls: AtomicUsize::new(0),
            large: AtomicUsize::new(0),
        }));
        let server = Server::builder().add_service(CsiDriverProviderServer::new(peer.clone()));
        tokio::spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
        Ok(peer)
    }

    /// Answers with content of the next version from now on, which is given.
    pub(crate) fn next_version(&self) -> u64 {
        self.0.version.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Answers with one file of so many bytes from now on.
    pub(crate) fn answer_with(&self, bytes: usize) {
        self.0.large.store(bytes, Ordering::SeqCst);
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }
}

#[tonic::async_trait]
impl CsiDriverProvider for Peer {
    async fn version(&self, _: Request<VersionRequest>) -> Result<Response<VersionResponse>, Status> {
        Ok(Response::new(VersionResponse {
            version: "v1alpha1".to_owned(),
            runtime_name: "bench".to_owned(),
            runtime_version: "v0".to_owned(),
        }))
    }

    async fn mount(&self, _: Request<MountRequest>) -> Result<Response<MountResponse>, Status> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let version = self.0.version.load(Ordering::SeqCst);
        let large = self.0.large.load(Ordering::SeqCst);
        if large > 0 {
            let object = ObjectVersion { id: "secret/large".to_owned(), version: "1".to_owned() };
            let file = File { path: "large".to_owned(), mode: 0o644, contents: vec![b'x'; large] };
            return Ok(Response::new(MountResponse {
                object_version: vec![object],
                error: None,
                files: vec![file],
            }));
        }
        let files = (0..FILES).map(|number| {
            let (path, content) = file(number, version);
            File { path, mode: 0o644, contents: content.into_bytes() }
        });
        let object = |number| ObjectVersion {
            id: format!("secret/{}", file(number, 0).0),
            version: version.to_string(),
        };
        Ok(Response::new(MountResponse {
            object_version: (0..FILES).map(object).collect(),
            error: None,
            files: files.collect(),
        }))
    }
}
