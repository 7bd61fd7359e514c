//! `csi.v1.Node`.

use std::sync::Arc;
use std::time::Duration;

use keymount_proto::csi::node_server::Node as Service;
use keymount_proto::csi::node_service_capability::rpc::Type as RpcType;
use keymount_proto::csi::node_service_capability::{Rpc, Type};
use keymount_proto::csi::{
    NodeExpandVolumeRequest, NodeExpandVolumeResponse, NodeGetCapabilitiesRequest,
    NodeGetCapabilitiesResponse, NodeGetInfoRequest, NodeGetInfoResponse, NodeGetVolumeStatsRequest,
    NodeGetVolumeStatsResponse, NodePublishVolumeRequest, NodePublishVolumeResponse, NodeServiceCapability,
    NodeStageVolumeRequest, NodeStageVolumeResponse, NodeUnpublishVolumeRequest, NodeUnpublishVolumeResponse,
    NodeUnstageVolumeRequest, NodeUnstageVolumeResponse,
};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

use crate::error::{PublishError, UnpublishError};
use crate::metrics::Metrics;
use crate::node::Node;
use crate::request::{ArgumentError, PublishRequest, unpublish_target};
use crate::volume::Failure;

/// Kubelet's own limit for a CSI call, for callers that state none.
const DEADLINE: Duration = Duration::from_secs(120);

/// What an answer and the undoing of a failed mount may take of the caller's time: this, or a quarter.
const MARGIN: Duration = Duration::from_secs(5);

pub(super) struct NodeService {
    pub(super) node: Arc<Node>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) node_id: String,
}

impl NodeService {
    /// Counts and logs how a call ended.
    fn answer<T>(
        &self,
        method: &'static str,
        began: Instant,
        result: Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let code = result.as_ref().map_or_else(Status::code, |_| Code::Ok);
        self.metrics.operation(&format!("/csi.v1.Node/{method}"), code, began.elapsed());
        let message = result.as_ref().err().map_or("", Status::message);
        tracing::trace!(
            method, duration = ?began.elapsed(), status.code = ?code, status.message = message, "response"
        );
        result.map(Response::new)
    }

    async fn publish(
        &self,
        request: Request<NodePublishVolumeRequest>,
        began: Instant,
    ) -> Result<(), Arc<PublishError>> {
        let deadline = began + own_share(time_limit(request.metadata()));
        let request = match PublishRequest::decode(request.into_inner()) {
            Ok(request) => request,
            Err(error) => {
                let error = PublishError::from(error);
                self.metrics.publish_failed("", error.answer().1);
                return Err(Arc::new(error));
            }
        };
        let (pod, target) = (request.pod.to_string(), request.target.clone());
        match self.node.node_publish(request, deadline).await {
            Ok(published) => {
                tracing::info!(target_path = %target.display(), pod, ?published, time = ?began.elapsed(), "node publish volume complete");
                Ok(())
            }
            Err(error) => {
                let reason = Failure::from(error.as_ref()).numbered();
                tracing::error!(target_path = %target.display(), pod, err = %error, reason, "failed to mount secrets store object content");
                Err(error)
            }
        }
    }
}

#[tonic::async_trait]
impl Service for NodeService {
    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Result<Response<NodePublishVolumeResponse>, Status> {
        tracing::trace!(request = ?request.get_ref(), "request");
        let began = Instant::now();
        let published = self.publish(request, began).await;
        let answer =
            published.map(|()| NodePublishVolumeResponse {}).map_err(|error| Status::from(error.as_ref()));
        self.answer("NodePublishVolume", began, answer)
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Result<Response<NodeUnpublishVolumeResponse>, Status> {
        tracing::trace!(request = ?request.get_ref(), "request");
        let began = Instant::now();
        let unpublished = match unpublish_target(request.into_inner()) {
            Ok(target) => self.node.node_unpublish(target).await,
            Err(error) => {
                self.metrics.unpublish_failed();
                Err(Arc::new(UnpublishError::from(error)))
            }
        };
        let answer = unpublished
            .map(|()| NodeUnpublishVolumeResponse {})
            .map_err(|error| Status::from(error.as_ref()));
        self.answer("NodeUnpublishVolume", began, answer)
    }

    /// Checks the arguments. Kubelet does not stage inline volumes.
    async fn node_stage_volume(
        &self,
        request: Request<NodeStageVolumeRequest>,
    ) -> Result<Response<NodeStageVolumeResponse>, Status> {
        let request = request.get_ref();
        if request.volume_id.is_empty() {
            return Err(invalid(&ArgumentError::VolumeId));
        }
        if request.staging_target_path.is_empty() {
            return Err(invalid(&ArgumentError::TargetPath));
        }
        if request.volume_capability.is_none() {
            return Err(invalid(&ArgumentError::Capability));
        }
        Ok(Response::new(NodeStageVolumeResponse {}))
    }

    async fn node_unstage_volume(
        &self,
        request: Request<NodeUnstageVolumeRequest>,
    ) -> Result<Response<NodeUnstageVolumeResponse>, Status> {
        let request = request.get_ref();
        if request.volume_id.is_empty() {
            return Err(invalid(&ArgumentError::VolumeId));
        }
        if request.staging_target_path.is_empty() {
            return Err(invalid(&ArgumentError::TargetPath));
        }
        Ok(Response::new(NodeUnstageVolumeResponse {}))
    }

    async fn node_get_volume_stats(
        &self,
        _: Request<NodeGetVolumeStatsRequest>,
    ) -> Result<Response<NodeGetVolumeStatsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn node_expand_volume(
        &self,
        _: Request<NodeExpandVolumeRequest>,
    ) -> Result<Response<NodeExpandVolumeResponse>, Status> {
        Err(Status::unimplemented("NodeExpandVolume is not implemented"))
    }

    /// STAGE_UNSTAGE_VOLUME as the Go driver, and VOLUME_MOUNT_GROUP: the pod's fsGroup is honoured.
    async fn node_get_capabilities(
        &self,
        _: Request<NodeGetCapabilitiesRequest>,
    ) -> Result<Response<NodeGetCapabilitiesResponse>, Status> {
        let capability =
            |rpc: RpcType| NodeServiceCapability { r#type: Some(Type::Rpc(Rpc { r#type: rpc.into() })) };
        let capabilities =
            vec![capability(RpcType::StageUnstageVolume), capability(RpcType::VolumeMountGroup)];
        Ok(Response::new(NodeGetCapabilitiesResponse { capabilities }))
    }

    async fn node_get_info(
        &self,
        _: Request<NodeGetInfoRequest>,
    ) -> Result<Response<NodeGetInfoResponse>, Status> {
        Ok(Response::new(NodeGetInfoResponse {
            node_id: self.node_id.clone(),
            ..NodeGetInfoResponse::default()
        }))
    }
}

fn invalid(error: &ArgumentError) -> Status {
    Status::invalid_argument(error.to_string())
}

/// What is left of the caller's time for the work itself.
fn own_share(limit: Duration) -> Duration {
    limit - MARGIN.min(limit / 4)
}

/// The caller's time limit, from the `grpc-timeout` header: at most eight digits and a unit.
fn time_limit(metadata: &MetadataMap) -> Duration {
    let header = metadata.get("grpc-timeout").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (digits, unit) = header.split_at(header.len().saturating_sub(1));
    let Ok(number) = digits.parse::<u32>() else { return DEADLINE };
    let number = u64::from(number);
    match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => DEADLINE,
    }
    .min(DEADLINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubelets_time_limit_is_read_and_some_of_it_kept_for_the_answer() {
        for (header, expected) in [
            (Some("2M"), 115_000),
            (Some("120000000u"), 115_000),
            (Some("119999m"), 114_999),
            (Some("10S"), 7_500),
            (Some("1S"), 750),
            (Some("99999999H"), 115_000),
            (Some("x"), 115_000),
            (None, 115_000),
        ] {
            let mut metadata = MetadataMap::new();
            if let Some(header) = header {
                metadata.insert("grpc-timeout", header.parse().unwrap());
            }
            assert_eq!(own_share(time_limit(&metadata)).as_millis(), expected, "{header:?}");
        }
    }
}
