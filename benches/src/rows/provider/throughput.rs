//! Many callers.

use std::sync::Arc;

use crate::azure::{Ask, Azure};
use crate::figure::Figure;
use crate::load::Load;
use crate::rows::Effort;
use crate::subject::Subject;

const SECRETS: usize = 10;

/// What each mount of a load asks for.
#[derive(Clone, Copy)]
enum Work {
    /// Secrets of its own, as an identity of the caller's own.
    Distinct { first: usize },
    /// The same as all others.
    Equal,
}

async fn mounts(azure: &Arc<Azure>, callers: usize, count: usize, work: Work) -> anyhow::Result<(Load, f64)> {
    let (asked, before) = (Arc::clone(azure), azure.provider.cpu()?);
    let load = Load::run(callers, count, move |caller, number| {
        let azure = Arc::clone(&asked);
        let ask = match work {
            Work::Distinct { first } => Ask::secrets(first + number * SECRETS, SECRETS, caller),
            Work::Equal => Ask::secrets(0, SECRETS, 0),
        };
        async move { azure.mount(ask).await }
    });
    let load = load.await.all_well()?;
    let cpu = (azure.provider.cpu()? - before) / load.took.as_secs_f64();
    Ok((load, cpu))
}

/// Logs every identity in and opens connections, with secrets that are not asked for again.
async fn warm_up(azure: &Arc<Azure>, first: usize) -> anyhow::Result<()> {
    mounts(azure, 64, 256, Work::Distinct { first }).await.map(drop)
}

pub(crate) async fn at_once(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    let count = effort.of(2000);
    let azure = Azure::start(subject, SECRETS * (2 * count + 256)).await?;
    warm_up(&azure, SECRETS * 2 * count).await?;
    let mut figures = Vec::new();
    for (round, (callers, upstream, cold, equal)) in
        [(16, 697.0, 2.0, 10.0), (64, 351.0, 4.0, 10.0)].into_iter().enumerate()
    {
        let (load, cpu) =
            mounts(&azure, callers, count, Work::Distinct { first: round * SECRETS * count }).await?;
        figures.extend([
            Figure::new(format!("{callers} callers, all distinct"), "/s", load.rate())
                .upstream(upstream)
                .at_least(cold * upstream),
            Figure::new(format!("{callers} callers, all distinct, processors used"), "", cpu),
        ]);
        let (load, cpu) = mounts(&azure, callers, 4 * count, Work::Equal).await?;
        figures.extend([
            Figure::new(format!("{callers} callers, equal requests"), "/s", load.rate())
                .upstream(upstream)
                .at_least(equal * upstream),
            Figure::new(format!("{callers} callers, equal requests, processors used"), "", cpu),
        ]);
    }
    azure.stop().await?;
    Ok(figures)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn far(subject: &Subject, effort: Effort) -> anyhow::Result<Vec<Figure>> {
    const CALLERS: usize = 64;
    let count = effort.of(2000);
    let azure = Azure::start(subject, SECRETS * (count + 256)).await?;
    warm_up(&azure, SECRETS * count).await?;
    azure.latency(20);
    let before = azure.handshakes();
    let (distinct, _) = mounts(&azure, CALLERS, count, Work::Distinct { first: 0 }).await?;
    let handshakes = (azure.handshakes() - before) / count as f64;
    let (equal, _) = mounts(&azure, CALLERS, 4 * count, Work::Equal).await?;
    azure.stop().await?;
    Ok(vec![
        Figure::new("distinct objects", "/s", distinct.rate()).upstream(196.0).at_least(500.0),
        Figure::new("distinct objects, p50", "ms", distinct.percentile(50)),
        Figure::new("distinct objects, p99", "ms", distinct.percentile(99)),
        Figure::new("new TLS connections per mount", "", handshakes).upstream(2.0).at_most(0.0),
        Figure::new("equal requests", "/s", equal.rate()).upstream(196.0).at_least(1000.0),
    ])
}
