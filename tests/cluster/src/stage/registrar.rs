//! What the node-driver-registrar sidecar does for a driver that does not register itself.

use std::path::Path;
use std::time::Duration;

use keymount_daemon::grpc::{Endpoint, Listener, serve};
use keymount_proto::registration::registration_server::{Registration, RegistrationServer};
use keymount_proto::registration::{InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// A registration socket; it goes away with this.
pub struct Registrar(#[expect(dead_code, reason = "it acts when it is dropped")] DropGuard);

struct Service(PluginInfo);

impl Registrar {
    /// Offers a driver to kubelet. Its CSI socket has to answer already.
    ///
    /// # Panics
    /// If the socket cannot be made.
    pub async fn start(registry: &Path, driver_name: &str, csi_socket: &Path) -> Self {
        let endpoint = Endpoint::Unix(registry.join(format!("{driver_name}-reg.sock")));
        let listener = Listener::bind(&endpoint).await.expect("a registration socket");
        let info = PluginInfo {
            r#type: "CSIPlugin".to_owned(),
            name: driver_name.to_owned(),
            endpoint: csi_socket.display().to_string(),
            supported_versions: vec!["1.0.0".to_owned()],
        };
        let stop = CancellationToken::new();
        let routes = Routes::new(RegistrationServer::new(Service(info)));
        tokio::spawn(serve(listener, routes, stop.clone(), Duration::ZERO));
        Self(stop.drop_guard())
    }
}

#[tonic::async_trait]
impl Registration for Service {
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(self.0.clone()))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        let status = request.into_inner();
        assert!(status.plugin_registered, "kubelet refused: {}", status.error);
        Ok(Response::new(RegistrationStatusResponse {}))
    }
}
