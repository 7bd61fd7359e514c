//! The liveness endpoint, which the livenessprobe sidecar otherwise serves: the driver is well if its own
//! socket answers a CSI `Probe`, over a new connection each time.

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use keymount_daemon::grpc::channel;
use keymount_daemon::http::health;
use keymount_proto::csi::ProbeRequest;
use keymount_proto::csi::identity_client::IdentityClient;

/// How long the answer may take; the sidecar's default is 3 s with these manifests.
const TIMEOUT: Duration = Duration::from_secs(3);

/// `/healthz`: 200 `ok`, or 500 with the reason.
pub(crate) fn router(socket: PathBuf) -> Router {
    health("/healthz", StatusCode::INTERNAL_SERVER_ERROR, move || probe(socket.clone()))
}

async fn probe(socket: PathBuf) -> Result<(), String> {
    let mut client = IdentityClient::new(channel(&socket));
    match tokio::time::timeout(TIMEOUT, client.probe(ProbeRequest {})).await {
        Err(_) => Err(format!("the driver did not answer within {} s", TIMEOUT.as_secs())),
        Ok(Err(status)) => Err(status.message().to_owned()),
        Ok(Ok(answer)) if answer.get_ref().ready == Some(false) => {
            Err("driver responded but is not ready".to_owned())
        }
        Ok(Ok(_)) => Ok(()),
    }
}
