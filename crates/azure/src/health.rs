//! The health endpoint: whether the provider answers on its own socket, and on request whether vaults
//! do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::any;
use keymount_daemon::grpc::{Endpoint, channel};
use keymount_proto::health::HealthCheckRequest;
use keymount_proto::health::health_check_response::ServingStatus;
use keymount_proto::health::health_client::HealthClient;
use tokio::time::Instant;

use crate::metrics::VaultCalls;
use crate::provider::Provider;

/// Vault calls that failed longer ago than this do not count any more: nobody has called since.
const RECENT: Duration = Duration::from_secs(600);

struct Check {
    provider: Arc<Provider>,
    socket: Option<PathBuf>,
}

/// Any method on exactly the configured path: 200 `ok` when the provider's socket answers, else 503 and
/// why. With the query `deep` also 503 when the last call to a vault failed, and the body says when the
/// last one succeeded.
pub(crate) fn router(provider: Arc<Provider>) -> Router {
    let socket = match &provider.config().endpoint {
        Endpoint::Unix(path) => Some(path.clone()),
        Endpoint::Tcp(_) => None,
    };
    let path = provider.config().health_path.clone();
    Router::new().route(&path, any(answer)).with_state(Arc::new(Check { provider, socket }))
}

async fn answer(State(check): State<Arc<Check>>, RawQuery(query): RawQuery) -> impl IntoResponse {
    if let Err(reason) = check.socket().await {
        return (StatusCode::SERVICE_UNAVAILABLE, reason);
    }
    let query = query.unwrap_or_default();
    let deep = query.split('&').any(|part| matches!(part.split('=').next(), Some("deep")));
    match deep.then(|| describe(check.provider.metrics().vault_calls())) {
        None => (StatusCode::OK, "ok".to_owned()),
        Some(Ok(text)) => (StatusCode::OK, text),
        Some(Err(text)) => (StatusCode::SERVICE_UNAVAILABLE, text),
    }
}

impl Check {
    /// Asks the provider's own socket. A TCP endpoint is not dialled: it may be bound to any address.
    async fn socket(&self) -> Result<(), String> {
        let Some(path) = &self.socket else { return Ok(()) };
        let mut client = HealthClient::new(channel(path));
        let call = client.check(HealthCheckRequest::default());
        let limit = self.provider.config().health_timeout;
        match tokio::time::timeout(limit, call).await {
            Err(_) => Err(format!("no answer on {} within {} s", path.display(), limit.as_secs_f64())),
            Ok(Err(status)) => Err(format!("{}: {}", path.display(), status.message())),
            Ok(Ok(reply)) if reply.get_ref().status() == ServingStatus::Serving => Ok(()),
            Ok(Ok(_)) => Err("expected health check response serving".to_owned()),
        }
    }
}

/// What the last calls to vaults say, and whether that is well.
fn describe(calls: VaultCalls) -> Result<String, String> {
    let ago = |at: Instant| format!("{} s ago", at.elapsed().as_secs());
    let succeeded = calls.succeeded.map_or_else(|| "never".to_owned(), ago);
    match calls.failed {
        Some(failed)
            if calls.succeeded.is_none_or(|success| success < failed) && failed.elapsed() < RECENT =>
        {
            Err(format!("last vault call failed {}, last successful one: {succeeded}", ago(failed)))
        }
        _ => Ok(format!("ok, last successful vault call: {succeeded}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_deep_check_follows_the_last_call() {
        assert_eq!(describe(VaultCalls::default()), Ok("ok, last successful vault call: never".to_owned()));
        let mut calls = VaultCalls { succeeded: Some(Instant::now()), failed: None };
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(describe(calls), Ok("ok, last successful vault call: 7 s ago".to_owned()));
        calls.failed = Some(Instant::now());
        tokio::time::advance(Duration::from_secs(1)).await;
        let failing = "last vault call failed 1 s ago, last successful one: 8 s ago";
        assert_eq!(describe(calls), Err(failing.to_owned()));
        tokio::time::advance(RECENT).await;
        assert!(describe(calls).is_ok(), "an old failure says nothing about now");
    }
}
