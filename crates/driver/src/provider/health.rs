//! The periodic health check of providers that are in use.

use std::sync::Arc;
use std::time::Duration;

use keymount_proto::provider::csi_driver_provider_client::CsiDriverProviderClient;
use keymount_proto::provider::{API_VERSION, VersionRequest};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::{Bounds, Provider, Providers};

/// How long a provider may take to say who it is.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What one check found.
#[derive(Debug)]
pub(crate) struct ProviderHealth {
    /// Name of the provider.
    pub(crate) provider: String,
    /// Its own version, or why it did not tell.
    pub(crate) version: Result<String, String>,
}

/// Asks every provider that has been called for its version, all at once, at each interval, until
/// `stop` is cancelled, and hands over what it finds.
pub(crate) async fn check_periodically(
    providers: Arc<Providers>,
    interval: Duration,
    stop: CancellationToken,
    mut found: impl FnMut(ProviderHealth),
) {
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let mut checks = JoinSet::new();
        for provider in providers.known() {
            let providers = Arc::clone(&providers);
            let stop = stop.clone();
            checks.spawn(async move { providers.check(&provider, &stop).await });
        }
        while let Some(health) = checks.join_next().await {
            if let Ok(health) = health {
                tracing::debug!(provider = health.provider, result = ?health.version, "provider healthcheck");
                found(health);
            }
        }
    }
}

impl Providers {
    async fn check(&self, provider: &Provider, stop: &CancellationToken) -> ProviderHealth {
        let deadline = Instant::now() + TIMEOUT;
        let bounds = Bounds { deadline, cancel: stop };
        let version = async {
            let channel = provider
                .connect(&self.directories, Instant::now(), bounds)
                .await
                .map_err(|e| e.to_string())?;
            let request = VersionRequest { version: API_VERSION.to_owned() };
            match tokio::time::timeout_at(deadline, CsiDriverProviderClient::new(channel).version(request))
                .await
            {
                Ok(Ok(answer)) => Ok(answer.into_inner().runtime_version),
                Ok(Err(status)) => {
                    provider.disconnect().await;
                    Err(status.message().to_owned())
                }
                Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
            }
        };
        ProviderHealth { provider: provider.name.clone(), version: version.await }
    }
}
