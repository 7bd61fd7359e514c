//! The start-up taint, which keeps pods off a node that has just joined the cluster. Who makes nodes sets it; the driver takes it off
//! its own node once kubelet has registered it and the providers answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Taint};
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::kubernetes::api_error;
use crate::provider::Providers;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// First pause after a request that failed; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause between requests that fail.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Pauses after which the node is looked at again: autoscalers may set their start-up taints a while after kubelet has made the node.
const LOOK_AGAIN: [Duration; 5] = [
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
    Duration::from_secs(80),
    Duration::from_secs(160),
];

/// The taint of this node.
pub(crate) struct StartupTaint {
    key: String,
    providers: Vec<String>,
    node: String,
    nodes: Api<Node>,
    pending: AtomicBool,
}

/// What one attempt came to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The node has no such taint.
    Absent,
    /// It had, and has no longer.
    Removed,
    /// Somebody else changed the node at the same time.
    Conflict,
}

impl StartupTaint {
    /// The taint of the node of this name.
    #[must_use]
    pub(crate) fn new(settings: &config::StartupTaint, client: Client, node: String) -> Self {
        let config::StartupTaint { key, providers } = settings.clone();
        Self { key, providers, node, nodes: Api::all(client), pending: AtomicBool::new(true) }
    }

    /// Whether the node may still have the taint.
    #[must_use]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// Waits for kubelet and the providers, takes the taint off, and does so again if it comes back soon. Ends with `stop`.
    pub(crate) async fn run(
        self: Arc<Self>,
        registered: watch::Receiver<bool>,
        providers: Arc<Providers>,
        stop: CancellationToken,
    ) {
        stop.run_until_cancelled(self.take_off(registered, &providers, &stop)).await;
    }

    async fn take_off(
        &self,
        mut registered: watch::Receiver<bool>,
        providers: &Providers,
        stop: &CancellationToken,
    ) {
        if registered.wait_for(|registered| *registered).await.is_err() {
            return;
        }
        for name in &self.providers {
            providers.answers(name, stop).await;
        }
        self.remove().await;
        self.pending.store(false, Ordering::Relaxed);
        for pause in LOOK_AGAIN {
            tokio::time::sleep(pause).await;
            self.remove().await;
        }
    }

    /// Returns when the node has been seen without the taint.
    async fn remove(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let attempt = tokio::time::timeout(TIMEOUT, self.attempt()).await;
            match attempt.unwrap_or_else(|_| Err("the Kubernetes API did not answer in time".to_owned())) {
                Ok(Outcome::Absent) => return,
                Ok(Outcome::Removed) => {
                    tracing::info!(
                        taint = self.key,
                        node = self.node,
                        "took the start-up taint off this node: kubelet knows the driver, and its providers answer"
                    );
                    return;
                }
                // The next attempt reads the node as it is now.
                Ok(Outcome::Conflict) => {}
                Err(error) => tracing::warn!(
                    err = error,
                    taint = self.key,
                    node = self.node,
                    "cannot take the start-up taint off this node, trying again; check that the driver may get and patch its node \
                     (startupTaint.enabled of the chart)"
                ),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self) -> Result<Outcome, String> {
        let node = self.nodes.get(&self.node).await.map_err(|error| api_error(&error))?;
        let Some(patch) = without(&node, &self.key) else { return Ok(Outcome::Absent) };
        match self.nodes.patch(&self.node, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(Outcome::Removed),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Outcome::Conflict),
            Err(error) => Err(api_error(&error)),
        }
    }
}

/// The merge patch that takes all taints of this key off the node, whatever their effect, and changes nothing else; none if there are
/// none. It is for this version of the node only: the list of taints is replaced as a whole, and a taint that somebody has set
/// meanwhile must stay.
fn without(node: &Node, key: &str) -> Option<Value> {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref())?;
    let rest: Vec<&Taint> = taints.iter().filter(|taint| taint.key != key).collect();
    (rest.len() < taints.len()).then(|| {
        let rest = if rest.is_empty() { Value::Null } else { json!(rest) };
        json!({"metadata": {"resourceVersion": node.metadata.resource_version}, "spec": {"taints": rest}})
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "secrets-store.csi.k8s.io/agent-not-ready";

    fn node(taints: &Value) -> Node {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "node-1", "resourceVersion": "7", "labels": {"a": "b"}},
            "spec": {"unschedulable": true, "taints": taints},
        }))
        .unwrap()
    }

    #[test]
    fn the_patch_takes_off_all_taints_of_the_key_and_no_other_from_this_version_only() {
        let ours = |effect: &str| json!({"key": KEY, "effect": effect, "value": "true"});
        let other = json!({"key": "other", "effect": "NoExecute", "timeAdded": "2026-11-24T12:00:00Z"});
        for (taints, rest) in [
            (json!(null), None),
            (json!([]), None),
            (json!([other]), None),
            (json!([ours("NoSchedule")]), Some(json!(null))),
            (json!([ours("NoSchedule"), ours("NoExecute")]), Some(json!(null))),
            (json!([ours("NoExecute"), other]), Some(json!([other]))),
            // Only the key counts, and all of it.
            (json!([{"key": format!("{KEY}-2"), "effect": "NoExecute"}]), None),
        ] {
            let expected =
                rest.map(|rest| json!({"metadata": {"resourceVersion": "7"}, "spec": {"taints": rest}}));
            assert_eq!(without(&node(&taints), KEY), expected, "{taints}");
        }
    }
}
