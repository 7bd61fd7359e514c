//! A registered driver and calls of it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use keymount_proto::csi::NodeGetCapabilitiesRequest;
use keymount_proto::csi::node_client::NodeClient;
use keymount_proto::csi::node_service_capability::Type;
use keymount_proto::csi::node_service_capability::rpc::Type as Rpc;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Response, Status};
use tower::service_fn;

/// A driver that has registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// For example `secrets-store.csi.k8s.io`.
    pub name: String,
    /// Its CSI socket.
    pub endpoint: PathBuf,
    /// What it calls this node.
    pub node_id: String,
}

/// A channel to a unix socket, dialled when it is used, with the authority kubelet sends.
pub(super) fn channel(socket: &Path) -> Channel {
    let socket = socket.to_owned();
    Endpoint::from_static("http://localhost").connect_with_connector_lazy(service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(socket).await?)) }
    }))
}

/// A request with a deadline that the other side is told.
pub(super) fn request<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

/// Waits for an answer until the deadline; then the call is cancelled.
pub(super) async fn bounded<T>(
    timeout: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    let late = || Status::deadline_exceeded("context deadline exceeded");
    match tokio::time::timeout(timeout, call).await {
        // The transport watches the deadline too, and calls it a cancellation where gRPC for Go does not.
        Ok(Err(status)) if status.code() == Code::Cancelled && status.message() == "Timeout expired" => {
            Err(late())
        }
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(late()),
    }
}

impl Driver {
    /// A client of its node service, on a connection of its own as kubelet makes one for every call.
    pub(super) fn node(&self) -> NodeClient<Channel> {
        NodeClient::new(channel(&self.endpoint))
    }

    /// What the node service can do.
    pub(super) async fn capabilities(&self, timeout: Duration) -> Result<Vec<Rpc>, Status> {
        let mut node = self.node();
        let call = node.node_get_capabilities(request(NodeGetCapabilitiesRequest {}, timeout));
        let answer = bounded(timeout, call).await?;
        let types = answer.capabilities.into_iter().filter_map(|capability| match capability.r#type {
            Some(Type::Rpc(rpc)) => Some(rpc.r#type()),
            _ => None,
        });
        Ok(types.collect())
    }
}
