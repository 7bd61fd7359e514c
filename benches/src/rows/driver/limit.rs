//! The memory limit of the driver's container, with the worst that may come at once.

use std::path::Path;
use std::sync::Arc;

use keymount_mount_namespace::Cgroup;
use serde_json::Value;

use crate::figure::Figure;
use crate::load::Load;
use crate::node::Node;
use crate::rows::Effort;
use crate::subject::Subject;

/// The limit of the charts.
const LIMIT: u64 = 200 << 20;
/// As much as the driver takes from a provider by default, less what goes with it.
const REPLY: usize = (4 << 20) - 4096;
const CALLERS: usize = 64;

/// Replies of 4 MiB until the budget for mounted bytes is used up, 64 at a time.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn large_replies(subject: &Subject, _: Effort) -> anyhow::Result<Vec<Figure>> {
    let group = Cgroup::new(LIMIT).map_err(anyhow::Error::msg)?;
    let node = Node::start_in(subject, &[], &Value::Null, 2 * CALLERS + 1, Some(&group)).await?;
    // A namespace may have half of a provider's calls.
    node.api.also(&format!("{}-2", node.api.namespace)).await;
    node.peer.answer_with(REPLY);
    (0..=2 * CALLERS).try_for_each(|number| node.prepare(number))?;
    let called = Arc::clone(&node);
    let load = Load::run(CALLERS, 2 * CALLERS, move |caller, number| {
        let node = Arc::clone(&called);
        let suffix = if number % 2 == 0 { "" } else { "-2" };
        async move {
            let namespace = format!("{}{suffix}", node.api.namespace);
            node.publish_in(&namespace, caller, number).await
        }
    });
    let load = load.await;
    let named = load.failure.as_ref().is_none_or(|failure| failure.contains("mounted-bytes-budget"));
    let failure = load.failure.clone().unwrap_or_default();
    let mounted = 2 * CALLERS - load.failed;
    let alive = Path::new(&format!("/proc/{}", node.driver.pid())).exists();
    let (kills, peak) = (group.kills()?, group.peak()?);
    // What is mounted is whole, and room comes back.
    let recovered = if alive {
        for number in 0..2 * CALLERS {
            node.unpublish(0, number).await?;
        }
        node.publish(0, 2 * CALLERS).await.is_ok()
    } else {
        false
    };
    node.stop().await?;
    anyhow::ensure!(named, "a mount was refused with another error than that of the budget: {failure}");
    Ok(vec![
        Figure::new("processes killed", "", kills as f64 + f64::from(u8::from(!alive))).at_most(0.0),
        Figure::new("volumes of 4 MiB that were mounted", "", mounted as f64).at_least(20.0),
        Figure::new("mounts refused, with the budget's error", "", load.failed as f64),
        Figure::new("memory of the group, highest", "MiB", peak as f64 / f64::from(1 << 20)).at_most(200.0),
        Figure::new("mount refused after all were unmounted", "", f64::from(u8::from(!recovered)))
            .at_most(0.0),
    ])
}
