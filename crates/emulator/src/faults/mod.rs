//! Trouble on demand: rules that make a service slow, refuse, lie or hang up.
//!
//! Rules are tried in the order they were added. [`Action::Latency`] and a [`Action::Throttle`] that
//! still has tokens let the request go on to the next rule; the first rule with any other action
//! decides. A rule whose [`When`] says "not this time" is skipped.

mod bucket;
mod inject;
mod pattern;
mod rule;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

pub use inject::{Failure, Reset};
pub use pattern::Pattern;
pub use rule::{Action, Match, Rule, Service, TlsProblem, When};

use bucket::Bucket;

/// What a rule can look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Which of the emulated services was asked.
    pub service: Service,
    /// Host name without port, as the client wrote it; empty where the service has none.
    pub host: &'a str,
    /// HTTP method, upper case.
    pub method: &'a str,
    /// Path without query, still percent-encoded.
    pub path: &'a str,
}

/// Names a rule for [`Faults::remove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct RuleId(u64);

impl From<u64> for RuleId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

/// A rule in force, for listing.
#[derive(Clone, Debug, Serialize)]
pub struct Active {
    /// Its id.
    pub id: RuleId,
    /// The rule itself.
    #[serde(flatten)]
    pub rule: Rule,
    /// How many requests it matched so far.
    pub matched: u64,
    /// How often its action was taken.
    pub applied: u64,
}

impl Active {
    /// Whether the rule is about this request and applies this time. Counts the match.
    fn is_due(&mut self, facts: &Facts<'_>) -> bool {
        let covered = self.rule.matches.covers(facts);
        self.matched += u64::from(covered);
        covered && self.rule.when.applies(self.matched, self.applied)
    }
}

/// The rules of one emulator. Cheap to clone; clones share the rules.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rules: Mutex<Rules>,
    /// Counts the releases; a hanging request waits for the next one.
    releases: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Rules {
    last_id: u64,
    list: Vec<(Active, Bucket)>,
}

/// At most this many rules at once; what comes later pushes the oldest out.
const MAX_RULES: usize = 1000;

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}

impl Faults {
    /// No trouble at all.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared { rules: Mutex::default(), releases: watch::Sender::new(0) }))
    }

    /// Adds a rule behind those there are.
    pub fn add(&self, rule: Rule) -> RuleId {
        self.edit(|rules| {
            if rules.list.len() == MAX_RULES {
                rules.list.remove(0);
            }
            rules.last_id += 1;
            let id = RuleId(rules.last_id);
            let bucket = Bucket::for_action(&rule.action, Instant::now());
            rules.list.push((Active { id, rule, matched: 0, applied: 0 }, bucket));
            id
        })
    }

    /// Takes a rule back. Says whether it was there. Requests it keeps hanging stay so until
    /// [`Faults::release`].
    pub fn remove(&self, id: RuleId) -> bool {
        self.edit(|rules| {
            let before = rules.list.len();
            rules.list.retain(|(active, _)| active.id != id);
            rules.list.len() != before
        })
    }

    /// Takes all rules back and releases what hangs.
    pub fn clear(&self) {
        self.edit(|rules| rules.list.clear());
        self.release();
    }

    /// Lets every request go on that an [`Action::Hang`] holds now.
    pub fn release(&self) {
        self.0.releases.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The rules in force, in order.
    #[must_use]
    pub fn list(&self) -> Vec<Active> {
        self.edit(|rules| rules.list.iter().map(|(active, _)| active.clone()).collect())
    }

    /// What happens to this request: the sum of latencies, then at most one action.
    fn decide(&self, facts: &Facts<'_>) -> (Duration, Option<Action>) {
        let now = Instant::now();
        self.edit(|rules| {
            let mut latency = Duration::ZERO;
            for (active, bucket) in &mut rules.list {
                if matches!(active.rule.action, Action::Tls { .. }) || !active.is_due(facts) {
                    continue;
                }
                match &active.rule.action {
                    Action::Latency { millis } => {
                        latency = latency.saturating_add(Duration::from_millis(*millis));
                        active.applied += 1;
                    }
                    Action::Throttle { .. } if bucket.take(now) => {}
                    action => {
                        active.applied += 1;
                        return (latency, Some(action.clone()));
                    }
                }
            }
            (latency, None)
        })
    }

    /// What goes wrong with this TLS handshake, if anything. Only the host of the facts is known.
    #[must_use]
    pub fn handshake(&self, facts: &Facts<'_>) -> Option<TlsProblem> {
        self.edit(|rules| {
            rules.list.iter_mut().find_map(|(active, _)| match active.rule.action {
                Action::Tls { problem } => active.is_due(facts).then(|| {
                    active.applied += 1;
                    problem
                }),
                _ => None,
            })
        })
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut Rules) -> T) -> T {
        edit(&mut self.0.rules.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
