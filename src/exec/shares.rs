//! Memory for sorts of many partitions at a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{Result, human_readable_size, resources_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// How DataFusion calls the merge of one partition's files.
const MERGE: &str = "ExternalSorterMerge";

/// A pool of which those who can write what they hold to files have half, in equal shares, and their merges three quarters.
///
/// From a pool that is given to who asks first, one sort takes all, and the others have no room to begin. DataFusion's `FairSpillPool`
/// makes shares, too, but none for merging: what a sort merges, at its end or before it is written, counts as memory that nobody can
/// write to files. It merges as many of its files at a time as there is memory for, and leaves none to the others and to the merge of
/// all.
#[derive(Debug)]
pub(super) struct SharesPool {
    pool: Arc<dyn MemoryPool>,
    /// How many can write what they hold to files.
    sharing: AtomicUsize,
    /// The most that there were at a time: what one leaves is for what it merges, not for the others.
    shares: AtomicUsize,
}

impl SharesPool {
    /// Shares of a pool.
    pub(super) fn of(pool: Arc<dyn MemoryPool>) -> Self {
        Self { pool, sharing: AtomicUsize::new(0), shares: AtomicUsize::new(1) }
    }

    /// The most that a consumer may have.
    fn share(&self, consumer: &MemoryConsumer) -> usize {
        let MemoryLimit::Finite(bytes) = self.pool.memory_limit() else { return usize::MAX };
        let shares = self.shares.load(Ordering::Relaxed);
        match consumer.can_spill() {
            true => bytes / 2 / shares,
            false if consumer.name().starts_with(MERGE) => bytes / 4 * 3 / shares,
            false => bytes,
        }
    }
}

impl fmt::Display for SharesPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shares of {}", self.pool)
    }
}

impl MemoryPool for SharesPool {
    fn name(&self) -> &str {
        "shares"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            let sharing = self.sharing.fetch_add(1, Ordering::Relaxed) + 1;
            self.shares.fetch_max(sharing, Ordering::Relaxed);
        }
        self.pool.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.pool.unregister(consumer);
        self.sharing.fetch_sub(usize::from(consumer.can_spill()), Ordering::Relaxed);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.pool.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.pool.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let share = self.share(reservation.consumer());
        if reservation.size().saturating_add(additional) > share {
            return Err(resources_datafusion_err!(
                "Failed to allocate additional {} for {}, which has {} of a share of {} of the memory",
                human_readable_size(additional),
                reservation.consumer().name(),
                human_readable_size(reservation.size()),
                human_readable_size(share)
            ));
        }
        self.pool.try_grow(reservation, additional)
    }

    fn reserved(&self) -> usize {
        self.pool.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.pool.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    #[test]
    fn each_has_an_equal_share_of_one_half_and_the_other_is_for_merging() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharesPool::of(Arc::new(GreedyMemoryPool::new(1000))));
        let sort = |name: &str| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        let (one, two) = (sort("one"), sort("two"));
        one.try_grow(250).expect("its share");
        let message = one.try_grow(1).expect_err("more than its share").to_string();
        assert!(message.contains("for one, which has 250.0 B of a share of 250.0 B"), "{message}");
        two.try_grow(250).expect("its share");
        let merge = MemoryConsumer::new("ExternalSorterMerge[1]").register(&pool);
        merge.try_grow(375).expect("its share");
        merge.try_grow(1).expect_err("more than its share");
        let other = MemoryConsumer::new("another").register(&pool);
        other.try_grow(125).expect("the rest");
        other.try_grow(1).expect_err("no more than there is");
        drop((two, merge, other));
        one.try_grow(1).expect_err("a share stays what it is");
        assert_eq!(pool.reserved(), 250);
    }
}
