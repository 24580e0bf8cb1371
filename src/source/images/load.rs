//! Loading: the bytes of the files that are left after planning, read ahead of whoever decodes them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, StringArray};
use datafusion::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err, internal_datafusion_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::list::{items_schema, lengths, paths};
use super::{CONTENT, READ_ERROR};
use crate::config::PixmillOptions;
use crate::session::io_runtime;
use crate::source::batch::cut_by_decoded_size;
use crate::source::work::work_items;
use crate::storage::{AllowList, read_file};

/// Turns work items into rows: reads the content of each file where the query looks at it.
///
/// A unary node over a memory leaf, because Ballista cuts only leaves that it knows into tasks.
#[derive(Debug)]
pub struct LoadContentExec {
    items: Arc<dyn ExecutionPlan>,
    fetch: Option<usize>,
    /// The labels in the order of their class numbers, where the query looks at those.
    classes: Option<Arc<[String]>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// The bytes that all partitions together may read ahead, in permits.
    bytes_ahead: OnceLock<Arc<Semaphore>>,
}

impl LoadContentExec {
    /// Loads `items` into rows of `schema`, at most `fetch` from each partition.
    pub fn try_new(
        items: Arc<dyn ExecutionPlan>,
        schema: SchemaRef,
        classes: Option<Arc<[String]>>,
        fetch: Option<usize>,
    ) -> Result<Self> {
        if items.schema() != items_schema() {
            return internal_err!("LoadContentExec reads work items, got {}", items.schema());
        }
        let partitions = items.properties().output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            items,
            fetch,
            classes,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            bytes_ahead: OnceLock::new(),
        })
    }

    /// Files and their bytes, known before anything is read; zero where the leaf isn't at hand.
    pub fn totals(&self) -> (usize, u64) {
        work_items(&self.items).iter().flatten().fold((0, 0), |(files, bytes), batch| {
            let sum: i64 = lengths(batch).values().iter().sum();
            (files + batch.num_rows(), bytes + sum.unsigned_abs())
        })
    }

    /// The labels in the order of their class numbers, where the query looks at those.
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }

    /// Whether the query looks at what is in the files.
    pub fn reads_content(&self) -> bool {
        let schema = self.schema();
        schema.index_of(CONTENT).is_ok() || schema.index_of(READ_ERROR).is_ok()
    }
}

impl DisplayAs for LoadContentExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let (files, bytes) = self.totals();
        let schema = self.schema();
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let reads = if self.reads_content() { "content" } else { "nothing" };
        write!(f, "LoadContentExec: files={files}, bytes={bytes}, reads={reads}, columns=[{}]", columns.join(", "))?;
        match self.fetch {
            Some(fetch) => write!(f, ", fetch={fetch}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for LoadContentExec {
    fn name(&self) -> &str {
        "LoadContentExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.items]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let items = children.into_iter().next();
        let items = items.ok_or_else(|| internal_datafusion_err!("LoadContentExec has one child"))?;
        Ok(Arc::new(Self::try_new(items, self.schema(), self.classes.clone(), self.fetch)?))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        crate::plan::with_new_children(self, children)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let limited = Self::try_new(Arc::clone(&self.items), self.schema(), self.classes.clone(), limit);
        limited.ok().map(|plan| Arc::new(plan) as Arc<dyn ExecutionPlan>)
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let items = self.items.execute(partition, Arc::clone(&context))?;
        let schema = self.schema();
        let fetch = self.fetch.unwrap_or(usize::MAX);
        let mut left = fetch;
        // A partition is one batch of work items; its rows are cut here, before anything is read.
        let items = items.try_filter_map(move |batch: RecordBatch| {
            let rows = batch.num_rows().min(left);
            left -= rows;
            std::future::ready(Ok((rows > 0).then(|| batch.slice(0, rows))))
        });
        if !self.reads_content() {
            let projected = Arc::clone(&schema);
            let rows = items.map(move |batch| project(&batch?, None, &projected));
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)));
        }
        let options = PixmillOptions::of(context.session_config().options());
        let bytes_ahead = self.bytes_ahead.get_or_init(|| {
            let bytes = options.prefetch_bytes().min(Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(bytes))
        });
        let loader = Arc::new(Loader {
            schema: Arc::clone(&schema),
            batch_rows: context.session_config().batch_size(),
            batches_ahead: options.prefetch_batches(),
            bytes_ahead: Arc::clone(bytes_ahead),
            runtime: io_runtime(context.session_config()),
            metrics: LoadMetrics::new(&self.metrics, partition),
            allow: AllowList::of(context.session_config()),
            options,
        });
        let rows = items.map_ok(move |batch| Arc::clone(&loader).load(batch)).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

#[derive(Clone)]
struct LoadMetrics {
    files_read: Count,
    bytes_read: Count,
    unreadable_files: Count,
    read_time: Time,
    wait_time: Time,
}

impl LoadMetrics {
    fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name| MetricBuilder::new(set).counter(name, partition);
        let time = |name| MetricBuilder::new(set).subset_time(name, partition);
        Self {
            files_read: counter("files_read"),
            bytes_read: counter("bytes_read"),
            unreadable_files: counter("unreadable_files"),
            read_time: time("read_time"),
            wait_time: time("wait_time"),
        }
    }
}

/// What one partition loads with.
struct Loader {
    schema: SchemaRef,
    batch_rows: usize,
    batches_ahead: usize,
    bytes_ahead: Arc<Semaphore>,
    runtime: tokio::runtime::Handle,
    metrics: LoadMetrics,
    allow: Arc<AllowList>,
    options: PixmillOptions,
}

/// A batch being read, and the right to hold its bytes ahead of need.
struct Ahead {
    read: JoinHandle<Result<Vec<RecordBatch>>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Loader {
    /// The rows of these work items, in their order, in batches bounded by rows and bytes.
    fn load(self: Arc<Self>, items: RecordBatch) -> impl futures::Stream<Item = Result<RecordBatch>> {
        let state = (self.cut(&items), VecDeque::new());
        let batches = stream::try_unfold(state, move |(mut waiting, mut ahead)| {
            let loader = Arc::clone(&self);
            async move {
                loader.read_ahead(&mut waiting, &mut ahead);
                let Some(Ahead { read, permit }) = ahead.pop_front() else {
                    return Ok(None);
                };
                let timer = loader.metrics.wait_time.timer();
                let batches = read.await.map_err(|error| exec_datafusion_err!("reading stopped: {error}"))??;
                timer.done();
                drop(permit);
                // The next reads begin before this batch is decoded.
                loader.read_ahead(&mut waiting, &mut ahead);
                let batches = stream::iter(batches.into_iter().map(Ok));
                Ok::<_, datafusion::error::DataFusionError>(Some((batches, (waiting, ahead))))
            }
        });
        batches.try_flatten()
    }

    /// Cuts work items into batches by their listed lengths.
    fn cut(&self, items: &RecordBatch) -> VecDeque<RecordBatch> {
        let most_bytes = self.options.batch_bytes() as u64;
        let mut batches = VecDeque::new();
        let (mut start, mut bytes) = (0, 0);
        for (row, length) in lengths(items).values().iter().enumerate() {
            let length = length.unsigned_abs();
            let is_full = row - start == self.batch_rows || bytes + length > most_bytes;
            if row > start && is_full {
                batches.push_back(items.slice(start, row - start));
                (start, bytes) = (row, 0);
            }
            bytes += length;
        }
        batches.push_back(items.slice(start, items.num_rows() - start));
        batches
    }

    /// Starts reads until enough are under way. The first needs no permit, so that every partition gets on.
    fn read_ahead(&self, waiting: &mut VecDeque<RecordBatch>, ahead: &mut VecDeque<Ahead>) {
        while ahead.len() < self.batches_ahead {
            let Some(items) = waiting.front() else { return };
            let bytes: u64 = lengths(items).values().iter().map(|length| length.unsigned_abs()).sum();
            let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
            let permit = Arc::clone(&self.bytes_ahead).try_acquire_many_owned(permits).ok();
            if permit.is_none() && !ahead.is_empty() {
                return;
            }
            let Some(items) = waiting.pop_front() else { return };
            let (schema, metrics, allow) = (Arc::clone(&self.schema), self.metrics.clone(), Arc::clone(&self.allow));
            let most_decoded = self.options.decoded_batch_bytes();
            let read = self.runtime.spawn_blocking(move || {
                let timer = metrics.read_time.timer();
                let loaded = Loaded::read(&items, &metrics, &allow)?;
                timer.done();
                let batch = project(&items, Some(&loaded), &schema)?;
                Ok(cut_by_decoded_size(&batch, &[&loaded.content], most_decoded))
            });
            ahead.push_back(Ahead { read, permit });
        }
    }
}

/// Most bytes of a batch: Arrow's offsets in a binary column are 32-bit.
const MOST_BYTES: usize = i32::MAX as usize;

/// The contents of some files, in one buffer, and the reasons where there is none.
struct Loaded {
    content: BinaryArray,
    errors: StringArray,
}

impl Loaded {
    fn read(items: &RecordBatch, metrics: &LoadMetrics, allow: &AllowList) -> Result<Self> {
        let listed: i64 = lengths(items).values().iter().sum();
        let mut bytes = Vec::with_capacity(usize::try_from(listed).unwrap_or(0).min(MOST_BYTES));
        let mut ends = Vec::with_capacity(items.num_rows());
        let mut errors = Vec::with_capacity(items.num_rows());
        for path in paths(items).iter().flatten() {
            allow.check(path)?;
            let start = bytes.len();
            let result = read_file(path, &mut bytes, MOST_BYTES - start).map_err(|error| error.to_string());
            if let Err(reason) = &result {
                metrics.unreadable_files.add(1);
                tracing::warn!("cannot read '{path}': {reason}");
            }
            ends.push(bytes.len() - start);
            errors.push(result.err().map(|reason| format!("cannot be read: {reason}")));
        }
        metrics.files_read.add(items.num_rows());
        metrics.bytes_read.add(bytes.len());
        let offsets = OffsetBuffer::<i32>::from_lengths(ends);
        let nulls = NullBuffer::from_iter(errors.iter().map(Option::is_none));
        let content = BinaryArray::try_new(offsets, Buffer::from_vec(bytes), Some(nulls))?;
        Ok(Self { content, errors: StringArray::from(errors) })
    }
}

/// The columns of `schema`, from the work items and what was loaded for them.
fn project(items: &RecordBatch, loaded: Option<&Loaded>, schema: &SchemaRef) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column: ArrayRef = match (field.name().as_str(), loaded) {
            (CONTENT, Some(loaded)) => Arc::new(loaded.content.clone()),
            (READ_ERROR, Some(loaded)) => Arc::new(loaded.errors.clone()),
            (name, _) => Arc::clone(items.column(items.schema_ref().index_of(name)?)),
        };
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(items.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
