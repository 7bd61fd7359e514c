//! How many bytes of secrets may be mounted on this node.
//!
//! tmpfs pages are charged to the memory cgroup of the process that writes them, which is this one: past
//! the limit of its container the kernel would kill it. So mounts end with an error before that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes that are left.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
}

/// Bytes taken from the budget; dropping gives them back.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

/// The budget does not cover the volume.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the volume needs {needed} bytes of memory and {used} of the {limit} bytes for mounted secrets on this node \
     are in use (raise --mounted-bytes-budget together with the driver's memory limit)"
)]
pub(crate) struct OverBudget {
    needed: u64,
    used: u64,
    limit: u64,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0) })
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// [`OverBudget`] if there are not that many left.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation, OverBudget> {
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            used.checked_add(bytes).filter(|sum| *sum <= self.limit)
        });
        match taken {
            Ok(_) => Ok(Reservation { budget: Arc::clone(self), bytes }),
            Err(used) => Err(OverBudget { needed: bytes, used, limit: self.limit }),
        }
    }

    /// Takes bytes that are mounted already, whatever the limit.
    #[must_use]
    pub(crate) fn account(self: &Arc<Self>, bytes: u64) -> Reservation {
        self.used.fetch_add(bytes, Ordering::AcqRel);
        Reservation { budget: Arc::clone(self), bytes }
    }

    /// Bytes there are in all.
    #[must_use]
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes in use.
    #[must_use]
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }
}

impl Reservation {
    /// Bytes that are held.
    #[must_use]
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_can_be_taken_again() {
        let budget = Budget::new(100);
        let first = budget.reserve(60).unwrap();
        let error = budget.reserve(41).unwrap_err();
        assert_eq!(error, OverBudget { needed: 41, used: 60, limit: 100 });
        assert!(error.to_string().contains("--mounted-bytes-budget"), "{error}");
        let second = budget.reserve(40).unwrap();
        drop(first);
        assert_eq!(budget.used(), 40);
        let adopted = budget.account(200);
        assert!(budget.reserve(1).is_err());
        drop((second, adopted));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_volume_of_any_size_overflows_nothing() {
        let budget = Budget::new(u64::MAX);
        let _held = budget.reserve(1).unwrap();
        assert!(budget.reserve(u64::MAX).is_err());
    }
}
