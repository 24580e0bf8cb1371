//! The rows of a batch on several threads, where a process has more of them than partitions to work on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use datafusion::common::Result;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::kernels::Kernels;
use super::limits::{limits, within_limits};
use super::work::{add, measure};

/// How many threads may work on images at a time; 0: as many as there are cores.
static MOST: AtomicUsize = AtomicUsize::new(0);
/// How many do.
static BUSY: AtomicUsize = AtomicUsize::new(0);
/// The cores of this machine; it takes files to be read to tell.
static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, std::num::NonZero::get));
/// Those that help others. They stay, because a system may have a thread that is new wait for a core beside one that is free. None where there are no
/// threads to be had.
static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let count = CORES.max(MOST.load(Ordering::Relaxed)) - 1;
    ThreadPoolBuilder::new().num_threads(count).thread_name(|_| "pixmill-image".to_string()).build().ok()
});

/// Limits how many threads of this process work on images at a time, for processes that don't have all cores to themselves.
///
/// A batch of images is worked on by the thread that a query runs it on and by those that nothing else uses; rows keep their order.
/// Without a limit there are as many as cores, and never more than `datafusion.execution.target_partitions`.
pub fn limit_threads(most: usize) {
    MOST.store(most, Ordering::Relaxed);
}

/// Threads that work on a batch beside the one that it runs on.
pub(crate) struct Helpers {
    count: usize,
}

impl Helpers {
    /// Takes the threads that nothing else uses, of `most` and of this process's.
    pub(crate) fn take(most: usize) -> Self {
        let most = most.min(match MOST.load(Ordering::Relaxed) {
            0 => *CORES,
            limit => limit,
        });
        let mut count = 0;
        // The thread that runs the batch is busy, too.
        let _ = BUSY.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |busy| {
            count = most.saturating_sub(busy + 1);
            Some(busy + 1 + count)
        });
        Self { count }
    }

    /// Whether there is any.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Calls `make` for every row, each thread with kernels of its own, and gives the results in order.
    ///
    /// # Errors
    /// Of the rows that fail, the first one's.
    pub(crate) fn rows<T: Send>(
        &self,
        rows: usize,
        make: impl Fn(usize, &mut Kernels) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let limits = limits();
        let work = || {
            within_limits(limits, || {
                let mut kernels = Kernels::default();
                let mut made = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let row = next.fetch_add(1, Ordering::Relaxed);
                    if row >= rows {
                        break;
                    }
                    let result = make(row, &mut kernels);
                    is_over.fetch_or(result.is_err(), Ordering::Relaxed);
                    made.push((row, result));
                }
                made
            })
        };
        let theirs = Mutex::new(Vec::new());
        let mut made = match POOL.as_ref() {
            Some(pool) => pool.in_place_scope(|scope| {
                for _ in 0..self.count.min(rows) {
                    scope.spawn(|_| {
                        let made = measure(work);
                        theirs.lock().unwrap_or_else(PoisonError::into_inner).push(made);
                    });
                }
                work()
            }),
            None => work(),
        };
        for (theirs, work) in theirs.into_inner().unwrap_or_else(PoisonError::into_inner) {
            add(work);
            made.extend(theirs);
        }
        // Rows are taken in order: those before the first that failed are all here.
        made.sort_unstable_by_key(|(row, _)| *row);
        made.into_iter().map(|(_, result)| result).collect()
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        BUSY.fetch_sub(self.count + 1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::exec_err;

    use super::*;

    #[test]
    fn what_has_one_partition_has_one_thread() {
        assert!(Helpers::take(1).is_empty());
    }

    #[test]
    fn rows_come_in_order_and_every_one_once() {
        let helpers = Helpers { count: 3 };
        BUSY.fetch_add(4, Ordering::Relaxed);
        let rows = helpers.rows(1000, |row, _| Ok(row)).expect("rows");
        assert!(rows.into_iter().eq(0..1000));
    }

    #[test]
    fn the_first_row_that_fails_is_the_error() {
        let helpers = Helpers { count: 3 };
        BUSY.fetch_add(4, Ordering::Relaxed);
        let fail = |row: usize, _: &mut Kernels| if row % 100 == 99 { exec_err!("row {row}") } else { Ok(()) };
        let error = helpers.rows(1000, fail).expect_err("an error");
        assert!(error.to_string().contains("row 99"), "{error}");
    }
}
