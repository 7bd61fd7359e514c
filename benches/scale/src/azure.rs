//! Azure as the cluster sees it: vaults with their limits, and Entra.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode};
use keymount_identity::transport::{Answer, Http, Method, Request, TransportError};
use keymount_sensitive::SecretBytes;
use tokio::time::Instant;

use crate::network::{around, between};
use crate::record::Record;

/// The way to a vault and back, its work included.
const WAY: Duration = Duration::from_millis(16);

/// A token from Entra.
const ENTRA: Duration = Duration::from_millis(60);

/// What a vault is limited over.
const PERIOD: Duration = Duration::from_secs(10);

/// What a throttled caller is told to wait; documentation promises no such header, vaults send it.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// How a vault answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vaulted {
    /// With the secret at this version.
    Secret(u32),
    /// 429, with the pause it asks for.
    Throttled(Duration),
    /// 503.
    Away,
}

/// Vaults and Entra.
pub(crate) struct Azure {
    record: Arc<Record>,
    limit: f64,
    state: Mutex<State>,
}

struct State {
    buckets: Vec<Bucket>,
    /// The current version of every secret.
    version: u32,
    away: bool,
}

/// What a vault still answers now: a token bucket.
struct Bucket {
    left: f64,
    at: Instant,
}

impl Azure {
    pub(crate) fn new(vaults: usize, limit: u32, record: Arc<Record>) -> Self {
        let limit = f64::from(limit);
        let buckets = (0..vaults).map(|_| Bucket { left: limit, at: Instant::now() }).collect();
        Self { record, limit, state: Mutex::new(State { buckets, version: 1, away: false }) }
    }

    /// Gives every secret a new version, and says which.
    pub(crate) fn release(&self) -> u32 {
        let mut state = self.lock();
        state.version += 1;
        state.version
    }

    /// Takes all vaults away, or gives them back.
    pub(crate) fn away(&self, away: bool) {
        self.lock().away = away;
    }

    pub(crate) fn version(&self) -> u32 {
        self.lock().version
    }

    /// One request to a vault.
    pub(crate) async fn ask(&self, vault: usize) -> Vaulted {
        // It decides at the end of the way rather than in the middle: milliseconds are nothing in ten seconds.
        tokio::time::sleep(around(WAY)).await;
        let answer = self.decide(vault);
        self.record.vault(vault, answer);
        answer
    }

    fn decide(&self, vault: usize) -> Vaulted {
        let mut state = self.lock();
        let (version, away) = (state.version, state.away);
        if away {
            return Vaulted::Away;
        }
        let now = Instant::now();
        let bucket = &mut state.buckets[vault];
        let gained = (now - bucket.at).div_duration_f64(PERIOD) * self.limit;
        (bucket.left, bucket.at) = ((bucket.left + gained).min(self.limit), now);
        // Requests that are refused do not count against the limit.
        if bucket.left < 1.0 {
            return Vaulted::Throttled(RETRY_AFTER);
        }
        bucket.left -= 1.0;
        Vaulted::Secret(version)
    }

    /// So many requests to Entra, whatever for, one after the other.
    pub(crate) async fn entra(&self, requests: u32) {
        self.record.entra(requests);
        tokio::time::sleep(around(ENTRA * requests)).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way of the real client to the modelled Azure.
pub(crate) struct Wire(pub(crate) Arc<Azure>);

/// The host of a vault.
pub(crate) fn host(vault: usize) -> String {
    format!("kv{vault}.vault.azure.net")
}

/// The number of the vault at that host.
fn vault_of(host: &str) -> Option<usize> {
    host.strip_prefix("kv")?.strip_suffix(".vault.azure.net")?.parse().ok()
}

impl Http for Wire {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Answer, TransportError>> {
        let azure = Arc::clone(&self.0);
        async move {
            let url = request.url();
            let vault = url.host_str().and_then(vault_of);
            Ok(match (request.method(), vault) {
                (Method::Get, Some(vault)) => match azure.ask(vault).await {
                    Vaulted::Secret(version) => {
                        answer(200, format!(r#"{{"value":"v","id":"{}{version}"}}"#, address(url)))
                    }
                    Vaulted::Throttled(pause) => {
                        let mut throttled = answer(429, String::new());
                        throttled.headers.insert("retry-after", HeaderValue::from(pause.as_secs()));
                        throttled
                    }
                    Vaulted::Away => answer(503, String::new()),
                },
                _ => {
                    azure.entra(1).await;
                    // Tokens of workload identities live between an hour and an hour and a half.
                    let life = between(Duration::from_secs(3600), Duration::from_secs(5400)).as_secs();
                    answer(200, format!(r#"{{"access_token":"t","expires_in":{life}}}"#))
                }
            })
        }
        .boxed()
    }
}

/// The URL without its query: what a secret's id begins with.
fn address(url: &url::Url) -> &str {
    &url[..url::Position::AfterPath]
}

fn answer(status: u16, body: String) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: HeaderMap::new(),
        body: SecretBytes::new(body.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_vault_answers_its_limit_in_ten_seconds_and_no_more() {
        let azure = Azure::new(2, 40, Arc::new(Record::new(2)));
        let in_all = async |vault| {
            let answers = futures::future::join_all((0..100).map(|_| azure.ask(vault))).await;
            answers.into_iter().filter(|answer| *answer == Vaulted::Secret(1)).count()
        };
        assert_eq!((in_all(0).await, in_all(1).await), (40, 40));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!((19..=21).contains(&in_all(0).await));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(in_all(0).await, 40);
        azure.away(true);
        assert_eq!(azure.ask(0).await, Vaulted::Away);
    }

    #[test]
    fn hosts_have_their_number() {
        assert_eq!(vault_of(&host(49)), Some(49));
        assert_eq!(vault_of("login.microsoftonline.com"), None);
    }
}
