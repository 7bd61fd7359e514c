//! Publish and unpublish.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::figure::Figure;
use crate::load::Load;
use crate::node::Node;
use crate::rows::Effort;
use crate::subject::Subject;

/// How long status objects may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Publishes the volumes of `first..first + count`. What kubelet does before it calls is not measured.
pub(crate) async fn publish(
    node: &Arc<Node>,
    callers: usize,
    first: usize,
    count: usize,
) -> anyhow::Result<Load> {
    (first..first + count).try_for_each(|number| node.prepare(number))?;
    let node = Arc::clone(node);
    let load = Load::run(callers, count, move |caller, number| {
        let node = Arc::clone(&node);
        async move { node.publish(caller, first + number).await }
    });
    load.await.all_well()
}

async fn remove(node: &Arc<Node>, callers: usize, first: usize, count: usize) -> Load {
    let node = Arc::clone(node);
    Load::run(callers, count, move |caller, number| {
        let node = Arc::clone(&node);
        async move { node.unpublish(caller, first + number).await }
    })
    .await
}

/// Waits until so many status objects say mounted.
pub(crate) async fn converged(node: &Node, count: usize) -> anyhow::Result<Duration> {
    let began = Instant::now();
    while node.statuses().await? < count {
        anyhow::ensure!(began.elapsed() < PATIENCE, "{} of {count} status objects", node.statuses().await?);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(began.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn one_caller(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let (first, count) = (25, effort.of(400));
    let node = Node::start(subject, &[], &Value::Null, first + count).await?;
    // The class is read, and for the first 25 the Go driver's limit on requests has a reserve.
    let early = publish(&node, 1, 0, first).await?;
    anyhow::ensure!(node.holds(0, 1), "files are missing");
    converged(&node, first).await?;
    let (cpu, requests) = (node.driver.cpu()?, node.api.requests());
    let load = publish(&node, 1, first, count).await?;
    converged(&node, first + count).await?;
    let cpu = (node.driver.cpu()? - cpu) * 1e3 / count as f64;
    let requests = (node.api.requests() - requests) / count as f64;
    remove(&node, 16, 0, first + count).await.all_well()?;
    node.stop().await?;
    Ok(vec![
        Figure::new("p50", "ms", load.percentile(50)).upstream(50.0).at_most(1.0),
        Figure::new("p90", "ms", load.percentile(90)),
        Figure::new("p99", "ms", load.percentile(99)).upstream(58.0).at_most(5.0),
        Figure::new("first 25, p50", "ms", early.percentile(50)).upstream(5.5),
        Figure::new("CPU, status object included", "ms", cpu).upstream(4.8).at_most(0.5),
        Figure::new("API requests per publish, before and after the answer", "", requests),
    ])
}

pub(crate) async fn many_callers(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let count = effort.of(500);
    let mut figures = Vec::new();
    for (callers, upstream) in [(16, 21.0), (64, 22.0)] {
        let node = Node::start(subject, &[], &Value::Null, count + 1).await?;
        publish(&node, 1, 0, 1).await?;
        let load = publish(&node, callers, 1, count).await?;
        let told = converged(&node, count + 1).await?;
        figures.extend([
            Figure::new(format!("{callers} callers"), "/s", load.rate()).upstream(upstream).at_least(1000.0),
            Figure::new(format!("{callers} callers, p99"), "ms", load.percentile(99)),
            Figure::new(
                format!("{callers} callers, status objects after the last answer"),
                "s",
                told.as_secs_f64(),
            ),
        ]);
        remove(&node, 16, 0, count + 1).await.all_well()?;
        node.stop().await?;
    }
    Ok(figures)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn unpublish(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let (alone, many) = (effort.of(200), effort.of(500));
    let node = Node::start(subject, &[], &Value::Null, alone + many).await?;
    publish(&node, 64, 0, alone + many).await?;
    // What follows a mount is not measured with it.
    converged(&node, alone + many).await?;
    let cpu = node.driver.cpu()?;
    let one = remove(&node, 1, 0, alone).await.all_well()?;
    let cpu = (node.driver.cpu()? - cpu) * 1e3 / alone as f64;
    let load = remove(&node, 64, alone, many).await;
    let failed = 100.0 * load.failed as f64 / many as f64;
    node.stop().await?;
    Ok(vec![
        Figure::new("one caller, p50", "ms", one.percentile(50)).upstream(1.8).at_most(0.4),
        Figure::new("one caller, p99", "ms", one.percentile(99)),
        Figure::new("CPU", "ms", cpu),
        Figure::new("64 callers", "/s", load.rate()).upstream(1127.0).at_least(2500.0),
        Figure::new("64 callers, failed", "%", failed).upstream(0.4).at_most(0.0),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn republish(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let count = effort.of(5000);
    let node = Node::start(subject, &["--enable-secret-rotation"], &Value::Null, 1).await?;
    publish(&node, 1, 0, 1).await?;
    converged(&node, 1).await?;
    // Until what follows a mount is over.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (cpu, requests, calls) = (node.driver.cpu()?, node.api.requests(), node.peer.calls());
    let changed = std::fs::symlink_metadata(node.target(0).join("..data"))?.modified()?;
    let repeated = Arc::clone(&node);
    let load = Load::run(1, count, move |caller, _| {
        let node = Arc::clone(&repeated);
        async move { node.publish(caller, 0).await }
    });
    let load = load.await.all_well()?;
    let cpu = (node.driver.cpu()? - cpu) * 1e3 / count as f64;
    let requests = node.api.requests() - requests;
    let calls = node.peer.calls() - calls;
    let asked = Arc::clone(&node);
    let empty = Load::run(1, count, move |caller, _| {
        let node = Arc::clone(&asked);
        async move { node.capabilities(caller).await }
    });
    let empty = empty.await.all_well()?;
    let same = std::fs::symlink_metadata(node.target(0).join("..data"))?.modified()? == changed;
    remove(&node, 1, 0, 1).await.all_well()?;
    node.stop().await?;
    Ok(vec![
        Figure::new("p50", "ms", load.percentile(50)).upstream(0.15).at_most(0.1),
        Figure::new("p99", "ms", load.percentile(99)),
        Figure::new("p50 of a call that does nothing", "ms", empty.percentile(50)),
        Figure::new("CPU", "ms", cpu),
        Figure::new("provider calls", "", calls as f64).at_most(0.0),
        Figure::new("API requests", "", requests).at_most(0.0),
        Figure::new("volumes touched", "", f64::from(u8::from(!same))).at_most(0.0),
    ])
}
