//! Loading: the records that are left after planning, as rows.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::list::{count, items_schema, ranges};
use super::read::{RECORD_BYTES, Range, Reads, RecordReader};
use super::{LABEL, schema};
use crate::config::PixmillOptions;
use crate::exec::{Task, io_runtime};
use crate::source::list::ReaderMessage;
use crate::source::node::{Items, Reader};
use crate::storage::{Input, ObjectReader, Ranges, Reach};

/// Turns parts of batches into rows; of images that the query doesn't look at, no pixel is read.
#[derive(Debug)]
pub(in crate::source) struct Cifar10Reader {
    schema: SchemaRef,
    /// The names of the labels, where the query looks at labels and all batches have the same names.
    classes: Option<Arc<[String]>>,
    reads: Reads,
}

/// A [`Cifar10Reader`] on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cifar10ReaderMessage {
    columns: Vec<String>,
    classes: Option<Arc<[String]>>,
}

impl Cifar10Reader {
    /// Reads rows of `schema`.
    pub(super) fn new(schema: SchemaRef, classes: Option<Arc<[String]>>) -> Self {
        Self { reads: Reads::of(&schema), schema, classes }
    }

    /// The reader of a message.
    ///
    /// # Errors
    /// Columns that there aren't.
    pub(in crate::source) fn from_message(message: Cifar10ReaderMessage) -> Result<Self> {
        let all = schema();
        let fields: Result<Vec<_>, _> = message.columns.iter().map(|name| all.field_with_name(name).cloned()).collect();
        Ok(Self::new(Arc::new(Schema::new(fields?)), message.classes))
    }
}

impl Reader for Cifar10Reader {
    fn name(&self) -> &'static str {
        "Cifar10Exec"
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn items_schema(&self) -> SchemaRef {
        items_schema()
    }

    fn describe(&self, items: &Items, f: &mut fmt::Formatter) -> fmt::Result {
        let (images, bytes) = self.totals(items);
        write!(f, "images={images}, bytes={bytes}")
    }

    fn totals(&self, items: &Items) -> (usize, u64) {
        let images = items.iter().flatten().map(count).sum();
        (images, images as u64 * self.reads.bytes())
    }

    fn done_metric(&self) -> &'static str {
        "records_read"
    }

    fn counts_rows(&self) -> bool {
        true
    }

    /// Files' sizes tell exactly how many rows there are.
    fn rows(&self, items: &Items) -> Option<Vec<usize>> {
        Some(items.iter().map(|items| items.iter().map(count).sum()).collect())
    }

    fn classes(&self) -> Option<(&'static str, &[String])> {
        self.classes.as_deref().map(|classes| (LABEL, classes))
    }

    fn read(
        &self,
        items: SendableRecordBatchStream,
        fetch: usize,
        (metrics, partition): (&ExecutionPlanMetricsSet, usize),
        context: &TaskContext,
    ) -> Result<SendableRecordBatchStream> {
        let config = context.session_config();
        let counter = |name| MetricBuilder::new(metrics).counter(name, partition);
        let most_bytes = PixmillOptions::of(config.options()).batch_bytes().min(i32::MAX as usize);
        let loader = Arc::new(Loader {
            schema: Arc::clone(&self.schema),
            reads: self.reads,
            reach: Reach::of(config),
            batch_rows: config.batch_size().min(most_bytes / RECORD_BYTES as usize).max(1),
            task: Task::of(config),
            records_read: counter("records_read"),
            bytes_read: counter("bytes_read"),
            read_time: MetricBuilder::new(metrics).subset_time("read_time", partition),
        });
        let runtime = io_runtime(config);
        let mut left = fetch;
        let rows = items.map_ok(move |items| {
            let reading = Reading { ranges: cut_to(ranges(&items), &mut left), open: None };
            let (loader, runtime) = (Arc::clone(&loader), runtime.clone());
            stream::try_unfold(reading, move |reading| {
                let loader = Arc::clone(&loader);
                let step = runtime.spawn_blocking(move || loader.step(reading));
                async move { step.await.map_err(|error| exec_datafusion_err!("reading stopped: {error}"))? }
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows.try_flatten())))
    }

    fn to_message(&self) -> ReaderMessage {
        let columns = self.schema.fields().iter().map(|field| field.name().clone()).collect();
        Cifar10ReaderMessage { columns, classes: self.classes.clone() }.into()
    }
}

/// The first `left` records of some ranges.
fn cut_to(ranges: Vec<Range>, left: &mut usize) -> VecDeque<Range> {
    let mut kept = VecDeque::new();
    for mut range in ranges {
        let count = range.records.end.saturating_sub(range.records.start).min(*left as u64);
        range.records.end = range.records.start + count;
        *left -= count as usize;
        if count > 0 {
            kept.push_back(range);
        }
    }
    kept
}

/// How far a partition has been read.
struct Reading {
    ranges: VecDeque<Range>,
    open: Option<Open>,
}

/// A batch that is being read.
enum Open {
    File(RecordReader<File>),
    Object(RecordReader<Box<ObjectReader>>),
}

impl Open {
    /// The next records, at most `most`, as columns of `schema`; `None` behind the last.
    fn next(&mut self, most: usize, reads: Reads, schema: &SchemaRef) -> Result<Option<RecordBatch>> {
        match self {
            Self::File(reader) => reader.next_batch(most, reads, schema),
            Self::Object(reader) => reader.next_batch(most, reads, schema),
        }
    }
}

/// What one partition reads with.
struct Loader {
    schema: SchemaRef,
    reads: Reads,
    reach: Reach,
    batch_rows: usize,
    task: Arc<Task>,
    records_read: Count,
    bytes_read: Count,
    read_time: Time,
}

impl Loader {
    /// Reads the next batch of rows.
    fn step(&self, mut reading: Reading) -> Result<Option<(RecordBatch, Reading)>> {
        self.task.check()?;
        let _timer = self.read_time.timer();
        loop {
            if let Some(reader) = &mut reading.open {
                if let Some(batch) = reader.next(self.batch_rows, self.reads, &self.schema)? {
                    self.records_read.add(batch.num_rows());
                    self.bytes_read.add(batch.num_rows() * self.reads.bytes() as usize);
                    return Ok(Some((batch, reading)));
                }
                reading.open = None;
            }
            let Some(range) = reading.ranges.pop_front() else {
                return Ok(None);
            };
            if self.reads == Reads::Nothing {
                return Ok(Some((self.rows_only(&range)?, reading)));
            }
            self.reach.check(&range.path)?;
            let opened = self.reach.open(&range.path, &range.version, Ranges::WHOLE);
            let mut input = opened.map_err(|error| exec_datafusion_err!("cannot read '{}': {error}", range.path))?;
            input.expect_end(range.records.end.saturating_mul(RECORD_BYTES));
            reading.open = Some(match input {
                Input::File(file) => Open::File(RecordReader::new(file, range)),
                Input::Object(object) => Open::Object(RecordReader::new(object, range)),
            });
        }
    }

    /// Rows without columns.
    fn rows_only(&self, range: &Range) -> Result<RecordBatch> {
        let rows = (range.records.end - range.records.start) as usize;
        self.records_read.add(rows);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), Vec::new(), &options)?)
    }
}
