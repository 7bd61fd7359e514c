//! The periodic health check of providers that are in use.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use keymount_proto::provider::csi_driver_provider_client::CsiDriverProviderClient;
use keymount_proto::provider::{API_VERSION, VersionRequest};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::{Bounds, Provider, Providers};

/// How long a provider may take to say who it is.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Pause before a provider that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Asks every provider that has been called for its version, all at once, at each interval, until
/// `stop` is cancelled. [`Providers::states`] tells what it found.
pub(crate) async fn check_periodically(
    providers: Arc<Providers>,
    interval: Duration,
    stop: CancellationToken,
) {
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let mut checks = JoinSet::new();
        for provider in providers.installed() {
            let (providers, stop) = (Arc::clone(&providers), stop.clone());
            checks.spawn(async move {
                let version = providers.check(&provider, Duration::ZERO, &stop).await;
                tracing::debug!(provider = provider.name, result = ?version, "provider healthcheck");
                *provider.healthy.lock().unwrap_or_else(PoisonError::into_inner) = Some(version.is_ok());
            });
        }
        while checks.join_next().await.is_some() {}
    }
}

impl Providers {
    /// Returns when the provider of this name has told its version, or when `stop` is cancelled.
    pub(crate) async fn answers(&self, name: &str, stop: &CancellationToken) {
        let Ok(provider) = self.provider(name) else { return };
        let mut attempt: u32 = 1;
        while let Err(error) = self.check(&provider, TIMEOUT, stop).await {
            if stop.is_cancelled() {
                return;
            }
            // Ever more rarely: a provider whose DaemonSet leaves this node out never comes.
            if attempt.is_power_of_two() {
                tracing::info!(provider = name, err = error, "waiting for the provider");
            }
            attempt = attempt.saturating_add(1);
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// The provider's own version, or why it did not tell. Waits for its socket for `startup`.
    async fn check(
        &self,
        provider: &Provider,
        startup: Duration,
        stop: &CancellationToken,
    ) -> Result<String, String> {
        let deadline = Instant::now() + TIMEOUT;
        let bounds = Bounds { deadline, cancel: stop };
        let channel = provider
            .connect(&self.directories, Instant::now() + startup, bounds)
            .await
            .map_err(|error| error.to_string())?;
        let request = VersionRequest { version: API_VERSION.to_owned() };
        let mut client = CsiDriverProviderClient::new(channel);
        match tokio::time::timeout_at(deadline, client.version(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner().runtime_version),
            Ok(Err(status)) => {
                provider.disconnect().await;
                Err(status.message().to_owned())
            }
            Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }
}
