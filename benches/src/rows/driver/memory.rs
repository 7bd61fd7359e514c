//! Memory and start.

use std::time::Duration;

use keymount_cluster_tests::stage::class;
use serde_json::{Value, json};

use super::publish::{converged, publish};
use crate::figure::Figure;
use crate::node::Node;
use crate::rows::Effort;
use crate::subject::Subject;

pub(crate) async fn volumes(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let count = effort.of(500);
    let node = Node::start(subject, &["--enable-secret-rotation"], &Value::Null, effort.of(600)).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = node.driver.memory()?;
    node.driver.reset_peak()?;
    publish(&node, 64, 0, count).await?;
    converged(&node, count).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mounted = node.driver.memory()?;
    node.stop().await?;
    Ok(vec![
        Figure::new("idle", "MiB", idle.resident()).upstream(38.0).at_most(10.0),
        Figure::new("idle, anonymous", "MiB", idle.anonymous()),
        Figure::new("500 volumes", "MiB", mounted.resident()).upstream(52.0).at_most(15.0),
        Figure::new("500 volumes, anonymous", "MiB", mounted.anonymous()),
        Figure::new("peak", "MiB", mounted.peak()).upstream(61.0).at_most(18.0),
    ])
}

pub(crate) async fn large_cluster(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let node = Node::start(subject, &["--enable-secret-rotation"], &Value::Null, 1).await?;
    publish(&node, 1, 0, 1).await?;
    converged(&node, 1).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let small = node.driver.memory()?;
    let namespace = &node.api.namespace;
    let spec = json!({"parameters": {"objects": "x".repeat(500)}});
    let classes =
        (0..effort.of(10_000)).map(|number| class(namespace, &format!("other-{number}"), "azure", &spec));
    node.api.cluster.create_all(classes).await;
    let managed = json!({"secrets-store.csi.k8s.io/managed": "true"});
    let secrets = (0..effort.of(5000)).map(|number| {
        let meta = json!({"name": format!("other-{number}"), "namespace": namespace, "labels": managed});
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"password": "x".repeat(2000)}})
    });
    node.api.cluster.create_all(secrets).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let large = node.driver.memory()?;
    node.stop().await?;
    Ok(vec![Figure::new("more resident", "MiB", large.resident() - small.resident()).at_most(2.0)])
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn start(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let (mut answers, mut publishes) = (Vec::new(), Vec::new());
    for _ in 0..effort.of(9) {
        let node = Node::start(subject, &[], &Value::Null, 1).await?;
        answers.push(node.started.as_secs_f64() * 1e3);
        publish(&node, 1, 0, 1).await?;
        // Times between that the bench itself takes are counted with it.
        publishes.push(node.driver.began.elapsed().as_secs_f64() * 1e3);
        node.unpublish(0, 0).await?;
        node.stop().await?;
    }
    for times in [&mut answers, &mut publishes] {
        times.sort_by(f64::total_cmp);
    }
    let bytes = std::fs::metadata(subject.driver()?)?.len() as f64;
    Ok(vec![
        Figure::new("start to first CSI answer, p50", "ms", answers[answers.len() / 2])
            .upstream(34.0)
            .at_most(15.0),
        Figure::new("start to first finished publish, p50", "ms", publishes[publishes.len() / 2])
            .upstream(191.0)
            .at_most(40.0),
        Figure::new("program", "MB", bytes / 1e6).upstream(44.0).at_most(9.0),
    ])
}
