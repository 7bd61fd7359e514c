//! One caller: how long it waits, and what that costs.

use std::sync::Arc;

use crate::azure::{Ask, Azure};
use crate::figure::Figure;
use crate::load::Load;
use crate::rows::Effort;
use crate::subject::Subject;

/// Mounts of `count` secrets each that nobody has asked for before, by one caller, from this secret on.
async fn cold(azure: &Arc<Azure>, first: usize, count: usize, mounts: usize) -> anyhow::Result<Load> {
    let asked = Arc::clone(azure);
    let load = Load::run(1, mounts, move |_, number| {
        let azure = Arc::clone(&asked);
        async move { azure.mount(Ask::secrets(first + number * count, count, 0)).await }
    });
    load.await.all_well()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn one_caller(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let mounts = effort.of(100);
    let azure = Azure::start(subject, 61 * mounts + 1).await?;
    cold(&azure, 61 * mounts, 1, 1).await?;
    azure.latency(20);
    let (mut figures, mut first) = (Vec::new(), 0);
    for (count, upstream, bound, requests, upstream_requests) in
        [(1, 105.0, 25.0, 1.0, 5.0), (10, 292.0, 28.0, 10.0, 14.0), (50, 1127.0, 40.0, 50.0, 54.0)]
    {
        let before = azure.all_requests();
        let load = cold(&azure, first, count, mounts).await?;
        let asked = (azure.all_requests() - before) / mounts as f64;
        first += count * mounts;
        figures.extend([
            Figure::new(format!("{count} secrets, p50"), "ms", load.percentile(50))
                .upstream(upstream)
                .at_most(bound),
            Figure::new(format!("{count} secrets, p90"), "ms", load.percentile(90)),
            Figure::new(format!("{count} secrets, p99"), "ms", load.percentile(99)),
            Figure::new(format!("{count} secrets, HTTP requests"), "", asked)
                .upstream(upstream_requests)
                .at_most(requests),
        ]);
    }
    azure.stop().await?;
    Ok(figures)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn processor(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    const SECRETS: usize = 10;
    let mounts = effort.of(1000);
    let azure = Azure::start(subject, SECRETS * (mounts + 100)).await?;
    cold(&azure, SECRETS * mounts, SECRETS, 100).await?;
    let before = azure.provider.cpu()?;
    let load = cold(&azure, 0, SECRETS, mounts).await?;
    let cpu = (azure.provider.cpu()? - before) * 1e3 / mounts as f64;
    let mut figures = vec![
        Figure::new("CPU, cold objects", "ms", cpu).upstream(2.15).at_most(0.8),
        Figure::new("p50, cold objects", "ms", load.percentile(50)),
    ];
    let equal = effort.of(5000);
    let (asked, before) = (Arc::clone(&azure), azure.provider.cpu()?);
    let load = Load::run(1, equal, move |_, _| {
        let azure = Arc::clone(&asked);
        async move { azure.mount(Ask::secrets(0, SECRETS, 0)).await }
    });
    let load = load.await.all_well()?;
    let cpu = (azure.provider.cpu()? - before) * 1e3 / equal as f64;
    figures.extend([
        Figure::new("CPU, equal requests", "ms", cpu).upstream(2.15).at_most(0.1),
        Figure::new("p50, equal requests", "ms", load.percentile(50)),
    ]);
    azure.stop().await?;
    Ok(figures)
}

/// A PFX costs what its mount costs more than that of a text.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn pfx(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let mounts = effort.of(400);
    let azure = Azure::start(subject, mounts + 1).await?;
    for number in 0..mounts {
        azure.add_pfx(&format!("pfx-{number}"), PFX).await?;
    }
    cold(&azure, mounts, 1, 1).await?;
    let mut costs = Vec::new();
    for prefix in ["s", "pfx"] {
        let (asked, before) = (Arc::clone(&azure), azure.provider.cpu()?);
        let load = Load::run(1, mounts, move |_, number| {
            let azure = Arc::clone(&asked);
            let object = (format!("{prefix}-{number}"), "secret");
            async move { azure.mount(Ask::objects(std::iter::once(object), "app-0")).await }
        });
        load.await.all_well()?;
        costs.push((azure.provider.cpu()? - before) * 1e3 / mounts as f64);
    }
    azure.stop().await?;
    let more = costs[1] - costs[0];
    Ok(vec![Figure::new("CPU beyond that of a text", "ms", more).upstream(2.0).at_most(0.7)])
}

/// RSA of 2,048 bits, a certificate that signs itself, no password, 3DES and RC2 as Key Vault writes it.
const PFX: &str = include_str!("pfx.base64");
