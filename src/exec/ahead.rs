//! Work on the next rows while somebody still has the last ones.

use datafusion::arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

/// A batch, if there was one, and what comes behind it.
type Next = SpawnedTask<(Option<Result<RecordBatch>>, SendableRecordBatchStream)>;

/// The same rows in the same order; the next batch is in the making when one is taken, on a thread of its own. One batch more is in memory.
pub(crate) fn one_ahead(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let batches = stream::unfold(Some(next(rows)), |next_batch| async move {
        let (batch, rest) = match next_batch?.join_unwind().await {
            Ok(next_batch) => next_batch,
            Err(error) => return Some((Err(exec_datafusion_err!("internal error: a task stopped: {error}")), None)),
        };
        let batch = batch?;
        // Behind an error there is nothing.
        let rest = batch.is_ok().then(|| next(rest));
        Some((batch, rest))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

fn next(mut rows: SendableRecordBatchStream) -> Next {
    SpawnedTask::spawn(async move { (rows.next().await, rows) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::{Int64Type, Schema};
    use datafusion::common::exec_err;

    use super::*;

    fn rows(batches: Vec<Result<RecordBatch>>, made: Arc<AtomicUsize>) -> SendableRecordBatchStream {
        let count = move |_: &Result<RecordBatch>| {
            made.fetch_add(1, Ordering::SeqCst);
        };
        let batches = stream::iter(batches).inspect(count);
        Box::pin(RecordBatchStreamAdapter::new(Arc::new(Schema::empty()), batches))
    }

    fn batch(number: i64) -> Result<RecordBatch> {
        let numbers = Arc::new(Int64Array::from(vec![number]));
        Ok(RecordBatch::try_from_iter([("number", numbers as _)])?)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn batches_come_in_their_order_and_one_is_made_ahead() {
        let made = Arc::new(AtomicUsize::new(0));
        let mut ahead = one_ahead(rows((0..5).map(batch).collect(), Arc::clone(&made)));
        for number in 0..5 {
            let batch = ahead.next().await.expect("a batch").expect("rows");
            assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), number);
            while made.load(Ordering::SeqCst) < 5.min(number as usize + 2) {
                tokio::task::yield_now().await;
            }
            assert!(made.load(Ordering::SeqCst) <= number as usize + 2);
        }
        assert!(ahead.next().await.is_none());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_comes_behind_an_error() {
        let made = Arc::new(AtomicUsize::new(0));
        let mut ahead = one_ahead(rows(vec![batch(0), exec_err!("broken"), batch(1)], Arc::clone(&made)));
        assert!(ahead.next().await.expect("a batch").is_ok());
        assert!(ahead.next().await.expect("an error").is_err());
        assert!(ahead.next().await.is_none());
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }
}
