//! What is counted: requests in windows of ten seconds, and how old the content of volumes is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::api_server::Call;
use crate::azure::Vaulted;

/// Length of a window in seconds: what Key Vault's limits are over.
pub(crate) const WINDOW: u64 = 10;

/// One window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Requests by vault.
    pub(crate) vaults: Vec<u32>,
    /// Of these answered 429.
    pub(crate) throttled: u32,
    /// Of these answered 503.
    pub(crate) away: u32,
    /// Requests to Entra.
    pub(crate) entra: u32,
    /// Reads at the API server, beginnings of watches included.
    pub(crate) reads: u32,
    /// Writes there.
    pub(crate) writes: u32,
    /// Requests that it answered 429.
    pub(crate) refused: u32,
    /// 99 of 100 volumes are not older, in seconds, at the end of the window.
    pub(crate) oldest: u32,
}

impl Window {
    pub(crate) fn calls(&self) -> u32 {
        self.vaults.iter().sum()
    }
}

/// Everything that is counted of one run.
pub(crate) struct Record {
    began: Instant,
    vaults: usize,
    windows: Mutex<Vec<Window>>,
}

impl Record {
    pub(crate) fn new(vaults: usize) -> Self {
        Self { began: Instant::now(), vaults, windows: Mutex::default() }
    }

    pub(crate) fn vault(&self, vault: usize, answer: Vaulted) {
        self.count(|window| {
            window.vaults[vault] += 1;
            match answer {
                Vaulted::Throttled(_) => window.throttled += 1,
                Vaulted::Away => window.away += 1,
                Vaulted::Secret(_) => {}
            }
        });
    }

    pub(crate) fn entra(&self, requests: u32) {
        self.count(|window| window.entra += requests);
    }

    pub(crate) fn api(&self, call: Call) {
        self.count(|window| match call {
            Call::Get | Call::Watch | Call::List => window.reads += 1,
            Call::Write => window.writes += 1,
        });
    }

    pub(crate) fn api_refused(&self) {
        self.count(|window| window.refused += 1);
    }

    pub(crate) fn oldest(&self, seconds: u32) {
        self.count(|window| window.oldest = seconds);
    }

    /// The number of the window that is now.
    pub(crate) fn now(&self) -> usize {
        usize::try_from(self.began.elapsed().as_secs() / WINDOW).unwrap_or(usize::MAX)
    }

    /// All windows so far.
    pub(crate) fn windows(&self) -> Vec<Window> {
        let now = self.now();
        let mut windows = self.lock();
        self.reach(&mut windows, now);
        windows.truncate(now);
        windows.clone()
    }

    fn count(&self, add: impl FnOnce(&mut Window)) {
        let now = self.now();
        let mut windows = self.lock();
        self.reach(&mut windows, now + 1);
        if let Some(window) = windows.get_mut(now) {
            add(window);
        }
    }

    fn reach(&self, windows: &mut Vec<Window>, length: usize) {
        while windows.len() < length {
            windows.push(Window { vaults: vec![0; self.vaults], ..Window::default() });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many volumes are how many seconds old.
#[derive(Clone)]
pub(crate) struct Ages {
    volumes: Vec<u64>,
    all: u64,
}

/// Nothing is told apart that is older.
const OLDEST: usize = 4 * 3600;

impl Default for Ages {
    fn default() -> Self {
        Self { volumes: vec![0; OLDEST + 1], all: 0 }
    }
}

impl Ages {
    pub(crate) fn add(&mut self, seconds: u64) {
        let age = usize::try_from(seconds).unwrap_or(OLDEST).min(OLDEST);
        self.volumes[age] += 1;
        self.all += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.volumes.iter_mut().zip(&other.volumes).for_each(|(mine, theirs)| *mine += theirs);
        self.all += other.all;
    }

    /// The age that so many of a hundred do not exceed, in seconds.
    pub(crate) fn percentile(&self, percent: u64) -> u32 {
        let mut left = (self.all * percent).div_ceil(100).max(1);
        let place = self.volumes.iter().position(|volumes| {
            left = left.saturating_sub(*volumes);
            left == 0
        });
        place.and_then(|age| u32::try_from(age).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_counted_where_they_belong() {
        let record = Record::new(2);
        record.vault(1, Vaulted::Secret(1));
        tokio::time::advance(Duration::from_secs(25)).await;
        record.vault(0, Vaulted::Away);
        record.api(Call::Write);
        tokio::time::advance(Duration::from_secs(10)).await;
        let windows = record.windows();
        assert_eq!(windows.iter().map(Window::calls).collect::<Vec<_>>(), [1, 0, 1]);
        assert_eq!((windows[0].vaults[1], windows[2].away, windows[2].writes), (1, 1, 1));
    }

    #[test]
    fn percentiles() {
        let mut ages = Ages::default();
        assert_eq!(ages.percentile(50), 0);
        (1..=100).for_each(|age| ages.add(age));
        assert_eq!([50, 99, 100].map(|percent| ages.percentile(percent)), [50, 99, 100]);
    }
}
