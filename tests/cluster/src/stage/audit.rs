//! What one user asked of the API server, by the server's own audit log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::cluster::{PATIENCE, text};

/// How often the log is read; there is no event for a line that another process writes.
const LOOK: Duration = Duration::from_millis(50);

/// The requests of one user.
pub struct Audit {
    log: PathBuf,
    user: String,
}

/// Numbers of requests, by verb and resource: `get secrets`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests(BTreeMap<String, usize>);

impl Audit {
    /// Those of this user, by this log.
    #[must_use]
    pub fn new(log: PathBuf, user: String) -> Self {
        Self { log, user }
    }

    /// All requests so far. A watch counts when it is opened.
    ///
    /// # Panics
    /// If the log cannot be read.
    #[must_use]
    pub fn requests(&self) -> Requests {
        let log = std::fs::read_to_string(&self.log).expect("an audit log");
        let (mut seen, mut requests) = (BTreeSet::new(), BTreeMap::new());
        // The last line may be half written.
        let lines = log.lines().filter(|line| line.contains(&self.user));
        for event in lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let is_new = seen.insert(text(&event, "/auditID").to_owned());
            if text(&event, "/user/username") != self.user || !is_new {
                continue;
            }
            let resource = match text(&event, "/objectRef/resource") {
                "" => text(&event, "/requestURI"),
                resource => resource,
            };
            *requests.entry(format!("{} {resource}", text(&event, "/verb"))).or_default() += 1;
        }
        Requests(requests)
    }

    /// Waits until there has been no further request for so long, and gives all.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn quiet(&self, silence: Duration) -> Requests {
        let until = Instant::now() + PATIENCE;
        let (mut last, mut since) = (self.requests(), Instant::now());
        while since.elapsed() < silence {
            assert!(Instant::now() < until, "requests do not end: {last}");
            sleep(LOOK).await;
            let now = self.requests();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        last
    }
}

impl Requests {
    /// Those that are not among the earlier ones.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let more = |(what, count): (&String, &usize)| {
            let count = count - earlier.0.get(what).unwrap_or(&0);
            (count > 0).then(|| (what.clone(), count))
        };
        Self(self.0.iter().filter_map(more).collect())
    }

    /// How many of `verb resource` there are.
    #[must_use]
    pub fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// How many there are in all.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// How many of them change something.
    #[must_use]
    pub fn writes(&self) -> usize {
        let reads = ["get ", "list ", "watch "];
        let is_read = |what: &str| reads.iter().any(|read| what.starts_with(read));
        self.0.iter().filter(|(what, _)| !is_read(what)).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return to.write_str("none");
        }
        let each: Vec<_> = self.0.iter().map(|(what, count)| format!("{count} {what}")).collect();
        to.write_str(&each.join(", "))
    }
}

impl FromIterator<(&'static str, usize)> for Requests {
    fn from_iter<T: IntoIterator<Item = (&'static str, usize)>>(each: T) -> Self {
        Self(each.into_iter().map(|(what, count)| (what.to_owned(), count)).collect())
    }
}
