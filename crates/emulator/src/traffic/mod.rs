//! What was asked: totals per service, host, method, path and status, a short journal, connections.
//!
//! Tests assert on it ("three calls to the vault, one token"). Nothing secret is kept: no header but the
//! user agent, no body; in paths and queries none of the emulated services takes a secret.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use http::Version;
use serde::{Serialize, Serializer};

use crate::faults::{Facts, Match, Service};

mod tally;

pub use tally::Tally;

/// Distinct totals kept; what comes later is counted under the path `(other)`.
const MAX_TOTALS: usize = 20_000;
/// Requests the journal remembers.
const MAX_JOURNAL: usize = 4096;

/// Requests of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Kind {
    /// The service asked.
    pub service: Service,
    /// Host name without port.
    pub host: String,
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// HTTP status of the answer; 0 if there was none (reset, or the client left).
    pub status: u16,
}

/// One request, for the journal.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// What was asked and answered.
    #[serde(flatten)]
    pub kind: Kind,
    /// The query, without the question mark.
    pub query: String,
    /// The connection it came on; the same number means the same connection.
    pub connection: u64,
    /// HTTP version.
    #[serde(serialize_with = "version_text")]
    pub version: Version,
    /// The `User-Agent` header; empty if there was none.
    pub user_agent: String,
}

fn version_text<S: Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{version:?}"))
}

/// Connections of one service. All are counts since the start or the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// TCP connections accepted.
    pub accepted: u64,
    /// TLS handshakes completed.
    pub handshakes: u64,
    /// TLS handshakes that failed.
    pub failed_handshakes: u64,
    /// Connections on which HTTP/2 was agreed.
    pub http2: u64,
}

/// Everything counted, as the admin API shows it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// Totals, sorted by service, host, method, path and status.
    pub requests: Vec<Total>,
    /// Connections per listener name.
    pub connections: BTreeMap<String, Connections>,
}

/// How many requests of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Total {
    /// What was asked and answered.
    #[serde(flatten)]
    pub kind: Kind,
    /// How often.
    pub count: u64,
}

/// The counters of one emulator. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    totals: BTreeMap<Kind, u64>,
    journal: VecDeque<Request>,
    connections: BTreeMap<String, Connections>,
}

impl Traffic {
    /// How many answered or abandoned requests match, whatever their status.
    #[must_use]
    pub fn count(&self, matches: &Match) -> u64 {
        self.sum(matches, |_| true)
    }

    /// How many requests match and were answered with this status.
    #[must_use]
    pub fn count_status(&self, matches: &Match, status: u16) -> u64 {
        self.sum(matches, |kind| kind.status == status)
    }

    fn sum(&self, matches: &Match, wanted: impl Fn(&Kind) -> bool) -> u64 {
        self.edit(|state| {
            let matching = |kind: &&Kind| matches.covers(&facts(kind)) && wanted(kind);
            state.totals.iter().filter(|(kind, _)| matching(kind)).map(|(_, count)| count).sum()
        })
    }

    /// The last requests that match, oldest first. The journal holds 4,096 of all kinds.
    #[must_use]
    pub fn journal(&self, matches: &Match) -> Vec<Request> {
        self.edit(|state| {
            state.journal.iter().filter(|request| matches.covers(&facts(&request.kind))).cloned().collect()
        })
    }

    /// Connections of a listener, by its name (`vault`, `imds`, `nmi`, `kubernetes`).
    #[must_use]
    pub fn connections(&self, listener: &str) -> Connections {
        self.edit(|state| state.connections.get(listener).copied().unwrap_or_default())
    }

    /// All of it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.edit(|state| Snapshot {
            requests: state
                .totals
                .iter()
                .map(|(kind, count)| Total { kind: kind.clone(), count: *count })
                .collect(),
            connections: state.connections.clone(),
        })
    }

    /// Starts all counts again at zero and empties the journal.
    pub fn reset(&self) {
        self.edit(|state| *state = State::default());
    }

    /// Counts something about a connection of a listener.
    pub fn connection(&self, listener: &str, count: impl FnOnce(&mut Connections)) {
        self.edit(|state| match state.connections.get_mut(listener) {
            Some(connections) => count(connections),
            None => count(state.connections.entry(listener.to_owned()).or_default()),
        });
    }

    fn record(&self, request: Request) {
        self.edit(|state| {
            let mut kind = request.kind.clone();
            if state.totals.len() >= MAX_TOTALS && !state.totals.contains_key(&kind) {
                "(other)".clone_into(&mut kind.path);
            }
            *state.totals.entry(kind).or_default() += 1;
            if state.journal.len() == MAX_JOURNAL {
                state.journal.pop_front();
            }
            state.journal.push_back(request);
        });
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn facts(kind: &Kind) -> Facts<'_> {
    Facts { service: kind.service, host: &kind.host, method: &kind.method, path: &kind.path }
}
