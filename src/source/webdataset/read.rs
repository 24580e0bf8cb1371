//! Reading: the archives of a partition, one after the other, on a thread of their own.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{Sender, channel};

use super::columns::{Column, SampleRows};
use super::options::{OnCorrupt, SKIP_ADVICE};
use crate::config::PixmillOptions;
use crate::exec::Task;
use crate::format::webdataset::each_sample;
use crate::source::batch::cut_by_decoded_size;
use crate::source::list::ReaderMessage;
use crate::source::node::{Items, Reader};
use crate::source::shards::ShardPath;
use crate::storage::{Ranges, Reach, Version, is_of_store};

/// Reads the archives that work items name, and of them the members that the query looks at.
#[derive(Debug)]
pub(super) struct SampleReader {
    reading: Arc<Reading>,
}

/// What is read, and how.
#[derive(Debug)]
pub(super) struct Reading {
    /// The columns that the query looks at, and their types.
    pub(super) columns: Vec<Column>,
    pub(super) schema: SchemaRef,
    pub(super) on_corrupt: OnCorrupt,
    /// The columns of the items behind the fixed ones.
    pub(super) directory_columns: Vec<String>,
    /// The column of class numbers, and the labels in their order, where the files' manifest has them.
    pub(super) classes: Option<Vec<String>>,
}

/// A [`SampleReader`] on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SampleReaderMessage {
    columns: Vec<Column>,
    schema: SchemaRef,
    on_corrupt: OnCorrupt,
    directory_columns: Vec<String>,
    classes: Option<Vec<String>>,
}

/// The columns of a work item: an archive.
pub(super) fn items_schema(directory_columns: &[String]) -> SchemaRef {
    let fixed = [
        ("path", DataType::Utf8, false),
        ("bytes", DataType::Int64, false),
        ("etag", DataType::Utf8, true),
        ("records", DataType::Int64, true),
    ];
    let fixed = fixed.into_iter().map(|(name, data_type, is_null)| Field::new(name, data_type, is_null));
    let directories = directory_columns.iter().map(|name| Field::new(name, DataType::Utf8, true));
    Arc::new(Schema::new(fixed.chain(directories).collect::<Vec<_>>()))
}

/// Archives as work items.
pub(super) fn to_batch(shards: &[ShardPath], directory_columns: &[String]) -> Result<RecordBatch> {
    let paths: StringArray = shards.iter().map(|shard| Some(shard.shown.as_str())).collect();
    let bytes: Int64Array = shards.iter().map(|shard| i64::try_from(shard.version.bytes).ok()).collect();
    let etags: StringArray = shards.iter().map(|shard| shard.version.etag.as_deref()).collect();
    let records: Int64Array = shards.iter().map(|shard| shard.records.and_then(|n| i64::try_from(n).ok())).collect();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(paths), Arc::new(bytes), Arc::new(etags), Arc::new(records)];
    for name in directory_columns {
        let values = shards.iter().map(|shard| shard.directories.get(name).cloned().flatten());
        columns.push(Arc::new(values.collect::<StringArray>()));
    }
    Ok(RecordBatch::try_new(items_schema(directory_columns), columns)?)
}

/// The archives of work items.
fn from_batch(items: &RecordBatch, directory_columns: &[String]) -> Vec<ShardPath> {
    let (paths, bytes) = (items.column(0).as_string::<i32>(), items.column(1).as_primitive::<Int64Type>());
    let (etags, records) = (items.column(2).as_string::<i32>(), items.column(3).as_primitive::<Int64Type>());
    let shard = |row: usize| ShardPath {
        shown: paths.value(row).to_string(),
        version: Version {
            bytes: bytes.value(row).unsigned_abs(),
            etag: etags.iter().nth(row).flatten().map(str::to_string),
        },
        records: records.iter().nth(row).flatten().map(i64::unsigned_abs),
        directories: directory_columns
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let values = items.column(4 + at).as_string::<i32>();
                (name.clone(), values.iter().nth(row).flatten().map(str::to_string))
            })
            .collect(),
    };
    (0..items.num_rows()).map(shard).collect()
}

impl SampleReader {
    pub(super) fn new(reading: Reading) -> Self {
        Self { reading: Arc::new(reading) }
    }

    /// The reader of a message.
    ///
    /// # Errors
    /// Columns that can't be read from it.
    pub(super) fn from_message(message: SampleReaderMessage) -> Result<Self> {
        Ok(Self::new(Reading {
            columns: message.columns,
            schema: message.schema,
            on_corrupt: message.on_corrupt,
            directory_columns: message.directory_columns,
            classes: message.classes,
        }))
    }

    fn shards(&self, items: &Items) -> Vec<Vec<ShardPath>> {
        let of = |batch: &RecordBatch| from_batch(batch, &self.reading.directory_columns);
        items.iter().map(|batches| batches.iter().flat_map(of).collect()).collect()
    }
}

impl Reader for SampleReader {
    fn name(&self) -> &'static str {
        "ReadSamplesExec"
    }

    fn schema(&self) -> &SchemaRef {
        &self.reading.schema
    }

    fn items_schema(&self) -> SchemaRef {
        items_schema(&self.reading.directory_columns)
    }

    fn describe(&self, items: &Items, f: &mut fmt::Formatter) -> fmt::Result {
        let (files, bytes) = self.totals(items);
        write!(f, "files={files}, bytes={bytes}")
    }

    fn totals(&self, items: &Items) -> (usize, u64) {
        self.shards(items)
            .iter()
            .flatten()
            .fold((0, 0), |(files, bytes), shard| (files + 1, bytes + shard.version.bytes))
    }

    fn done_metric(&self) -> &'static str {
        "files_read"
    }

    fn counts_rows(&self) -> bool {
        false
    }

    /// What the manifest says of files of this size, unless some samples may be left out.
    fn rows(&self, items: &Items) -> Option<Vec<usize>> {
        if self.reading.on_corrupt != OnCorrupt::Error {
            return None;
        }
        let rows = |shards: &Vec<ShardPath>| shards.iter().map(|shard| shard.records).sum::<Option<u64>>();
        self.shards(items).iter().map(|shards| rows(shards).and_then(|rows| usize::try_from(rows).ok())).collect()
    }

    /// A file isn't cut.
    fn is_cut_evenly(&self) -> bool {
        false
    }

    fn classes(&self) -> Option<(&'static str, &[String])> {
        self.reading.classes.as_deref().map(|classes| ("cls", classes))
    }

    fn shard_paths(&self, items: &Items) -> Vec<String> {
        self.shards(items).into_iter().flatten().map(|shard| shard.shown).collect()
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
        let counter = |name| MetricBuilder::new(metrics).counter(name, partition);
        let work = Work {
            reading: Arc::clone(&self.reading),
            reach: Reach::of(config),
            task: Task::of(config),
            batch_rows: config.batch_size(),
            batch_bytes: options.batch_bytes(),
            decoded_bytes: options.decoded_batch_bytes(),
            records_read: counter("records_read"),
            bytes_read: counter("bytes_read"),
            files_read: counter("files_read"),
            corrupt_records: counter("corrupt_records"),
            corrupt_files: counter("corrupt_files"),
            read_time: MetricBuilder::new(metrics).subset_time("read_time", partition),
        };
        let started = async move {
            let batches: Vec<RecordBatch> = items.try_collect().await?;
            let shards = batches.iter().flat_map(|batch| from_batch(batch, &work.reading.directory_columns)).collect();
            let (sender, receiver) = channel(1);
            // An archive is read from its start to its end, and waits for who takes its rows: no thread that others need.
            let thread = std::thread::Builder::new().name("pixmill-tar".to_string());
            let running = thread.spawn(move || work.run(shards, fetch, &sender));
            running.map_err(|error| exec_datafusion_err!("cannot start a thread: {error}"))?;
            let rows = stream::unfold(receiver, async |mut receiver| {
                let batch: Result<RecordBatch> = receiver.recv().await?;
                Some((batch, receiver))
            });
            Ok::<_, DataFusionError>(rows)
        };
        let rows = stream::once(started).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.reading.schema), rows)))
    }

    fn to_message(&self) -> ReaderMessage {
        let reading = &self.reading;
        SampleReaderMessage {
            columns: reading.columns.clone(),
            schema: Arc::clone(&reading.schema),
            on_corrupt: reading.on_corrupt,
            directory_columns: reading.directory_columns.clone(),
            classes: reading.classes.clone(),
        }
        .into()
    }
}

/// What one partition reads with.
struct Work {
    reading: Arc<Reading>,
    reach: Reach,
    task: Arc<Task>,
    batch_rows: usize,
    batch_bytes: usize,
    decoded_bytes: usize,
    records_read: Count,
    bytes_read: Count,
    files_read: Count,
    corrupt_records: Count,
    corrupt_files: Count,
    read_time: Time,
}

type Rest = Sender<Result<RecordBatch>>;

impl Work {
    /// Reads the archives; what goes wrong comes out as the last row.
    fn run(self, shards: Vec<ShardPath>, fetch: usize, rows: &Rest) {
        let read = std::panic::AssertUnwindSafe(|| {
            let mut left = fetch;
            for shard in &shards {
                if self.read(shard, &mut left, rows)?.is_break() {
                    break;
                }
            }
            Ok(())
        });
        let ended = std::panic::catch_unwind(read);
        let ended = ended.unwrap_or_else(|_| exec_err!("internal error: reading an archive panicked"));
        if let Err(error) = ended {
            // Nobody listening any more is as good as an answer.
            let _ = rows.blocking_send(Err(error));
        }
    }

    /// Reads an archive, unless enough was read or nobody wants the rows any more.
    fn read(&self, shard: &ShardPath, left: &mut usize, rows: &Rest) -> Result<ControlFlow<()>> {
        if *left == 0 || rows.is_closed() {
            return Ok(ControlFlow::Break(()));
        }
        self.reach.check(&shard.shown)?;
        let reading = self.reading.as_ref();
        let mut batch = SampleRows::new(&reading.columns, &reading.schema);
        let (mut failed, mut since) = (None, Instant::now());
        let is_wanted = |wanted: &str| {
            let is_it = |column: &Column| matches!(column, Column::Member { extension, .. } if extension == wanted);
            reading.columns.iter().any(is_it)
        };
        let mut step = |sample: &_| -> Result<ControlFlow<()>> {
            self.task.check()?;
            if let Err(reason) = batch.push(&shard.shown, sample) {
                self.meet(shard, &sample.key, &reason)?;
                return Ok(ControlFlow::Continue(()));
            }
            *left -= 1;
            let is_full = batch.len() >= self.batch_rows || batch.bytes >= self.batch_bytes;
            if is_full || *left == 0 {
                let full = std::mem::replace(&mut batch, SampleRows::new(&reading.columns, &reading.schema));
                if self.send(full, shard, rows, &mut since)?.is_break() || *left == 0 {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        let opened = self.reach.open(&shard.shown, &shard.version, Ranges::WHOLE);
        let end = opened.and_then(|file| {
            each_sample(file, is_wanted, |sample| match step(&sample) {
                Ok(flow) => flow,
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        // What comes before a fault is given.
        if batch.len() > 0 && self.send(batch, shard, rows, &mut since)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if let Err(error) = end {
            if is_of_store(&error) {
                return exec_err!("{}: {error}", shard.shown);
            }
            if reading.on_corrupt == OnCorrupt::Error {
                return exec_err!("{}: {error}; {SKIP_ADVICE}", shard.shown);
            }
            tracing::warn!("left out the rest of {}: {error}", shard.shown);
            self.corrupt_files.add(1);
        }
        self.read_time.add_elapsed(since);
        self.files_read.add(1);
        self.bytes_read.add(usize::try_from(shard.version.bytes).unwrap_or(0));
        Ok(ControlFlow::Continue(()))
    }

    /// Hands rows over, unless nobody wants them any more.
    fn send(
        &self,
        batch: SampleRows<'_>,
        shard: &ShardPath,
        rows: &Rest,
        since: &mut Instant,
    ) -> Result<ControlFlow<()>> {
        let batch = batch.finish(shard)?;
        self.records_read.add(batch.num_rows());
        let contents: Vec<_> = batch.columns().iter().filter_map(|column| column.as_binary_opt::<i32>()).collect();
        let parts = cut_by_decoded_size(&batch, &contents, self.decoded_bytes);
        self.read_time.add_elapsed(*since);
        for part in parts {
            if rows.blocking_send(Ok(part)).is_err() {
                return Ok(ControlFlow::Break(()));
            }
        }
        // What was waited for who takes the rows is no reading.
        *since = Instant::now();
        Ok(ControlFlow::Continue(()))
    }

    /// Fails or goes on, as was asked.
    fn meet(&self, shard: &ShardPath, key: &str, reason: &str) -> Result<()> {
        if self.reading.on_corrupt == OnCorrupt::Error {
            return exec_err!("{}: sample '{key}': {reason}; {SKIP_ADVICE}", shard.shown);
        }
        tracing::warn!("left out {}: sample '{key}': {reason}", shard.shown);
        self.corrupt_records.add(1);
        Ok(())
    }
}
