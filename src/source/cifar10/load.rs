//! Loading: the records that are left after planning, as rows.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, exec_datafusion_err, internal_datafusion_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{TryStreamExt, stream};

use super::list::{count, items_schema, ranges};
use super::read::{RECORD_BYTES, Range, Reads, RecordReader};
use crate::config::PixmillOptions;
use crate::session::io_runtime;
use crate::source::work::work_items;
use crate::storage::{AllowList, local_path};

/// Turns parts of batches into rows; of images that the query doesn't look at, no pixel is read.
///
/// A unary node over a memory leaf, because Ballista cuts only leaves that it knows into tasks.
#[derive(Debug)]
pub struct Cifar10Exec {
    items: Arc<dyn ExecutionPlan>,
    fetch: Option<usize>,
    /// The names of the labels, where the query looks at labels and all batches have the same names.
    classes: Option<Arc<[String]>>,
    reads: Reads,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl Cifar10Exec {
    /// Reads `items` into rows of `schema`, at most `fetch` from each partition.
    pub fn try_new(
        items: Arc<dyn ExecutionPlan>,
        schema: SchemaRef,
        classes: Option<Arc<[String]>>,
        fetch: Option<usize>,
    ) -> Result<Self> {
        if items.schema() != items_schema() {
            return internal_err!("Cifar10Exec reads work items, got {}", items.schema());
        }
        let partitions = items.properties().output_partitioning().partition_count();
        let reads = Reads::of(&schema);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self { items, fetch, classes, reads, properties: Arc::new(properties), metrics })
    }

    /// Images and the bytes to read of them, known before anything is read; zero where the leaf isn't at hand.
    pub fn totals(&self) -> (usize, u64) {
        let images = work_items(&self.items).iter().flatten().map(count).sum();
        (images, images as u64 * self.reads.bytes())
    }

    /// The names of the labels, where the query looks at labels and all batches have the same names.
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }
}

impl DisplayAs for Cifar10Exec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let (images, bytes) = self.totals();
        let schema = self.schema();
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "Cifar10Exec: images={images}, bytes={bytes}, columns=[{}]", columns.join(", "))?;
        match self.fetch {
            Some(fetch) => write!(f, ", fetch={fetch}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for Cifar10Exec {
    fn name(&self) -> &str {
        "Cifar10Exec"
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
        let items = items.ok_or_else(|| internal_datafusion_err!("Cifar10Exec has one child"))?;
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

    /// Files' sizes tell exactly how many rows there are.
    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        let partitions = work_items(&self.items);
        let asked = match args.partition() {
            Some(partition) => partitions.get(partition..=partition),
            None => Some(partitions),
        };
        if let Some(asked) = asked.filter(|asked| !asked.is_empty()) {
            let most = self.fetch.unwrap_or(usize::MAX);
            let rows = asked.iter().map(|items| items.iter().map(count).sum::<usize>().min(most));
            statistics.num_rows = Precision::Exact(rows.sum());
        }
        Ok(Arc::new(statistics))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let items = self.items.execute(partition, Arc::clone(&context))?;
        let config = context.session_config();
        let schema = self.schema();
        let counter = |name| MetricBuilder::new(&self.metrics).counter(name, partition);
        let most_bytes = PixmillOptions::of(config.options()).batch_bytes().min(i32::MAX as usize);
        let loader = Arc::new(Loader {
            schema: Arc::clone(&schema),
            reads: self.reads,
            allow: AllowList::of(config),
            batch_rows: config.batch_size().min(most_bytes / RECORD_BYTES as usize).max(1),
            records_read: counter("records_read"),
            bytes_read: counter("bytes_read"),
        });
        let runtime = io_runtime(config);
        let mut left = self.fetch.unwrap_or(usize::MAX);
        let rows = items.map_ok(move |items| {
            let reading = Reading { ranges: cut_to(ranges(&items), &mut left), open: None };
            let (loader, runtime) = (Arc::clone(&loader), runtime.clone());
            stream::try_unfold(reading, move |reading| {
                let loader = Arc::clone(&loader);
                let step = runtime.spawn_blocking(move || loader.step(reading));
                async move { step.await.map_err(|error| exec_datafusion_err!("reading stopped: {error}"))? }
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows.try_flatten())))
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
    open: Option<RecordReader<File>>,
}

/// What one partition reads with.
struct Loader {
    schema: SchemaRef,
    reads: Reads,
    allow: Arc<AllowList>,
    batch_rows: usize,
    records_read: Count,
    bytes_read: Count,
}

impl Loader {
    /// Reads the next batch of rows.
    fn step(&self, mut reading: Reading) -> Result<Option<(RecordBatch, Reading)>> {
        loop {
            if let Some(reader) = &mut reading.open {
                if let Some(records) = reader.next(self.batch_rows, self.reads)? {
                    let batch = reader.batch(records, &self.schema)?;
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
            self.allow.check(&range.path)?;
            let file = local_path(&range.path).map(File::open);
            match file {
                Some(Ok(file)) => reading.open = Some(RecordReader::new(file, range)),
                Some(Err(error)) => return Err(exec_datafusion_err!("cannot read '{}': {error}", range.path)),
                None => return internal_err!("'{}' is no local path", range.path),
            }
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
