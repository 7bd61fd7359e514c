//! Rotation of many volumes.

use std::sync::Arc;
use std::time::Duration;

use keymount_cluster_tests::stage::CLASSES;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::publish::{converged, publish};
use crate::figure::Figure;
use crate::node::{CLASS, Node};
use crate::rows::Effort;
use crate::subject::Subject;

const VOLUMES: usize = 500;
const CALLERS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(180);
/// The interval of a driver that rotates when kubelet publishes again, and has passed.
const INTERVAL: Duration = Duration::from_secs(8);

/// A node with volumes that are due.
struct Due {
    node: Arc<Node>,
    count: usize,
    /// Whether the driver rotates by itself, and can be told to do it now.
    by_itself: bool,
}

impl Due {
    async fn start(subject: &Subject, count: usize, spec: &Value) -> anyhow::Result<Self> {
        let by_itself = rotates_by_itself(subject)?;
        // Ours is told when; its own interval must not come in between.
        let interval = if by_itself { "1h".to_owned() } else { format!("{}s", INTERVAL.as_secs()) };
        let flags = ["--enable-secret-rotation", &format!("--rotation-poll-interval={interval}")];
        let node = Node::start(subject, &flags, spec, count).await?;
        publish(&node, CALLERS, 0, count).await?;
        converged(&node, count).await?;
        if !by_itself {
            tokio::time::sleep(INTERVAL).await;
        }
        Ok(Self { node, count, by_itself })
    }

    /// Starts one pass: tells the driver, or does what kubelet does.
    async fn pass(&self) -> anyhow::Result<()> {
        if self.by_itself {
            let value = format!("{:08x}", rand::random::<u32>());
            let patch = json!({"metadata": {"annotations": {"keymount.io/refresh": value}}});
            let api = &self.node.api;
            api.cluster.patch(CLASSES, &api.namespace, CLASS, &patch).await;
        } else {
            publish(&self.node, CALLERS, 0, self.count).await?;
        }
        Ok(())
    }

    /// Waits until the provider has been called for each volume since, or until this is no more to be expected.
    async fn all_fetched(&self, calls: usize) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.node.peer.calls() < calls + self.count {
            anyhow::ensure!(began.elapsed() < PATIENCE, "{} calls", self.node.peer.calls() - calls);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    async fn all_at(&self, version: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        for number in 0..self.count {
            while !self.node.is_at(number, version) {
                anyhow::ensure!(began.elapsed() < PATIENCE, "volume {number} stays behind");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        anyhow::ensure!(self.node.holds(0, version), "a volume is in parts");
        Ok(())
    }
}

/// The Go driver knows no shortest interval, and fetches only when kubelet publishes again.
fn rotates_by_itself(subject: &Subject) -> anyhow::Result<bool> {
    let help = std::process::Command::new(subject.driver()?).arg("--help").output()?;
    let text = [help.stdout, help.stderr].concat();
    Ok(String::from_utf8_lossy(&text).contains("rotation-min-interval"))
}

pub(crate) async fn changed(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let due = Due::start(subject, effort.of(VOLUMES), &Value::Null).await?;
    let node = &due.node;
    let (version, calls, cpu) = (node.peer.next_version(), node.peer.calls(), node.driver.cpu()?);
    let began = Instant::now();
    let (passed, all) = tokio::join!(due.pass(), due.all_at(version));
    let took = began.elapsed();
    passed?;
    all?;
    due.all_fetched(calls).await?;
    // Status objects say the new version, too.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let cpu = node.driver.cpu()? - cpu;
    due.node.stop().await?;
    Ok(vec![
        Figure::new("until all files are new", "s", took.as_secs_f64()).upstream(48.5).at_most(1.0),
        Figure::new("CPU", "s", cpu).upstream(2.1).at_most(0.25),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn unchanged(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let due = Due::start(subject, effort.of(VOLUMES), &Value::Null).await?;
    let node = &due.node;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (requests, calls, cpu) = (node.api.requests(), node.peer.calls(), node.driver.cpu()?);
    // The emulated API counts the annotation's patch as well.
    let own = if crate::cluster::audit_log().is_none() && due.by_itself { 1.0 } else { 0.0 };
    let began = Instant::now();
    let (passed, all) = tokio::join!(due.pass(), due.all_fetched(calls));
    let took = began.elapsed();
    passed?;
    all?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let cpu = node.driver.cpu()? - cpu;
    let requests = node.api.requests() - requests - own;
    let calls = (node.peer.calls() - calls) as f64;
    due.node.stop().await?;
    Ok(vec![
        Figure::new("time", "s", took.as_secs_f64()).upstream(48.5).at_most(0.5),
        Figure::new("CPU", "s", cpu).upstream(1.7).at_most(0.1),
        Figure::new("API requests", "", requests).upstream(1000.0).at_most(0.0),
        Figure::new("provider calls", "", calls),
    ])
}

pub(crate) async fn shared_secret(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let count = effort.of(100);
    let data: Vec<Value> = (0..2)
        .map(|number| json!({"objectName": format!("file-{number}"), "key": format!("key-{number}")}))
        .collect();
    let spec = json!({"secretObjects": [{"secretName": "shared", "type": "Opaque", "data": data}]});
    let due = Due::start(subject, count, &spec).await?;
    let node = &due.node;
    // Each pod is first entered as an owner, at the pace of writes.
    let before = loop {
        let before = node.api.secret_writes();
        tokio::time::sleep(Duration::from_secs(3)).await;
        if before > 0.0 && before >= node.api.secret_writes() {
            break before;
        }
    };
    let version = node.peer.next_version();
    let (passed, all) = tokio::join!(due.pass(), due.all_at(version));
    passed?;
    all?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let writes = node.api.secret_writes() - before;
    due.node.stop().await?;
    Ok(vec![Figure::new("writes of the Secret", "", writes).upstream(100.0).at_most(1.0)])
}
