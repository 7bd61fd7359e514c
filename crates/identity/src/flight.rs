//! Single flight: who asks for what is being fetched already waits for that fetch.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};

/// The fetches under way, by what they fetch. A fetch runs as long as somebody waits for it: when
/// the first asker gives up, the others carry it on, and when the last one does, it is dropped.
pub struct Flights<K, V>(Arc<Mutex<Map<K, V>>>);

type Map<K, V> = HashMap<K, (u64, WeakShared<BoxFuture<'static, V>>)>;

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(HashMap::new())))
    }
}

/// Takes a fetch off the list when it ends, also by being dropped.
struct Landing<K: Eq + Hash, V> {
    flights: Arc<Mutex<Map<K, V>>>,
    key: K,
    id: u64,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(&self.key).is_some_and(|(id, _)| *id == self.id) {
            flights.remove(&self.key);
        }
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the fetch of `key`, or starts one. Says whether it was started here.
    pub fn join(
        &self,
        key: &K,
        start: impl FnOnce() -> BoxFuture<'static, V>,
    ) -> (Shared<BoxFuture<'static, V>>, bool) {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = flights.get(key);
        if let Some(flight) = running.and_then(|(_, flight)| flight.upgrade()) {
            return (flight, false);
        }
        let id = running.map_or(0, |(id, _)| id.wrapping_add(1));
        let landing = Landing { flights: Arc::clone(&self.0), key: key.clone(), id };
        let fetch = start();
        let flight = async move {
            let _landing = landing;
            fetch.await
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(key.clone(), (id, weak));
        }
        (flight, true)
    }

    /// How many fetches are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn one_fetch_for_all_who_ask_meanwhile_and_a_new_one_after() {
        let flights = Flights::<u8, usize>::default();
        let (fetches, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let ask = || {
            let (fetches, gate) = (Arc::clone(&fetches), Arc::clone(&gate));
            flights.join(&1, move || {
                async move {
                    let number = fetches.fetch_add(1, Ordering::SeqCst);
                    gate.notified().await;
                    number
                }
                .boxed()
            })
        };
        let ((first, started), (second, joined)) = (ask(), ask());
        assert!(started && !joined);
        let both = tokio::spawn(async move { (first.await, second.await) });
        tokio::task::yield_now().await;
        gate.notify_one();
        assert_eq!(both.await.expect("no panic"), (0, 0));
        assert!(flights.is_empty());
        let (third, started) = ask();
        assert!(started);
        gate.notify_one();
        assert_eq!(third.await, 1);
    }

    #[tokio::test]
    async fn a_fetch_outlives_the_one_who_started_it_but_not_the_last_who_waits() {
        let flights = Flights::<u8, ()>::default();
        let gate = Arc::new(Notify::new());
        let ask = || {
            let gate = Arc::clone(&gate);
            flights.join(&1, move || async move { gate.notified().await }.boxed()).0
        };
        let (first, second) = (ask(), ask());
        let first = tokio::spawn(first);
        tokio::task::yield_now().await;
        first.abort();
        let _ = first.await;
        gate.notify_one();
        second.await;
        let abandoned = ask();
        assert_eq!(flights.len(), 1);
        drop(abandoned);
        assert!(flights.is_empty(), "nobody waits any more");
    }
}
