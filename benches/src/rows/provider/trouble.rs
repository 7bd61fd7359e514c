//! When Azure says no.

use std::sync::Arc;

use crate::azure::{Ask, Azure};
use crate::figure::Figure;
use crate::load::Load;
use crate::rows::Effort;
use crate::subject::Subject;

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn throttled(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    const SECRETS: usize = 10;
    let mounts = effort.of(60);
    let azure = Azure::start(subject, SECRETS * (mounts + 1)).await?;
    azure.mount(Ask::secrets(SECRETS * mounts, SECRETS, 0)).await?;
    azure.throttle_one_in_ten();
    let (asked, before) = (Arc::clone(&azure), azure.answered(429));
    let load = Load::run(4, mounts, move |_, number| {
        let azure = Arc::clone(&asked);
        async move { azure.mount(Ask::secrets(number * SECRETS, SECRETS, 0)).await }
    });
    let load = load.await;
    let refused = azure.answered(429) - before;
    azure.stop().await?;
    Ok(vec![
        Figure::new("p50", "ms", load.percentile(50)).upstream(1000.0).at_most(1100.0),
        Figure::new("p99", "ms", load.percentile(99)).upstream(3000.0),
        Figure::new("mounts", "/s", load.rate()).upstream(3.3),
        Figure::new("refused requests per mount", "", refused / mounts as f64),
        Figure::new("failed mounts", "", load.failed as f64).at_most(0.0),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn failing_logins(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let logins = effort.of(5000);
    let azure = Azure::start(subject, 1).await?;
    azure.mount(Ask::secrets(0, 1, 0)).await?;
    // What a process that is in use holds anyhow.
    for (callers, count, prefix) in [(16, logins / 10, "early"), (16, logins, "nobody")] {
        if prefix == "nobody" {
            azure.provider.reset_peak()?;
        }
        let (asked, before) = (Arc::clone(&azure), azure.provider.memory()?);
        let load = Load::run(callers, count, move |_, number| {
            let azure = Arc::clone(&asked);
            let object = (format!("object-{number}"), "secret");
            async move { azure.mount(Ask::objects(std::iter::once(object), &format!("{prefix}-{number}"))).await }
        });
        let load = load.await;
        anyhow::ensure!(load.failed == count, "{} of {count} logins failed", load.failed);
        if prefix == "nobody" {
            let (after, bytes) = (azure.provider.memory()?, azure.metrics_bytes().await?);
            let more = after.resident() - before.resident();
            azure.stop().await?;
            return Ok(vec![
                Figure::new("/metrics", "kB", bytes as f64 / 1e3).upstream(188_000.0).at_most(100.0),
                Figure::new("more resident", "MiB", more).upstream(135.0).at_most(1.0),
                Figure::new("resident", "MiB", after.resident()).upstream(155.0),
            ]);
        }
    }
    Ok(Vec::new())
}
