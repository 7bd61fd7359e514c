//! The requests a server has had, by verb and resource.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::request::Verb;

/// Requests that are remembered in full.
const MAX_RECORDS: usize = 100_000;

/// One request for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was to be done.
    pub verb: Verb,
    /// The plural name, with `/subresource` when there is one.
    pub resource: String,
    /// Empty at the cluster scope.
    pub namespace: String,
    /// Empty for a collection.
    pub name: String,
    /// Empty when the request was not let in.
    pub user: String,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The HTTP status of the answer; 0 when there was none.
    pub status: u16,
}

/// The requests of one server.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    records: VecDeque<Record>,
    counts: BTreeMap<(&'static str, String), u64>,
}

impl Journal {
    pub(super) fn add(&self, record: Record) {
        self.edit(|entries| {
            *entries.counts.entry((record.verb.as_str(), record.resource.clone())).or_default() += 1;
            if entries.records.len() == MAX_RECORDS {
                entries.records.pop_front();
            }
            entries.records.push_back(record);
        });
    }

    /// The last requests, oldest first; 100,000 at most.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.edit(|entries| entries.records.iter().cloned().collect())
    }

    /// How many requests there were with a verb for a resource (`serviceaccounts/token`).
    #[must_use]
    pub fn count(&self, verb: Verb, resource: &str) -> u64 {
        self.edit(|entries| entries.counts.get(&(verb.as_str(), resource.to_owned())).copied().unwrap_or(0))
    }

    /// How many requests there were that change something.
    #[must_use]
    pub fn writes(&self) -> u64 {
        let reads = [Verb::Get, Verb::List, Verb::Watch].map(Verb::as_str);
        self.edit(|entries| {
            entries.counts.iter().filter(|((verb, _), _)| !reads.contains(verb)).map(|(_, count)| count).sum()
        })
    }

    /// Starts at zero again.
    pub fn reset(&self) {
        self.edit(|entries| *entries = Entries::default());
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut Entries) -> T) -> T {
        edit(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
