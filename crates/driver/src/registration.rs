//! Registering with kubelet, which the node-driver-registrar sidecar otherwise does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keymount_daemon::grpc::{Endpoint, Listener, serve};
use keymount_proto::registration::registration_server::{Registration as Service, RegistrationServer};
use keymount_proto::registration::{InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::config::Registration;

/// The one version of CSI there is for kubelet.
const SUPPORTED_VERSION: &str = "1.0.0";

/// Pause before the socket is made anew after kubelet refused: that is how it is asked again.
const RETRY: Duration = Duration::from_secs(10);

struct Registrar {
    driver_name: String,
    endpoint: String,
    registered: watch::Sender<bool>,
    refused: Arc<Notify>,
}

/// Where kubelet finds the socket: `<directory>/<driver name>-reg.sock`.
#[must_use]
pub(crate) fn socket(directory: &Path, driver_name: &str) -> PathBuf {
    directory.join(format!("{driver_name}-reg.sock"))
}

/// Keeps the driver registered until `stop` is cancelled; then the socket goes away, which makes kubelet
/// forget the driver. The CSI socket has to answer before this is called: kubelet tries each
/// registration socket once. A socket that cannot be opened is tried again. `registered` holds kubelet's last word.
pub(crate) async fn keep_registered(
    registration: Registration,
    driver_name: String,
    registered: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let path = socket(&registration.directory, &driver_name);
    while !stop.is_cancelled() {
        match Listener::bind(&Endpoint::Unix(path.clone())).await {
            Ok(listener) => {
                serve_until_refused(listener, &registration, &driver_name, &registered, &stop).await;
            }
            Err(error) => tracing::error!(err = %error, "cannot register with kubelet, trying again"),
        }
        stop.run_until_cancelled(tokio::time::sleep(RETRY)).await;
    }
}

/// Serves the registration until `stop` is cancelled or kubelet has refused it.
async fn serve_until_refused(
    listener: Listener,
    registration: &Registration,
    driver_name: &str,
    registered: &watch::Sender<bool>,
    stop: &CancellationToken,
) {
    tracing::info!(
        socket = listener.address(),
        endpoint = registration.kubelet_registration_path,
        "waiting for kubelet to register this driver"
    );
    let refused = Arc::new(Notify::new());
    let registrar = Registrar {
        driver_name: driver_name.to_owned(),
        endpoint: registration.kubelet_registration_path.clone(),
        registered: registered.clone(),
        refused: Arc::clone(&refused),
    };
    let this_socket = stop.child_token();
    let routes = Routes::new(RegistrationServer::new(registrar));
    let serving = tokio::spawn(serve(listener, routes, this_socket.clone(), Duration::from_secs(1)));
    tokio::select! {
        () = stop.cancelled() => {}
        () = refused.notified() => {}
    }
    this_socket.cancel();
    if let Ok(Err(error)) = serving.await {
        tracing::warn!(err = %error, "the registration socket failed");
    }
}

#[tonic::async_trait]
impl Service for Registrar {
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(PluginInfo {
            r#type: "CSIPlugin".to_owned(),
            name: self.driver_name.clone(),
            endpoint: self.endpoint.clone(),
            supported_versions: vec![SUPPORTED_VERSION.to_owned()],
        }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        let status = request.into_inner();
        self.registered.send_replace(status.plugin_registered);
        if status.plugin_registered {
            tracing::info!(name = self.driver_name, "kubelet has registered this driver");
        } else {
            tracing::error!(
                err = status.error,
                endpoint = self.endpoint,
                "kubelet refused to register this driver, trying again; check that --kubelet-registration-path is the CSI socket's path on the host"
            );
            self.refused.notify_one();
        }
        Ok(Response::new(RegistrationStatusResponse {}))
    }
}
