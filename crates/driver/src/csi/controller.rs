//! `csi.v1.Controller`, as far as the Go driver has it: it answers what it can do, which is nothing.
//! It is not advertised.

use keymount_proto::csi::controller_server::Controller as Service;
use keymount_proto::csi::controller_service_capability::{Rpc, Type};
use keymount_proto::csi::{
    ControllerGetCapabilitiesRequest, ControllerGetCapabilitiesResponse, ControllerServiceCapability,
    CreateVolumeRequest, CreateVolumeResponse, DeleteVolumeRequest, DeleteVolumeResponse,
    ValidateVolumeCapabilitiesRequest, ValidateVolumeCapabilitiesResponse,
};
use tonic::{Request, Response, Status};

pub(super) struct Controller;

#[tonic::async_trait]
impl Service for Controller {
    async fn controller_get_capabilities(
        &self,
        _: Request<ControllerGetCapabilitiesRequest>,
    ) -> Result<Response<ControllerGetCapabilitiesResponse>, Status> {
        let unknown = ControllerServiceCapability { r#type: Some(Type::Rpc(Rpc::default())) };
        Ok(Response::new(ControllerGetCapabilitiesResponse { capabilities: vec![unknown] }))
    }

    async fn create_volume(
        &self,
        _: Request<CreateVolumeRequest>,
    ) -> Result<Response<CreateVolumeResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn delete_volume(
        &self,
        _: Request<DeleteVolumeRequest>,
    ) -> Result<Response<DeleteVolumeResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn validate_volume_capabilities(
        &self,
        _: Request<ValidateVolumeCapabilitiesRequest>,
    ) -> Result<Response<ValidateVolumeCapabilitiesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
