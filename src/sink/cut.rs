//! Cuts rows into even parts where nobody knows their number before the last has come: until then they wait.

use std::sync::Arc;

use datafusion::arrow::array::{Array, RecordBatch, UInt64Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, SpillFile};
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion::physical_plan::spill::SpillManager;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

use super::Target;
use super::encode::Encoder;
use super::partition::PartitionWriter;
use super::write::on;

/// The most bytes of rows that wait in memory; others wait in files of about this size.
const MOST_MEMORY: usize = 32 << 20;
/// Bytes below which rows stay in memory, however little there is: no file is made for a few rows.
const LEAST_FILE: usize = 4 << 20;

/// Writes all rows of a stream, in their order, cut into parts whose lengths differ by one at most.
pub(super) async fn write_parts<E: Encoder>(
    writer: &mut PartitionWriter<E>,
    mut rows: SendableRecordBatchStream,
    parts: usize,
    mut waiting: Waiting,
) -> Result<()> {
    while let Some(batch) = rows.try_next().await? {
        writer.check_task()?;
        let batch = writer.target().without_needless_content(&batch)?;
        waiting.add(batch).await?;
    }
    let mut lengths = lengths(waiting.rows, parts);
    let mut left = lengths.next().unwrap_or(0);
    // It counts what waits in memory until all of it is written.
    let (_reservation, rows) = waiting.into_rows();
    let mut rows = std::pin::pin!(rows);
    while let Some(batch) = rows.try_next().await? {
        writer.check_task()?;
        let mut start = 0;
        while start < batch.num_rows() {
            if left == 0 {
                writer.next_part().await?;
                left = lengths.next().unwrap_or(batch.num_rows());
            }
            let length = left.min(batch.num_rows() - start);
            writer.write_batch(&batch.slice(start, length)).await?;
            (start, left) = (start + length, left - length);
        }
    }
    Ok(())
}

/// The lengths of the parts into which rows are cut.
fn lengths(rows: usize, parts: usize) -> impl Iterator<Item = usize> {
    let (least, more) = (rows / parts.max(1), rows % parts.max(1));
    (0..parts).map(move |part| least + usize::from(part < more))
}

/// Rows that wait for the last one: the first of them in files, as soon as they are many.
pub(super) struct Waiting {
    spill: SpillManager,
    runtime: Handle,
    files: Vec<Arc<dyn SpillFile>>,
    batches: Vec<RecordBatch>,
    /// Bytes of these batches.
    reservation: MemoryReservation,
    most_memory: usize,
    rows: usize,
}

impl Waiting {
    /// None wait yet; files are written on the threads of `runtime`.
    pub(super) fn new(env: Arc<RuntimeEnv>, schema: SchemaRef, metrics: SpillMetrics, runtime: Handle) -> Self {
        let reservation = MemoryConsumer::new("ShardSinkExec").with_can_spill(true).register(&env.memory_pool);
        let spill = SpillManager::new(env, metrics, schema);
        Self { spill, runtime, files: Vec::new(), batches: Vec::new(), reservation, most_memory: MOST_MEMORY, rows: 0 }
    }

    async fn add(&mut self, batch: RecordBatch) -> Result<()> {
        let bytes: usize = batch.columns().iter().map(bytes_of).sum::<Result<usize>>()?;
        if self.reservation.size() > 0 && self.reservation.size() + bytes > self.most_memory {
            self.write_file().await?;
        }
        if self.reservation.try_grow(bytes).is_err() {
            if self.reservation.size() >= LEAST_FILE {
                self.write_file().await?;
            }
            self.reservation.grow(bytes);
        }
        self.rows += batch.num_rows();
        self.batches.push(batch);
        Ok(())
    }

    async fn write_file(&mut self) -> Result<()> {
        let (spill, batches) = (self.spill.clone(), std::mem::take(&mut self.batches));
        let write = move || spill.spill_record_batch_and_finish(&batches, "the rows of shards");
        self.files.extend(on(&self.runtime, write).await?);
        self.reservation.free();
        Ok(())
    }

    /// All rows, in their order, and what counts those in memory.
    fn into_rows(self) -> (MemoryReservation, impl Stream<Item = Result<RecordBatch>>) {
        let spill = self.spill;
        let files = stream::iter(self.files).map(move |file| spill.read_spill_as_stream(file, None)).try_flatten();
        (self.reservation, files.chain(stream::iter(self.batches).map(Ok)))
    }
}

/// The bytes of a column's rows, without what else its buffers hold.
fn bytes_of(column: &Arc<dyn Array>) -> Result<usize> {
    Ok(column.to_data().get_slice_memory_size()?)
}

impl Target {
    /// The rows without the files' bytes where all columns have values: they only tell why one is NULL.
    fn without_needless_content(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = batch.schema();
        let Some([_, content, _]) = self.reject_columns.filter(|columns| schema.field(columns[1]).is_nullable()) else {
            return Ok(batch.clone());
        };
        let visible = &batch.columns()[..self.visible.len()];
        let is_needed = |row: usize| visible.iter().any(|column| column.is_null(row));
        let rows = (0..batch.num_rows()).map(|row| is_needed(row).then_some(row as u64));
        let mut columns = batch.columns().to_vec();
        columns[content] = take(&columns[content], &rows.collect::<UInt64Array>(), None)?;
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::Int64Type;
    use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

    use super::*;
    use crate::sink::testing;

    #[test]
    fn rows_that_are_too_many_for_memory_wait_in_files_and_keep_their_order() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        for (most_memory, files) in [(MOST_MEMORY, 0), (100, 9), (0, 9)] {
            let env = Arc::new(RuntimeEnv::default());
            let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
            let waiting = Waiting::new(Arc::clone(&env), testing::schema(), metrics, runtime.handle().clone());
            let mut waiting = Waiting { most_memory, ..waiting };
            let numbers: Vec<i64> = runtime.block_on(async {
                for first in (0..100).step_by(10) {
                    let numbers: Vec<i64> = (first..first + 10).collect();
                    waiting.add(testing::batch(&numbers)).await.expect("added");
                }
                assert_eq!((waiting.rows, waiting.files.len()), (100, files));
                assert_eq!(env.memory_pool.reserved(), if files == 0 { 800 } else { 80 });
                let (_reservation, rows) = waiting.into_rows();
                let batches: Vec<RecordBatch> = rows.try_collect().await.expect("read");
                batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
            });
            assert_eq!(numbers, (0..100).collect::<Vec<i64>>());
            assert_eq!(env.memory_pool.reserved(), 0);
        }
    }

    #[test]
    fn lengths_differ_by_one_at_most() {
        assert_eq!(lengths(7, 3).collect::<Vec<_>>(), [3, 2, 2]);
        assert_eq!(lengths(2, 3).collect::<Vec<_>>(), [1, 1, 0]);
    }
}
