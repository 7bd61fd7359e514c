//! The gRPC services: the provider API (v1alpha1) and health.

use std::sync::Arc;
use std::time::Duration;

use keymount_daemon::build::BUILD;
use keymount_keyvault::Lane;
use keymount_proto::health::health_check_response::ServingStatus;
use keymount_proto::health::health_server::{Health, HealthServer};
use keymount_proto::health::{HealthCheckRequest, HealthCheckResponse};
use keymount_proto::provider::csi_driver_provider_server::{CsiDriverProvider, CsiDriverProviderServer};
use keymount_proto::provider::{API_VERSION, MountRequest, MountResponse, VersionRequest, VersionResponse};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::mount::{lane, pod};
use crate::provider::Provider;

/// How the provider calls itself, as upstream does.
pub const RUNTIME_NAME: &str = "secrets-store-csi-driver-provider-azure";

/// A mount whose caller sets no deadline; kubelet's is two minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(110);

/// No mount takes longer, whatever the caller allows.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// Kept back from the caller's deadline, so that the answer with the reason arrives before it.
const MARGIN: Duration = Duration::from_secs(2);

/// One provider's services.
#[derive(Clone)]
pub struct Services(Arc<Provider>);

impl Services {
    /// Services of this provider.
    #[must_use]
    pub const fn new(provider: Arc<Provider>) -> Self {
        Self(provider)
    }

    /// Both services, ready to be served.
    #[must_use]
    pub fn routes(self) -> Routes {
        Routes::new(CsiDriverProviderServer::new(self.clone())).add_service(HealthServer::new(self))
    }

    fn ended<T>(
        &self,
        method: &str,
        began: Instant,
        outcome: Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let code = outcome.as_ref().err().map_or(tonic::Code::Ok, Status::code);
        let elapsed = began.elapsed();
        tracing::trace!(method, code = ?code, duration = ?elapsed, "response");
        self.0.metrics().rpc_ended(method, code, elapsed);
        outcome.map(Response::new)
    }
}

#[tonic::async_trait]
impl CsiDriverProvider for Services {
    async fn version(&self, _: Request<VersionRequest>) -> Result<Response<VersionResponse>, Status> {
        let version = VersionResponse {
            version: API_VERSION.to_owned(),
            runtime_name: RUNTIME_NAME.to_owned(),
            runtime_version: BUILD.version.to_owned(),
        };
        self.ended("/v1alpha1.CSIDriverProvider/Version", Instant::now(), Ok(version))
    }

    async fn mount(&self, request: Request<MountRequest>) -> Result<Response<MountResponse>, Status> {
        let began = Instant::now();
        let deadline = began + time_for(request.metadata());
        let request = request.into_inner();
        let rotation = lane(&request) == Lane::Rotation;
        let outcome = self.0.mount(&request, deadline).await;
        if rotation {
            self.0.metrics().rotated(outcome.as_ref().err().map(crate::MountError::reason));
        }
        match &outcome {
            Ok(reply) => {
                let duration = began.elapsed();
                tracing::debug!(files = reply.files.len(), rotation, duration = ?duration, "mounted");
            }
            Err(error) => {
                let (pod, err, hint) = (pod(&request), error.text(), error.hint());
                let reason = keymount_reasons::numbered(error.reason().code());
                tracing::error!(err, pod, reason, hint, rotation, "failed to process mount request");
            }
        }
        let outcome = outcome.map_err(|error| error.to_status());
        self.ended("/v1alpha1.CSIDriverProvider/Mount", began, outcome)
    }
}

#[tonic::async_trait]
impl Health for Services {
    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let serving = HealthCheckResponse { status: ServingStatus::Serving.into() };
        self.ended("/grpc.health.v1.Health/Check", Instant::now(), Ok(serving))
    }
}

/// The time the caller allows (`grpc-timeout`), less what the answer needs.
fn time_for(metadata: &MetadataMap) -> Duration {
    let allowed = metadata.get("grpc-timeout").and_then(|value| parse_timeout(value.to_str().ok()?));
    let allowed = allowed.map_or(DEFAULT_TIMEOUT, |allowed| allowed.saturating_sub(MARGIN.min(allowed / 10)));
    allowed.min(LONGEST_TIMEOUT)
}

/// At most eight digits and a unit, as the gRPC specification has it.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_time_is_used_but_for_a_margin() {
        let time = |value: Option<&'static str>| {
            let mut metadata = MetadataMap::new();
            if let Some(value) = value {
                metadata.insert("grpc-timeout", value.parse().expect("a value"));
            }
            time_for(&metadata).as_millis()
        };
        for (value, millis) in [
            (None, 110_000),
            (Some("119S"), 117_000),
            (Some("2M"), 118_000),
            (Some("5000m"), 4500),
            (Some("9H"), 300_000),
            (Some("100000u"), 90),
            (Some("123456789S"), 110_000),
            (Some("S"), 110_000),
            (Some("-1S"), 110_000),
            (Some("5x"), 110_000),
        ] {
            assert_eq!(time(value), millis, "{value:?}");
        }
    }
}
