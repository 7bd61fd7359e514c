//! A queue of keys to be brought up to date, each at most once at a time.
//!
//! What is queued is only that something about a key may have changed; the worker reads the newest state.
//! So a key that is asked for many times is worked on once, and an outdated wish is never carried out.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keymount_clock::jitter;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How work on a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Nothing left to do until somebody asks again.
    Finished,
    /// To be looked at again after this time, whatever happens.
    Again(Duration),
    /// It failed; to be tried again after a pause that doubles each time.
    Failed,
}

/// First pause after a failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Keys to be worked on.
pub struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

struct State<K> {
    ready: VecDeque<K>,
    /// Keys in `ready`.
    waiting: HashSet<K>,
    /// Keys a worker has, and whether somebody asked again meanwhile.
    working: HashMap<K, bool>,
    later: BTreeMap<(Instant, u64), K>,
    /// Where each key stands in `later`.
    timers: HashMap<K, (Instant, u64)>,
    failures: HashMap<K, u32>,
    /// Since when a key has been asked for without having been brought up to date.
    asked: HashMap<K, Instant>,
    sequence: u64,
}

impl<K: Clone + Eq + Hash + Send + 'static> Queue<K> {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                ready: VecDeque::new(),
                waiting: HashSet::new(),
                working: HashMap::new(),
                later: BTreeMap::new(),
                timers: HashMap::new(),
                failures: HashMap::new(),
                asked: HashMap::new(),
                sequence: 0,
            }),
            changed: Notify::new(),
        })
    }

    /// Asks for work on a key, now.
    pub fn add(&self, key: K) {
        {
            let mut state = self.lock();
            state.asked.entry(key.clone()).or_insert_with(Instant::now);
            state.make_ready(key);
        }
        self.changed.notify_one();
    }

    /// Forgets a key; work that has begun goes on.
    pub fn remove(&self, key: &K) {
        let mut state = self.lock();
        state.unschedule(key);
        state.failures.remove(key);
        state.asked.remove(key);
        if state.waiting.remove(key) {
            state.ready.retain(|ready| ready != key);
        }
        if let Some(again) = state.working.get_mut(key) {
            *again = false;
        }
    }

    /// How long ago somebody asked for a key that is being worked on; none if only its time had come.
    #[must_use]
    pub fn asked_ago(&self, key: &K) -> Option<Duration> {
        self.lock().asked.get(key).map(Instant::elapsed)
    }

    /// Keys that are waiting or being worked on, without those that wait for a time to come.
    #[must_use]
    pub fn pending(&self) -> usize {
        let state = self.lock();
        state.ready.len() + state.working.len()
    }

    /// Works until `stop` is cancelled, on at most `workers` keys at one time. Work that has begun is
    /// finished.
    ///
    /// # Panics
    /// Never: the places of the workers are not closed.
    pub async fn run<F>(self: Arc<Self>, workers: usize, stop: CancellationToken, work: impl Fn(K) -> F)
    where
        F: Future<Output = Done> + Send + 'static,
    {
        let places = Arc::new(tokio::sync::Semaphore::new(workers));
        let tasks = TaskTracker::new();
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await.expect("never closed");
                (place, self.next().await)
            };
            let Some((place, key)) = stop.run_until_cancelled(next).await else { break };
            let (queue, done) = (Arc::clone(&self), work(key.clone()));
            tasks.spawn(async move {
                // A panic ends this task only; the key is then tried again like after a failure.
                let mut working = Working { queue, key, done: Done::Failed };
                working.done = done.await;
                drop(working);
                drop(place);
            });
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn next(&self) -> K {
        loop {
            let wake = {
                let mut state = self.lock();
                state.wake_sleepers(Instant::now());
                if let Some(key) = state.ready.pop_front() {
                    state.waiting.remove(&key);
                    state.working.insert(key.clone(), false);
                    return key;
                }
                state.later.first_key_value().map(|((at, _), _)| *at)
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = crate::until(wake) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn make_ready(&mut self, key: K) {
        self.unschedule(&key);
        if let Some(again) = self.working.get_mut(&key) {
            *again = true;
        } else if self.waiting.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    fn schedule(&mut self, key: K, at: Instant) {
        self.unschedule(&key);
        self.sequence += 1;
        self.later.insert((at, self.sequence), key.clone());
        self.timers.insert(key, (at, self.sequence));
    }

    fn unschedule(&mut self, key: &K) {
        if let Some(timer) = self.timers.remove(key) {
            self.later.remove(&timer);
        }
    }

    fn wake_sleepers(&mut self, now: Instant) {
        while let Some(((at, _), _)) = self.later.first_key_value() {
            if *at > now {
                return;
            }
            if let Some((_, key)) = self.later.pop_first() {
                self.make_ready(key);
            }
        }
    }

    fn finish(&mut self, key: K, done: Done) {
        let asked_again = self.working.remove(&key).unwrap_or_default();
        if done == Done::Failed {
            let failures = self.failures.entry(key.clone()).or_default();
            let pause = FIRST_PAUSE.saturating_mul(1 << (*failures).min(16)).min(LONGEST_PAUSE);
            *failures += 1;
            let pause = pause.mul_f64(0.75 + jitter::fraction() / 2.0);
            // Asking again does not shorten the pause of a key that fails.
            self.schedule(key, Instant::now() + pause);
            return;
        }
        self.failures.remove(&key);
        if !asked_again {
            self.asked.remove(&key);
        }
        match done {
            _ if asked_again => self.make_ready(key),
            Done::Again(pause) => self.schedule(key, Instant::now() + pause),
            _ => {}
        }
    }
}

/// A key in work. Gives it back when dropped.
struct Working<K: Clone + Eq + Hash + Send + 'static> {
    queue: Arc<Queue<K>>,
    key: K,
    done: Done,
}

impl<K: Clone + Eq + Hash + Send + 'static> Drop for Working<K> {
    fn drop(&mut self) {
        self.queue.lock().finish(self.key.clone(), self.done);
        self.queue.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::mpsc;

    use super::*;

    /// Runs a queue whose worker reports each key and ends as `outcome` says.
    fn running(
        outcome: impl Fn(usize) -> Done + Send + Sync + 'static,
    ) -> (Arc<Queue<u32>>, mpsc::Receiver<u32>, CancellationToken) {
        let (queue, stop) = (Queue::new(), CancellationToken::new());
        let (sender, worked) = mpsc::channel(100);
        let (outcome, calls) = (Arc::new(outcome), Arc::new(AtomicUsize::new(0)));
        tokio::spawn(Arc::clone(&queue).run(2, stop.clone(), move |key| {
            let (sender, done) = (sender.clone(), outcome(calls.fetch_add(1, Ordering::SeqCst)));
            async move {
                sender.send(key).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
                done
            }
        }));
        (queue, worked, stop)
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_asked_for_often_is_worked_on_once_and_once_more_if_asked_meanwhile() {
        let (queue, mut worked, _stop) = running(|_| Done::Finished);
        for _ in 0..50 {
            queue.add(7);
        }
        assert_eq!(worked.recv().await, Some(7));
        queue.add(7);
        queue.add(7);
        assert_eq!(worked.recv().await, Some(7));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(worked.try_recv().is_err() && queue.pending() == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_retried_with_growing_pauses_and_success_resets_them() {
        let (queue, mut worked, _stop) = running(|call| if call < 5 { Done::Failed } else { Done::Finished });
        queue.add(1);
        let mut times = Vec::new();
        for _ in 0..6 {
            worked.recv().await.unwrap();
            times.push(Instant::now());
        }
        let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.windows(2).all(|pair| pair[1] > pair[0]), "{pauses:?}");
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(worked.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_key_cannot_be_hurried_but_others_go_on() {
        let (queue, mut worked, _stop) =
            running(|call| if call == 0 { Done::Failed } else { Done::Finished });
        queue.add(1);
        assert_eq!(worked.recv().await, Some(1));
        queue.add(1);
        queue.add(2);
        assert_eq!(worked.recv().await, Some(2));
        assert_eq!(worked.recv().await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn again_comes_round_and_removal_ends_it() {
        let (queue, mut worked, _stop) = running(|_| Done::Again(Duration::from_secs(600)));
        queue.add(1);
        let began = Instant::now();
        for round in 0..4 {
            assert_eq!(worked.recv().await, Some(1));
            assert_eq!(began.elapsed().as_secs() / 600, round);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        queue.remove(&1);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(worked.try_recv().is_err());
    }
}
