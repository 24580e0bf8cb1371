//! The node's part: one combination after the other, each when it is its turn, and a row for each repetition.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::Utc;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;

use super::Settings;
use super::item::{Item, from_batch, items_schema};
use super::machine::Machine;
use super::measure::Test;
use super::row::{self, Row};
use super::turn::turn;
use crate::config::PixmillOptions;
use crate::error::message;
use crate::exec::{Task, io_runtime};
use crate::source::list::ReaderMessage;
use crate::source::node::{Items, Reader};
use crate::storage::Reach;

/// Measures the combinations that work items name.
#[derive(Debug)]
pub(in crate::source) struct SpeedTestReader {
    schema: SchemaRef,
    settings: Arc<Settings>,
}

/// A [`SpeedTestReader`] on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpeedTestReaderMessage {
    columns: Vec<String>,
    settings: Settings,
}

impl SpeedTestReader {
    /// Measures, and gives the columns of `schema`.
    pub(super) fn new(schema: SchemaRef, settings: Settings) -> Self {
        Self { schema, settings: Arc::new(settings) }
    }

    /// The reader of a message.
    ///
    /// # Errors
    /// Columns that measurements don't have.
    pub(in crate::source) fn from_message(message: SpeedTestReaderMessage) -> Result<Self> {
        let all = row::schema();
        let fields: Result<Vec<_>, _> = message.columns.iter().map(|name| all.field_with_name(name).cloned()).collect();
        Ok(Self::new(Arc::new(Schema::new(fields?)), message.settings))
    }
}

fn items(batches: &Items) -> impl Iterator<Item = Item> {
    batches.iter().flatten().flat_map(from_batch)
}

impl Reader for SpeedTestReader {
    fn name(&self) -> &'static str {
        "SpeedTestExec"
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn items_schema(&self) -> SchemaRef {
        items_schema()
    }

    fn describe(&self, batches: &Items, f: &mut fmt::Formatter) -> fmt::Result {
        let Settings { repetitions, concurrent, .. } = *self.settings;
        let (combinations, (images, _)) = (items(batches).count(), self.totals(batches));
        write!(f, "combinations={combinations}, repetitions={repetitions}, images={images}, concurrent={concurrent}")
    }

    /// Images of all repetitions; of what is not known how much there is, what is asked for.
    fn totals(&self, batches: &Items) -> (usize, u64) {
        let repetitions = self.settings.repetitions;
        items(batches).fold((0, 0), |(images, bytes), item| {
            let read = usize::try_from(item.images() * repetitions).unwrap_or(usize::MAX);
            (images + read, bytes + item.bytes() * repetitions)
        })
    }

    fn done_metric(&self) -> &'static str {
        "images_read"
    }

    fn counts_rows(&self) -> bool {
        false
    }

    fn counts_images(&self) -> bool {
        true
    }

    fn rows(&self, batches: &Items) -> Option<Vec<usize>> {
        let repetitions = usize::try_from(self.settings.repetitions).ok()?;
        Some(batches.iter().map(|items| repetitions * items.iter().map(RecordBatch::num_rows).sum::<usize>()).collect())
    }

    /// Who counts measurements wants them made.
    fn rows_are_exact(&self) -> bool {
        false
    }

    fn classes(&self) -> Option<(&'static str, &[String])> {
        None
    }

    fn read(
        &self,
        items: SendableRecordBatchStream,
        fetch: usize,
        (metrics, partition): (&ExecutionPlanMetricsSet, usize),
        context: &TaskContext,
    ) -> Result<SendableRecordBatchStream> {
        let config = context.session_config();
        let common = Common {
            schema: Arc::clone(&self.schema),
            settings: Arc::clone(&self.settings),
            machine: Arc::new(Machine::of(config)),
            options: PixmillOptions::of(config.options()),
            reach: Reach::of(config),
            task: Task::of(config),
            runtime: io_runtime(config),
            images_read: MetricBuilder::new(metrics).counter("images_read", partition),
            bytes_read: MetricBuilder::new(metrics).counter("bytes_read", partition),
        };
        let mut stream = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), MOST_ROWS);
        let rows = stream.tx();
        stream.spawn(async move {
            let batches: Vec<RecordBatch> = items.try_collect().await?;
            common.measure_all(batches.iter().flat_map(from_batch), fetch as u64, rows).await
        });
        Ok(stream.build())
    }

    fn to_message(&self) -> ReaderMessage {
        let columns = self.schema.fields().iter().map(|field| field.name().clone()).collect();
        SpeedTestReaderMessage { columns, settings: self.settings.as_ref().clone() }.into()
    }
}

/// Rows of a partition that wait to be taken: more than there are repetitions.
const MOST_ROWS: usize = 1 << 20;

/// What all combinations of a partition are measured with.
#[derive(Clone)]
struct Common {
    schema: SchemaRef,
    settings: Arc<Settings>,
    machine: Arc<Machine>,
    options: PixmillOptions,
    reach: Reach,
    task: Arc<Task>,
    runtime: Handle,
    images_read: Count,
    bytes_read: Count,
}

/// Tells a thread that reads that nobody waits for it any more.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Common {
    /// Sends a batch of one row for each repetition of each item, at most `fetch` of each.
    ///
    /// Who receives them may wait for other partitions first: there is room for all rows, so that a turn always ends.
    async fn measure_all(
        self,
        items: impl Iterator<Item = Item>,
        fetch: u64,
        rows: Sender<Result<RecordBatch>>,
    ) -> Result<()> {
        let dropped = Dropped(Arc::default());
        for item in items {
            let _turn = turn(self.settings.concurrent).await?;
            let test = self.test(item, &dropped);
            for repetition in 1..=self.settings.repetitions.min(fetch) {
                let row = self.measure(&test, repetition).await?;
                if rows.send(Ok(row)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn test(&self, item: Item, dropped: &Dropped) -> Test {
        Test {
            settings: Arc::clone(&self.settings),
            item,
            reach: self.reach.clone(),
            options: self.options.clone(),
            task: Arc::clone(&self.task),
            is_dropped: Arc::clone(&dropped.0),
        }
    }

    /// Measures one repetition on a thread for reading. What can't be read is a row that says so; the others go on.
    async fn measure(&self, test: &Test, repetition: u64) -> Result<RecordBatch> {
        self.task.check()?;
        let started_at = Utc::now();
        let own = test.clone();
        let outcome = self.runtime.spawn_blocking(move || own.repetition(repetition)).await;
        let outcome = outcome.map_err(|error| exec_datafusion_err!("a speed test stopped: {error}"))?;
        self.task.check()?;
        let (measured, note, error) = match outcome {
            Ok(outcome) => (Some(outcome.measured), outcome.note, None),
            Err(error) => (None, None, Some(message(&error))),
        };
        // What wasn't there to be read is done, too.
        self.images_read.add(usize::try_from(test.item.images()).unwrap_or(0));
        self.bytes_read.add(usize::try_from(test.item.bytes()).unwrap_or(0));
        let row = Row {
            settings: &self.settings,
            item: &test.item,
            machine: &self.machine,
            repetition,
            started_at,
            measured,
            note,
            error,
        };
        let batch = row.to_batch()?;
        let columns: Result<Vec<_>, _> =
            self.schema.fields().iter().map(|field| batch.schema_ref().index_of(field.name())).collect();
        let columns = columns?.into_iter().map(|index| Arc::clone(batch.column(index))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}
