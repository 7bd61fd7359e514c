//! Calls to providers: find the socket, wait for a provider that is starting, call, judge the reply.

mod connection;
mod directory;
mod error;
mod health;
mod memory;
mod reply;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keymount_clock::jitter;
use keymount_proto::provider::csi_driver_provider_client::CsiDriverProviderClient;
use keymount_proto::provider::{MountRequest, MountResponse};
pub(crate) use keymount_schedule::Lane;
use keymount_schedule::Places;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

pub(crate) use directory::{Directories, is_valid_name as is_provider_name};
pub(crate) use error::{ProviderError, Stage, go_code};
pub(crate) use health::check_periodically;
pub(crate) use memory::HeldMemory;
pub(crate) use reply::Reply;

use crate::config::ProviderLimits;
use crate::kubernetes::NamedError;
use connection::Connection;
use memory::{Metered, ReplyMemory};

/// Attempts on UNAVAILABLE, as the Go driver's client makes them.
const ATTEMPTS: u32 = 3;

/// Pause before the second attempt; the next is a tenth longer.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// All providers of this node.
pub(crate) struct Providers {
    directories: Directories,
    limits: ProviderLimits,
    memory: ReplyMemory,
    known: Mutex<BTreeMap<String, Arc<Provider>>>,
}

/// One provider: its connection and its places.
struct Provider {
    name: String,
    connection: tokio::sync::Mutex<Option<Connection>>,
    places: Places,
    style: Mutex<Style>,
    /// Whether it answered its last health check; none before the first.
    healthy: Mutex<Option<bool>>,
}

/// What there is to tell of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProviderState {
    /// Its name.
    pub(crate) name: String,
    /// Calls that run.
    pub(crate) running: usize,
    /// Calls that wait for a place.
    pub(crate) waiting: usize,
    /// Whether it answered its last health check; none if there was none.
    pub(crate) healthy: Option<bool>,
}

/// How a provider delivers files. Nearly all send them in the reply; the contract also allows a
/// provider to write them to the target path itself, where a volume has to be before the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// It has not answered yet.
    Unknown,
    /// In the reply.
    SendsFiles,
    /// To the target path.
    WritesFiles,
}

/// When a call has to end.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    /// Point in time by which the caller wants an answer.
    pub(crate) deadline: Instant,
    /// Cancelled by an unpublish or by the end of the process.
    pub(crate) cancel: &'a CancellationToken,
}

impl Providers {
    /// Providers found in the given directories.
    #[must_use]
    pub(crate) fn new(directories: Directories, limits: ProviderLimits) -> Self {
        let memory = ReplyMemory::new(limits.reply_memory);
        Self { directories, limits, memory, known: Mutex::default() }
    }

    /// Calls `Mount` and judges the reply.
    ///
    /// Waits, within `bounds`, for a free place of the lane and namespace, and for a provider whose socket is missing or refuses
    /// connections for at most the start-up time-out. UNAVAILABLE is tried three times.
    ///
    /// # Errors
    /// [`ProviderError`]; the reply is refused whole or accepted whole.
    pub(crate) async fn mount(
        &self,
        name: &str,
        request: &MountRequest,
        lane: Lane,
        namespace: &str,
        bounds: Bounds<'_>,
    ) -> Result<Reply, ProviderError> {
        let provider = self.provider(name)?;
        let _place = bounds.until(Stage::Queue, provider.places.take(lane, namespace)).await?;
        let mut attempt = 1;
        loop {
            let status = match self.attempt(&provider, request, bounds).await {
                Ok(Ok((answer, memory))) => return Reply::judge(answer, memory),
                // The client's own time-out is the same instant, and may be the first to be seen.
                Ok(Err(_)) if Instant::now() >= bounds.deadline => {
                    provider.disconnect().await;
                    return Err(ProviderError::Deadline(Stage::Mount));
                }
                Ok(Err(status)) => status,
                Err(ended) => {
                    if matches!(ended, ProviderError::Deadline(Stage::Mount)) {
                        // Should only this connection hang, the next call finds a new one.
                        provider.disconnect().await;
                    }
                    return Err(ended);
                }
            };
            let broken = is_transport(&status);
            if attempt == ATTEMPTS || !(broken || status.code() == Code::Unavailable) {
                return Err(ProviderError::from(status));
            }
            if broken {
                // A provider that restarts is served as soon as it is back, without a pause.
                provider.disconnect().await;
            } else {
                let pause = FIRST_PAUSE.mul_f64(1.1_f64.powi(attempt.cast_signed() - 1)).mul_f64(jitter());
                bounds.until(Stage::Mount, tokio::time::sleep(pause)).await?;
            }
            attempt += 1;
            tracing::debug!(provider = name, attempt, "provider is unavailable, trying again");
        }
    }

    async fn attempt(
        &self,
        provider: &Provider,
        request: &MountRequest,
        bounds: Bounds<'_>,
    ) -> Result<Result<(MountResponse, HeldMemory), Status>, ProviderError> {
        let startup = Instant::now() + self.limits.startup_timeout;
        let channel = provider.connect(&self.directories, startup, bounds).await?;
        let channel = Metered { channel, memory: self.memory.clone() };
        let mut client = CsiDriverProviderClient::new(channel)
            .max_decoding_message_size(self.limits.max_reply_bytes)
            .max_encoding_message_size(usize::MAX);
        let mut call = Request::new(request.clone());
        call.set_timeout(bounds.deadline.saturating_duration_since(Instant::now()));
        let memory = HeldMemory::default();
        call.extensions_mut().insert(memory.clone());
        let answer = bounds.until(Stage::Mount, client.mount(call)).await?;
        Ok(answer.map(|answer| (answer.into_inner(), memory)))
    }

    /// Bytes that replies hold while they are received and written, and how many they may hold.
    #[must_use]
    pub(crate) fn reply_memory(&self) -> (usize, usize) {
        (self.memory.used(), self.memory.limit())
    }

    /// How the provider delivers files, as far as it is known.
    #[must_use]
    pub(crate) fn style(&self, name: &str) -> Style {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).map_or(Style::Unknown, |p| *p.style.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers how the provider delivers files.
    pub(crate) fn learn(&self, name: &str, style: Style) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = known.get(name) {
            *provider.style.lock().unwrap_or_else(PoisonError::into_inner) = style;
        }
    }

    /// State of the providers that have been called and are installed. Tenants choose the names of others.
    #[must_use]
    pub(crate) fn states(&self) -> Vec<ProviderState> {
        let state = |provider: &Arc<Provider>| ProviderState {
            name: provider.name.clone(),
            running: provider.places.running(),
            waiting: provider.places.waiting(),
            healthy: *provider.healthy.lock().unwrap_or_else(PoisonError::into_inner),
        };
        self.installed().iter().map(state).collect()
    }

    /// Providers that have been called and whose socket is there, or was: one that answered before is
    /// still one.
    fn installed(&self) -> Vec<Arc<Provider>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let installed = |provider: &&Arc<Provider>| {
            let style = *provider.style.lock().unwrap_or_else(PoisonError::into_inner);
            style != Style::Unknown || self.directories.find(&provider.name).is_some()
        };
        known.values().filter(installed).map(Arc::clone).collect()
    }

    fn provider(&self, name: &str) -> Result<Arc<Provider>, ProviderError> {
        if !directory::is_valid_name(name) {
            return Err(ProviderError::InvalidName(name.to_owned()));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = known.get(name) {
            return Ok(Arc::clone(provider));
        }
        // Tenants choose the name: one that nobody serves must not stay in memory.
        known.retain(|_, provider| {
            Arc::strong_count(provider) > 1 || self.directories.find(&provider.name).is_some()
        });
        let provider = Arc::new(Provider::new(name, self.limits.max_calls));
        known.insert(name.to_owned(), Arc::clone(&provider));
        Ok(provider)
    }
}

impl Provider {
    fn new(name: &str, places: usize) -> Self {
        Self {
            name: name.to_owned(),
            connection: tokio::sync::Mutex::default(),
            places: Places::new(places),
            style: Mutex::new(Style::Unknown),
            healthy: Mutex::default(),
        }
    }
}

impl Bounds<'_> {
    /// Awaits something that has a deadline of its own.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        reading: impl Future<Output = Result<T, NamedError>>,
    ) -> Result<T, NamedError> {
        self.cancel.run_until_cancelled(reading).await.unwrap_or(Err(NamedError::Cancelled))
    }

    /// Awaits within the bounds.
    pub(crate) async fn until<T>(
        &self,
        stage: Stage,
        future: impl Future<Output = T>,
    ) -> Result<T, ProviderError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(ProviderError::Cancelled),
            done = timeout_at(self.deadline, future) => done.map_err(|_| ProviderError::Deadline(stage)),
        }
    }
}

/// Whether this side made the status up because the connection failed. A status the provider sent has
/// no source.
fn is_transport(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// A factor between 0.8 and 1.2.
fn jitter() -> f64 {
    0.8 + 0.4 * jitter::fraction()
}

#[cfg(test)]
mod tests;
