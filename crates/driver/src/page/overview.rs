//! What there is to see, as plain data.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::time::Instant;

use super::remedy::{Explanation, explain};
use crate::node::Node;
use crate::status::StatusKey;
use crate::volume::{Failure, Volume};

/// Rows beyond this are only counted: a node has no more pods, and a flood of failed mounts must not be a flood of
/// memory here.
const MOST: usize = 1000;

/// The node and its volumes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    pub(super) node: String,
    pub(super) version: &'static str,
    pub(super) time: Timestamp,
    /// Whether volumes are fetched again.
    pub(super) rotates: bool,
    pub(super) providers: Vec<Provider>,
    /// Broken ones first.
    pub(super) volumes: Vec<Row>,
    /// Rows that are left out.
    pub(super) more: usize,
    /// Volumes that were found mounted and of which kubelet has said nothing yet.
    pub(super) unknown: usize,
}

/// A provider that has been called.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Provider {
    pub(super) name: String,
    /// None without health checks.
    pub(super) healthy: Option<bool>,
    pub(super) running: usize,
    pub(super) waiting: usize,
}

/// How a volume is. In the order in which a reader wants to see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    /// The pod cannot start.
    NotMounted,
    /// The pod runs on old content.
    NotRotated,
    /// The files are right, a Secret is not.
    NotSynced,
    /// All is well.
    Well,
}

/// A volume, or one that could not be mounted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) state: State,
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) class: String,
    /// Empty until the class has been read.
    pub(super) provider: String,
    pub(super) problems: Vec<Problem>,
    /// Versions of the mounted objects, by id.
    pub(super) objects: BTreeMap<String, String>,
    /// Its certificates, the first to expire first.
    pub(super) certificates: Vec<Certificate>,
    /// When this process last fetched it.
    pub(super) last_success: Option<Timestamp>,
    pub(super) next_rotation: Option<Timestamp>,
    pub(super) secrets: Vec<Secret>,
}

/// Why something is not as it should be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    /// Mount, rotation, or the Secret.
    pub(super) what: String,
    pub(super) reason: String,
    pub(super) message: String,
    #[serde(flatten)]
    pub(super) explanation: Option<Explanation>,
}

/// A file with a certificate.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Certificate {
    pub(super) path: String,
    pub(super) not_after: Timestamp,
}

/// A Kubernetes Secret that the class asks for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) synced: bool,
}

impl Problem {
    pub(super) fn new(what: impl Into<String>, failure: Failure) -> Self {
        let Failure { reason, message } = failure;
        Self { what: what.into(), explanation: explain(&reason), reason, message }
    }
}

impl From<crate::certificates::Certificate> for Certificate {
    fn from(found: crate::certificates::Certificate) -> Self {
        Self { path: found.path, not_after: found.not_after }
    }
}

impl Overview {
    /// Of this node, now.
    pub(super) fn of(node: &Node) -> Self {
        let now = node.clock.now();
        let mut volumes = Vec::new();
        node.ledger.for_each(|_, volume| {
            let next = node.due(volume).map(|due| due.saturating_duration_since(Instant::now()));
            volumes.push(row(volume, next.and_then(|pause| later(now, pause))));
        });
        // Behind the ledger's lock: what the writer of status objects knows stands behind its own.
        for (key, row) in &mut volumes {
            let unsynced = node.reports.status.unsynced(key);
            for secret in &mut row.secrets {
                secret.synced = !unsynced.contains_key(&secret.name);
            }
            row.problems.extend(
                unsynced
                    .into_iter()
                    .map(|(secret, failure)| Problem::new(format!("Secret {secret}"), failure)),
            );
            if row.state == State::Well && !row.problems.is_empty() {
                row.state = State::NotSynced;
            }
        }
        let mut volumes: Vec<Row> = volumes.into_iter().map(|(_, row)| row).collect();
        volumes.extend(node.reports.status.failed_mounts().into_iter().map(not_mounted));
        let (volumes, more) = in_order(volumes);
        let state = |provider: crate::provider::ProviderState| Provider {
            name: provider.name,
            healthy: provider.healthy,
            running: provider.running,
            waiting: provider.waiting,
        };
        Self {
            node: node.name.clone(),
            version: keymount_daemon::build::BUILD.version,
            time: now,
            rotates: node.rotation.is_some(),
            providers: node.providers.states().into_iter().map(state).collect(),
            volumes,
            more,
            unknown: node.ledger.unknown(),
        }
    }

    /// Rows in this state.
    pub(super) fn count(&self, state: State) -> usize {
        self.volumes.iter().filter(|row| row.state == state).count()
    }
}

/// What is broken first, then by name; and how many are left out.
fn in_order(mut rows: Vec<Row>) -> (Vec<Row>, usize) {
    rows.sort_by(|a, b| {
        (a.state, &a.namespace, &a.pod, &a.class).cmp(&(b.state, &b.namespace, &b.pod, &b.class))
    });
    let more = rows.len().saturating_sub(MOST);
    rows.truncate(MOST);
    (rows, more)
}

fn row(volume: &Volume, next_rotation: Option<Timestamp>) -> (StatusKey, Row) {
    let key = StatusKey { pod: volume.pod.clone(), class: volume.class.key().name.clone() };
    let class = volume.class.known();
    let secrets = class.iter().flat_map(|class| &class.spec.secret_objects);
    let row = Row {
        state: if volume.last_failure.is_some() { State::NotRotated } else { State::Well },
        namespace: key.pod.namespace.clone(),
        pod: key.pod.name.clone(),
        class: key.class.clone(),
        provider: volume.provider(),
        problems: volume
            .last_failure
            .clone()
            .map(|failure| Problem::new("Rotation", failure))
            .into_iter()
            .collect(),
        objects: volume.versions.clone(),
        certificates: volume.certificates.known().iter().cloned().map(Certificate::from).collect(),
        last_success: volume.last_success,
        next_rotation,
        secrets: secrets.map(|secret| Secret { name: secret.secret_name.clone(), synced: true }).collect(),
    };
    (key, row)
}

fn not_mounted((key, failure): (StatusKey, Failure)) -> Row {
    Row {
        state: State::NotMounted,
        namespace: key.pod.namespace,
        pod: key.pod.name,
        class: key.class,
        provider: String::new(),
        problems: vec![Problem::new("Mount", failure)],
        objects: BTreeMap::new(),
        certificates: Vec::new(),
        last_success: None,
        next_rotation: None,
        secrets: Vec::new(),
    }
}

fn later(now: Timestamp, pause: Duration) -> Option<Timestamp> {
    now.checked_add(SignedDuration::try_from(pause).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_comes_first_and_a_flood_is_cut() {
        let rows = |state, count| {
            (0..count).map(move |number| Row {
                state,
                pod: format!("{:04}", count - number),
                ..not_mounted((
                    StatusKey { pod: Default::default(), class: String::new() },
                    Failure::new("Retrying", String::new()),
                ))
            })
        };
        let all = rows(State::Well, 3).chain(rows(State::NotRotated, 2)).chain(rows(State::NotMounted, MOST));
        let (kept, more) = in_order(all.collect());
        assert_eq!((kept.len(), more), (MOST, 5));
        assert!(
            kept.iter().all(|row| row.state == State::NotMounted)
                && kept.is_sorted_by_key(|row| row.pod.clone())
        );
        let (kept, _) = in_order(rows(State::Well, 1).chain(rows(State::NotSynced, 1)).collect());
        assert_eq!(kept.iter().map(|row| row.state).collect::<Vec<_>>(), [State::NotSynced, State::Well]);
    }
}
