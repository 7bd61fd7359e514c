//! Requests, memory, start.

use std::sync::Arc;
use std::time::Duration;

use keymount_emulator::faults::Service;
use tokio::time::Instant;

use crate::azure::{Ask, Azure};
use crate::figure::Figure;
use crate::load::Load;
use crate::rows::Effort;
use crate::subject::Subject;

/// How long our provider answers equal requests from one reading, by default.
const TTL: Duration = Duration::from_secs(10);

/// Kubelet publishes the volumes of a node again, all within a moment.
pub(crate) async fn equal_pods(subject: &Subject, _: Effort) -> anyhow::Result<Vec<Figure>> {
    const PODS: usize = 100;
    let azure = Azure::start(subject, 4).await?;
    let (asked, began) = (Arc::clone(&azure), Instant::now());
    let load = Load::run(16, PODS, move |_, _| {
        let azure = Arc::clone(&asked);
        async move { azure.mount(Ask::secrets(0, 4, 0)).await }
    });
    load.await.all_well()?;
    let periods = (began.elapsed().as_secs_f64() / TTL.as_secs_f64()).ceil();
    let challenges = azure.answered(401);
    let vault = azure.requests(Service::Vault) - challenges;
    let authority = azure.requests(Service::Entra);
    azure.stop().await?;
    Ok(vec![
        Figure::new("vault calls", "", vault).upstream(400.0).at_most(4.0 * periods),
        Figure::new("challenges", "", challenges).upstream(100.0).at_most(0.0),
        // Discovery is asked for as well by others.
        Figure::new("requests to the authority", "", authority).upstream(100.0).at_most(1.0),
    ])
}

pub(crate) async fn memory(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let mounts = effort.of(2000);
    let azure = Azure::start(subject, 10 * 2 * mounts).await?;
    let idle = azure.provider.memory()?;
    let mut after = Vec::new();
    for (round, callers) in [4, 64].into_iter().enumerate() {
        azure.provider.reset_peak()?;
        let asked = Arc::clone(&azure);
        let load = Load::run(callers, mounts, move |caller, number| {
            let azure = Arc::clone(&asked);
            async move { azure.mount(Ask::secrets((round * mounts + number) * 10, 10, caller)).await }
        });
        load.await.all_well()?;
        after.push(azure.provider.memory()?);
    }
    azure.stop().await?;
    Ok(vec![
        Figure::new("idle", "MiB", idle.resident()).upstream(20.0).at_most(6.0),
        Figure::new("idle, anonymous", "MiB", idle.anonymous()),
        Figure::new("after 2,000 mounts", "MiB", after[0].resident()).upstream(30.0).at_most(10.0),
        Figure::new("after 2,000 mounts, anonymous", "MiB", after[0].anonymous()),
        Figure::new("peak at 64 callers", "MiB", after[1].peak()).upstream(44.0).at_most(14.0),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn start(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let mut times = Vec::new();
    for _ in 0..effort.of(15) {
        let azure = Azure::start(subject, 0).await?;
        times.push(azure.started.as_secs_f64() * 1e3);
        azure.stop().await?;
    }
    times.sort_by(f64::total_cmp);
    let bytes = std::fs::metadata(subject.provider()?)?.len() as f64;
    Ok(vec![
        Figure::new("start to first answer, p50", "ms", times[times.len() / 2]).upstream(12.0).at_most(8.0),
        Figure::new("start to first answer, shortest", "ms", times[0]),
        Figure::new("program", "MB", bytes / 1e6).upstream(23.0).at_most(6.0),
    ])
}
