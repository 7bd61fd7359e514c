//! The API server's priority and fairness, as the service accounts of DaemonSets meet it.
//!
//! All drivers of a cluster are one service account, so one flow of the level `workload-low`: by default
//! 100 of 245 shares of 600 seats, and six queues of fifty. Who finds no seat and no room in a queue is
//! answered 429.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::network::around;
use crate::record::Record;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// One object by name.
    Get,
    /// The beginning of a watch; it holds its seat only for that.
    Watch,
    /// All objects of a kind; it takes up to ten seats.
    List,
    /// A create, update or patch.
    Write,
}

impl Call {
    const fn takes(self) -> (u32, Duration) {
        match self {
            Self::Get | Self::Watch => (1, Duration::from_millis(2)),
            Self::List => (10, Duration::from_millis(50)),
            Self::Write => (1, Duration::from_millis(8)),
        }
    }
}

/// 429.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused;

pub(crate) struct ApiServer {
    record: Arc<Record>,
    seats: Semaphore,
    waiting: AtomicUsize,
    queue: usize,
}

impl ApiServer {
    pub(crate) fn new(seats: usize, queue: usize, record: Arc<Record>) -> Self {
        Self { record, seats: Semaphore::new(seats), waiting: AtomicUsize::new(0), queue }
    }

    /// One request.
    pub(crate) async fn call(&self, call: Call) -> Result<(), Refused> {
        self.record.api(call);
        let (width, work) = call.takes();
        let seat = match self.seats.try_acquire_many(width) {
            Ok(seat) => seat,
            Err(_) if self.waiting.load(Ordering::Relaxed) >= self.queue => {
                self.record.api_refused();
                return Err(Refused);
            }
            Err(_) => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let seat = self.seats.acquire_many(width).await;
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                let Ok(seat) = seat else { return Err(Refused) };
                seat
            }
        };
        tokio::time::sleep(around(work)).await;
        drop(seat);
        Ok(())
    }

    /// One request, tried again after a growing pause until it is answered.
    pub(crate) async fn insist(&self, call: Call) {
        let mut pause = Duration::from_millis(500);
        while self.call(call).await.is_err() {
            tokio::time::sleep(around(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(60));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn seats_then_a_queue_then_429() {
        let api = ApiServer::new(4, 6, Arc::new(Record::new(1)));
        let answers = futures::future::join_all((0..20).map(|_| api.call(Call::Write))).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
        assert_eq!(api.call(Call::Get).await, Ok(()));
    }
}
