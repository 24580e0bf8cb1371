//! Reading records: what the query looks at, read ahead on I/O threads.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::columns::Column;
use super::items::{Item, from_batch, items_schema};
use super::options::{OnCorrupt, RecordType};
use super::read::{Bounds, PartitionReader, ReadMetrics, Reading, Verdicts};
use crate::config::PixmillOptions;
use crate::exec::{Task, io_runtime};
use crate::source::list::ReaderMessage;
use crate::source::node::{Items, Reader};
use crate::storage::Reach;

/// Reads the records that work items name, and of them the features that the query looks at.
#[derive(Debug)]
pub(in crate::source) struct RecordsReader {
    reading: Arc<Reading>,
    verdicts: Verdicts,
}

/// A [`RecordsReader`] on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordsReaderMessage {
    columns: Vec<Column>,
    schema: SchemaRef,
    record_type: RecordType,
    on_corrupt: OnCorrupt,
    directory_columns: Vec<String>,
    classes: Option<Vec<String>>,
}

impl RecordsReader {
    pub(super) fn new(reading: Reading) -> Self {
        Self { reading: Arc::new(reading), verdicts: Verdicts::default() }
    }

    /// The reader of a message.
    ///
    /// # Errors
    /// Columns that can't be read from it.
    pub(in crate::source) fn from_message(message: RecordsReaderMessage) -> Result<Self> {
        Ok(Self::new(Reading {
            columns: message.columns,
            schema: message.schema,
            record_type: message.record_type,
            on_corrupt: message.on_corrupt,
            directory_columns: message.directory_columns,
            classes: message.classes,
        }))
    }
}

/// The items of each partition.
fn partitions(items: &Items) -> impl Iterator<Item = Vec<Item>> {
    items.iter().map(|batches| batches.iter().flat_map(from_batch).collect())
}

impl Reader for RecordsReader {
    fn name(&self) -> &'static str {
        "ReadRecordsExec"
    }

    fn schema(&self) -> &SchemaRef {
        &self.reading.schema
    }

    fn items_schema(&self) -> SchemaRef {
        items_schema(&self.reading.directory_columns)
    }

    fn describe(&self, items: &Items, f: &mut fmt::Formatter) -> fmt::Result {
        let (parts, bytes) = self.totals(items);
        let reads = if self.reading.is_of_frames() { "frames" } else { "records" };
        write!(f, "parts={parts}, bytes={bytes}, reads={reads}")
    }

    fn totals(&self, items: &Items) -> (usize, u64) {
        partitions(items).flatten().fold((0, 0), |(parts, bytes), item| (parts + 1, bytes + item.bytes))
    }

    fn done_metric(&self) -> &'static str {
        "files_read"
    }

    fn counts_rows(&self) -> bool {
        false
    }

    /// Records, unless some may be left out.
    fn rows(&self, items: &Items) -> Option<Vec<usize>> {
        if self.reading.on_corrupt != OnCorrupt::Error {
            return None;
        }
        let rows = partitions(items).map(|items| items.iter().map(|item| item.records).sum::<Option<u64>>());
        rows.map(|rows| rows.and_then(|rows| usize::try_from(rows).ok())).collect()
    }

    fn classes(&self) -> Option<(&'static str, &[String])> {
        self.reading.classes.as_deref().map(|classes| ("class", classes))
    }

    fn shard_paths(&self, items: &Items) -> Vec<String> {
        partitions(items).flatten().map(|item| item.path).collect()
    }

    fn read(
        &self,
        items: SendableRecordBatchStream,
        fetch: usize,
        (metrics, partition): (&ExecutionPlanMetricsSet, usize),
        context: &TaskContext,
    ) -> Result<SendableRecordBatchStream> {
        let config = context.session_config();
        let options = PixmillOptions::of(config.options());
        let bounds = Bounds {
            rows: config.batch_size(),
            bytes: options.batch_bytes(),
            decoded_bytes: options.decoded_batch_bytes(),
        };
        let wait_time = MetricBuilder::new(metrics).subset_time("wait_time", partition);
        let metrics = ReadMetrics::new(metrics, partition);
        let (reading, verdicts) = (Arc::clone(&self.reading), Arc::clone(&self.verdicts));
        let (runtime, task, reach) = (io_runtime(config), Task::of(config), Reach::of(config));
        let started = async move {
            let batches: Vec<RecordBatch> = items.try_collect().await?;
            let items: Vec<Item> = batches.iter().flat_map(from_batch).collect();
            items.iter().try_for_each(|item| reach.check(&item.path))?;
            let reader = PartitionReader::new((reading, reach), bounds, metrics, verdicts, items, fetch);
            let rows = read_ahead(reader, runtime, wait_time);
            Ok::<_, datafusion::error::DataFusionError>(rows.and_then(move |rows| {
                // Rows that nobody waits for are not worth decoding.
                std::future::ready(task.check().map(|()| rows))
            }))
        };
        let rows = stream::once(started).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.reading.schema), rows)))
    }

    fn to_message(&self) -> ReaderMessage {
        let reading = &self.reading;
        RecordsReaderMessage {
            columns: reading.columns.clone(),
            schema: Arc::clone(&reading.schema),
            record_type: reading.record_type,
            on_corrupt: reading.on_corrupt,
            directory_columns: reading.directory_columns.clone(),
            classes: reading.classes.clone(),
        }
        .into()
    }
}

/// A batch being read, and the reader behind it.
type Ahead = JoinHandle<(PartitionReader, Result<Option<Vec<RecordBatch>>>)>;

/// The batches of a partition: while one is used, the next one is read.
fn read_ahead(
    reader: PartitionReader,
    runtime: Handle,
    wait_time: Time,
) -> impl futures::Stream<Item = Result<RecordBatch>> {
    let start = move |mut reader: PartitionReader| -> Ahead {
        runtime.spawn_blocking(move || {
            let batches = reader.next();
            (reader, batches)
        })
    };
    let first = start(reader);
    let batches = stream::try_unfold(Some(first), move |ahead| {
        let (start, wait_time) = (start.clone(), wait_time.clone());
        async move {
            let Some(ahead) = ahead else { return Ok(None) };
            let timer = wait_time.timer();
            let (reader, batches) = ahead.await.map_err(|error| exec_datafusion_err!("reading stopped: {error}"))?;
            timer.done();
            let Some(batches) = batches? else { return Ok(None) };
            Ok::<_, datafusion::error::DataFusionError>(Some((
                stream::iter(batches.into_iter().map(Ok)),
                Some(start(reader)),
            )))
        }
    });
    batches.try_flatten()
}
