//! Callers that ask as fast as they are answered.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What came of a load.
#[derive(Default)]
pub(crate) struct Load {
    /// How long each operation took that succeeded, ascending.
    latencies: Vec<Duration>,
    /// From the first to the last answer.
    pub(crate) took: Duration,
    /// Operations that failed.
    pub(crate) failed: usize,
    /// The first failure.
    pub(crate) failure: Option<String>,
}

impl Load {
    /// Runs so many operations, by so many callers at a time. `operation` is told caller and number.
    pub(crate) async fn run<F, A>(callers: usize, operations: usize, operation: F) -> Self
    where
        F: Fn(usize, usize) -> A + Send + Sync + 'static,
        A: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (next, operation) = (Arc::new(AtomicUsize::new(0)), Arc::new(operation));
        let began = Instant::now();
        let callers = (0..callers).map(|caller| {
            let (next, operation) = (Arc::clone(&next), Arc::clone(&operation));
            tokio::spawn(async move {
                let mut mine = Self::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= operations {
                        return mine;
                    }
                    let began = Instant::now();
                    match operation(caller, number).await {
                        Ok(()) => mine.latencies.push(began.elapsed()),
                        Err(error) => {
                            mine.failed += 1;
                            mine.failure.get_or_insert_with(|| format!("{error:#}"));
                        }
                    }
                }
            })
        });
        let mut all = Self::default();
        for mine in futures::future::join_all(callers).await.into_iter().flatten() {
            all.latencies.extend(mine.latencies);
            all.failed += mine.failed;
            all.failure = all.failure.or(mine.failure);
        }
        all.took = began.elapsed();
        all.latencies.sort_unstable();
        all
    }

    /// An error if any operation failed.
    pub(crate) fn all_well(self) -> anyhow::Result<Self> {
        match &self.failure {
            Some(failure) => anyhow::bail!("{} operations failed: {failure}", self.failed),
            None => Ok(self),
        }
    }

    /// Milliseconds within which this share of the operations was answered.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1) - 1;
        self.latencies.get(rank).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }

    /// Operations per second that succeeded.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }
}
