//! `csi.v1.Identity`.

use keymount_daemon::build::BUILD;
use keymount_proto::csi::identity_server::Identity as Service;
use keymount_proto::csi::{
    GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse, GetPluginInfoRequest, GetPluginInfoResponse,
    ProbeRequest, ProbeResponse,
};
use tonic::{Request, Response, Status};

pub(super) struct Identity {
    pub(super) driver_name: String,
}

#[tonic::async_trait]
impl Service for Identity {
    async fn get_plugin_info(
        &self,
        _: Request<GetPluginInfoRequest>,
    ) -> Result<Response<GetPluginInfoResponse>, Status> {
        if self.driver_name.is_empty() {
            return Err(Status::unavailable("driver name not configured"));
        }
        Ok(Response::new(GetPluginInfoResponse {
            name: self.driver_name.clone(),
            vendor_version: BUILD.version.to_owned(),
            manifest: std::collections::HashMap::new(),
        }))
    }

    /// None. The Go driver advertises a controller service that it does not have.
    async fn get_plugin_capabilities(
        &self,
        _: Request<GetPluginCapabilitiesRequest>,
    ) -> Result<Response<GetPluginCapabilitiesResponse>, Status> {
        Ok(Response::new(GetPluginCapabilitiesResponse::default()))
    }

    async fn probe(&self, _: Request<ProbeRequest>) -> Result<Response<ProbeResponse>, Status> {
        Ok(Response::new(ProbeResponse { ready: Some(true) }))
    }
}
