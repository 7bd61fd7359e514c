//! How many calls to one provider may run at one time, and how they are shared out.
//!
//! Rotations may use a quarter of the places, so that a pod that waits finds one; and one namespace may
//! use half of those of its lane, so that calls of one tenant that hang leave room for the others (I8).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A pod waits for it.
    FirstMount,
    /// Content that is mounted already.
    Rotation,
}

/// The places of one provider.
pub struct Places {
    all: Arc<Semaphore>,
    mounts: Shares,
    rotations: Shares,
    waiting: AtomicUsize,
    total: usize,
}

/// The places of one lane.
struct Shares {
    lane: Arc<Semaphore>,
    share: usize,
    namespaces: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A place that is taken; dropping gives it back.
pub struct Place {
    _permits: [OwnedSemaphorePermit; 3],
    /// Keeps the namespace's share known while somebody has a part of it.
    _share: Arc<Semaphore>,
}

/// One call more that waits, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Places {
    /// So many places.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(total)),
            mounts: Shares::new(total),
            rotations: Shares::new((total / 4).max(1)),
            waiting: AtomicUsize::new(0),
            total,
        }
    }

    /// Waits for a place of the lane and the namespace.
    ///
    /// # Panics
    /// Never: the places are not closed.
    pub async fn take(&self, lane: Lane, namespace: &str) -> Place {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let shares = match lane {
            Lane::FirstMount => &self.mounts,
            Lane::Rotation => &self.rotations,
        };
        let share = shares.of(namespace);
        let permits = [acquire(&share).await, acquire(&shares.lane).await, acquire(&self.all).await];
        Place { _permits: permits, _share: share }
    }

    /// Calls that run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.total - self.all.available_permits()
    }

    /// Calls that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Shares {
    fn new(places: usize) -> Self {
        let lane = Arc::new(Semaphore::new(places));
        Self { lane, share: (places / 2).max(1), namespaces: Mutex::default() }
    }

    fn of(&self, namespace: &str) -> Arc<Semaphore> {
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = namespaces.get(namespace).and_then(Weak::upgrade) {
            return share;
        }
        namespaces.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.share));
        namespaces.insert(namespace.to_owned(), Arc::downgrade(&share));
        share
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    Arc::clone(semaphore).acquire_owned().await.expect("never closed")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn rotations_leave_room_for_mounts_and_tenants_for_each_other() {
        let places = Places::new(16);
        let mut taken = Vec::new();
        let mut now = |lane, namespace| match places.take(lane, namespace).now_or_never() {
            Some(place) => {
                taken.push(place);
                true
            }
            None => false,
        };
        assert_eq!((0..10).filter(|_| now(Lane::Rotation, "noisy")).count(), 2);
        assert_eq!((0..10).filter(|_| now(Lane::Rotation, "quiet")).count(), 2);
        assert_eq!((0..10).filter(|_| now(Lane::Rotation, "third")).count(), 0, "a quarter is for rotations");
        assert_eq!((0..20).filter(|_| now(Lane::FirstMount, "noisy")).count(), 8);
        assert_eq!((0..20).filter(|_| now(Lane::FirstMount, "quiet")).count(), 4);
        assert_eq!((places.running(), places.waiting()), (16, 0));
        taken.clear();
        assert_eq!(places.running(), 0);
        assert!(places.take(Lane::Rotation, "noisy").now_or_never().is_some());
        assert_eq!(places.mounts.namespaces.lock().unwrap().len(), 2);
        drop(places.take(Lane::FirstMount, "other").await);
        assert_eq!(places.mounts.namespaces.lock().unwrap().len(), 1, "who has no call is forgotten");
    }

    #[tokio::test]
    async fn one_place_is_enough_for_everybody_in_turn() {
        let places = Places::new(1);
        for lane in [Lane::FirstMount, Lane::Rotation] {
            let place = places.take(lane, "a").await;
            assert!(places.take(Lane::FirstMount, "b").now_or_never().is_none());
            assert_eq!(places.waiting(), 0, "who stops waiting is not counted");
            drop(place);
        }
    }
}
