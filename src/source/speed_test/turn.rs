//! Taking turns: tests that run at the same time in a process measure each other, so that few of them do.

use datafusion::common::{Result, exec_datafusion_err};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The shares that a process has. A test that wants at most `n` to run beside each other takes the `n`th part of them.
const SHARES: u32 = 1 << 20;

static LEFT: Semaphore = Semaphore::const_new(SHARES as usize);

/// Waits until no more than `concurrent` tests of this process run, this one among them, in the order of asking.
pub(super) async fn turn(concurrent: usize) -> Result<SemaphorePermit<'static>> {
    let shares = SHARES / u32::try_from(concurrent).unwrap_or(SHARES).max(1);
    let permit = LEFT.acquire_many(shares.max(1)).await;
    permit.map_err(|error| exec_datafusion_err!("internal error: speed tests can't take turns: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceOptions;
    use crate::source::speed_test::SpeedTestOptions;

    #[tokio::test]
    async fn so_many_run_at_a_time_and_no_more() {
        for concurrent in [1, 2, 3, 7, 1000, 1024] {
            let mut held = Vec::new();
            for _ in 0..concurrent {
                held.push(turn(concurrent).await.expect("a turn"));
            }
            let shares = SHARES / u32::try_from(concurrent).expect("small");
            assert!(LEFT.try_acquire_many(shares).is_err(), "{concurrent}");
        }
        assert!(SpeedTestOptions::default().set("concurrent", "1024").is_ok());
    }
}
