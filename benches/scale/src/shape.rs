//! How large the cluster is, and what its volumes are.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a list takes at the API server.
pub(crate) const LIST_SEATS: usize = 10;

/// A cluster and what its pods mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Nodes.
    pub nodes: usize,
    /// Volumes of a node; each is of a pod of its own.
    pub volumes_per_node: usize,
    /// Classes, and identities, that the volumes of one node are of.
    pub classes_per_node: usize,
    /// Classes of the cluster.
    pub classes: usize,
    /// Secrets of a volume.
    pub objects: usize,
    /// Vaults; the classes are shared out among them.
    pub vaults: usize,
    /// Requests that a vault answers in ten seconds; beyond it says 429.
    pub vault_limit: u32,
    /// The same of the vault that all nodes use, in the scenario of that name.
    pub hot_limit: u32,
    /// Seats of the priority level that the service accounts of DaemonSets have at the API server.
    pub api_seats: usize,
    /// Requests that wait there for a seat; beyond it says 429.
    pub api_queue: usize,
    /// The rotation interval, in seconds.
    pub interval_seconds: u64,
    /// Time to live of the provider's object cache, in seconds.
    pub cache_seconds: u64,
    /// Seed of all randomness.
    pub seed: u64,
}

impl Shape {
    /// What `docs/scale.md` is about: the limits are those that are documented.
    #[must_use]
    pub const fn full() -> Self {
        Self {
            nodes: 5000,
            volumes_per_node: 30,
            classes_per_node: 10,
            classes: 2500,
            objects: 3,
            vaults: 50,
            vault_limit: 4000,
            hot_limit: 4000,
            api_seats: 245,
            api_queue: 300,
            interval_seconds: 120,
            cache_seconds: 10,
            seed: 1,
        }
    }

    /// The same with other nodes: each vault gets as many requests, and the hot one as many times more than it answers.
    #[must_use]
    pub fn of(nodes: usize) -> Self {
        let full = Self::full();
        let part = |whole: usize| (whole * nodes / full.nodes).max(1);
        let hot_limit = usize::try_from(full.hot_limit).unwrap_or_default();
        Self {
            nodes,
            classes: part(full.classes).max(full.classes_per_node),
            vaults: part(full.vaults),
            hot_limit: u32::try_from(part(hot_limit)).unwrap_or(full.hot_limit),
            api_seats: part(full.api_seats).max(LIST_SEATS),
            api_queue: part(full.api_queue).max(LIST_SEATS),
            ..full
        }
    }

    /// One of five hundred nodes, and limits that are met in the same scenarios.
    #[must_use]
    pub fn small() -> Self {
        Self { vault_limit: 400, ..Self::of(10) }
    }

    /// The node that is measured with real daemons, so that this model can be believed.
    #[must_use]
    pub const fn one_node() -> Self {
        Self { nodes: 1, classes: 10, vaults: 1, interval_seconds: 10, cache_seconds: 2, ..Self::full() }
    }

    /// All volumes of the cluster.
    #[must_use]
    pub const fn volumes(&self) -> usize {
        self.nodes * self.volumes_per_node
    }

    pub(crate) const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds)
    }

    /// The class of a volume of a node: those of one class stand side by side.
    pub(crate) const fn group(&self, volume: usize) -> usize {
        volume % self.classes_per_node
    }

    /// The number of a node's class in the cluster.
    pub(crate) const fn class(&self, node: usize, group: usize) -> usize {
        // Neighbours have different classes, and each class is on about as many nodes.
        (node * self.classes_per_node + group) % self.classes
    }

    /// The vault of a class.
    pub(crate) const fn vault(&self, class: usize) -> usize {
        class % self.vaults
    }
}
