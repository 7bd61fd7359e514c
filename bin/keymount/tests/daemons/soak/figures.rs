//! Memory and file descriptors of the daemons over time.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::faults::Trouble;

/// What may be more in the end than in the beginning: a fifth, and what a heap of this size moves by anyway.
const MARGIN_PERCENT: u64 = 20;
const MARGIN_KIB: u64 = 6 * 1024;
/// Connections that come and go.
const MARGIN_DESCRIPTORS: usize = 8;
/// HTTP clients close a connection that was not used for 90 s.
const SETTLING: Duration = Duration::from_secs(100);

/// One look at both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// KiB, without pages of volumes: driver, provider.
    memory: [u64; 2],
    descriptors: [usize; 2],
}

impl Sample {
    pub(crate) fn of(trouble: &Trouble) -> Self {
        let daemons = [&trouble.driver, &trouble.provider];
        Self {
            memory: daemons.map(crate::daemon::Daemon::memory),
            descriptors: daemons.map(crate::daemon::Daemon::descriptors),
        }
    }

    /// The least of each within the time in which connections without a request are closed: what is still written when all is
    /// right comes and goes, what leaks stays.
    pub(crate) async fn settled(trouble: &Trouble) -> Self {
        let (mut least, end) = (Self::of(trouble), Instant::now() + SETTLING);
        while Instant::now() < end {
            sleep(Duration::from_secs(1)).await;
            let now = Self::of(trouble);
            for daemon in 0..2 {
                least.memory[daemon] = least.memory[daemon].min(now.memory[daemon]);
                least.descriptors[daemon] = least.descriptors[daemon].min(now.descriptors[daemon]);
            }
        }
        least
    }

    /// Asserts that this is not more than `before`, but for the margin.
    pub(crate) fn is_no_more_than(&self, before: &Self) {
        for daemon in 0..2 {
            let most = before.memory[daemon] * (100 + MARGIN_PERCENT) / 100 + MARGIN_KIB;
            assert!(self.memory[daemon] <= most, "memory grows: {before:?}, {self:?}");
            let most = before.descriptors[daemon] + MARGIN_DESCRIPTORS;
            assert!(self.descriptors[daemon] <= most, "file descriptors grow: {before:?}, {self:?}");
        }
    }
}

/// All looks of a part of the run.
#[derive(Default)]
pub(crate) struct Samples(Vec<Sample>);

impl Samples {
    pub(crate) fn take(&mut self, trouble: &Trouble) {
        self.0.push(Sample::of(trouble));
    }
}

impl fmt::Display for Samples {
    /// For each tenth of the time the means of memory, and the most descriptors there were.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (daemon, name) in ["driver", "provider"].iter().enumerate() {
            write!(f, "{name}: MiB by tenths of the time")?;
            for part in self.0.chunks(self.0.len().div_ceil(10).max(1)) {
                let sum: u64 = part.iter().map(|sample| sample.memory[daemon]).sum();
                let mean = sum * 10 / 1024 / u64::try_from(part.len()).unwrap_or(1);
                write!(f, " {}.{}", mean / 10, mean % 10)?;
            }
            let most = self.0.iter().map(|sample| sample.descriptors[daemon]).max().unwrap_or_default();
            writeln!(f, "; {most} file descriptors at most")?;
        }
        Ok(())
    }
}
