//! The node of every source: unary above a memory leaf of work items, because Ballista cuts only leaves that it knows into tasks.

use std::fmt;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{BooleanArray, RecordBatch, StringArray};
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use super::list::ReaderMessage;
use super::work::{cut, work_items};
use crate::exec::{methods_of_nodes_without_expressions, only_child};

/// The work items of all partitions; none where the leaf isn't at hand.
pub(crate) type Items = [Vec<RecordBatch>];

/// What a source does with its work items.
pub(crate) trait Reader: fmt::Debug + Send + Sync + 'static {
    /// The node's name in plans.
    fn name(&self) -> &'static str;

    /// The columns that are read.
    fn schema(&self) -> &SchemaRef;

    /// The columns of the work items.
    fn items_schema(&self) -> SchemaRef;

    /// What a plan shows before the columns: how much there is to read, and what of it.
    fn describe(&self, items: &Items, f: &mut fmt::Formatter) -> fmt::Result;

    /// What is counted as done (images, parts of files) and the bytes to read, known before anything is read.
    fn totals(&self, items: &Items) -> (usize, u64);

    /// The metric that counts what is done.
    fn done_metric(&self) -> &'static str;

    /// Whether what is done are rows, of which a sink writes one each.
    fn counts_rows(&self) -> bool;

    /// Whether what is done are images, and not files or parts of them.
    fn counts_images(&self) -> bool {
        false
    }

    /// Whether reading takes time worth watching.
    fn reads_content(&self) -> bool {
        true
    }

    /// The rows of each partition, where they are known without reading.
    fn rows(&self, items: &Items) -> Option<Vec<usize>>;

    /// How many rows, up to `most`, have so many bytes of content at most, whichever they are, or the bytes of two as large as the largest.
    fn rows_within(&self, _items: &Items, _bytes: u64, most: usize) -> usize {
        most
    }

    /// Whether these numbers of rows may be taken for granted, `count(*)` included.
    fn rows_are_exact(&self) -> bool {
        true
    }

    /// Whether partitions have about as many rows each as there can be, when so many partitions are asked for.
    fn is_cut_evenly(&self) -> bool {
        true
    }

    /// The column of class numbers, and the labels in their order, where the query looks at those and there are any.
    fn classes(&self) -> Option<(&'static str, &[String])>;

    /// The place of each row, as lists of rejected rows name it; `None` where a row has none of its own.
    ///
    /// # Errors
    /// Work items that don't tell.
    fn places(&self, _items: &RecordBatch) -> Result<Option<StringArray>> {
        Ok(None)
    }

    /// Files that may be shards of a dataset.
    fn shard_paths(&self, _items: &Items) -> Vec<String> {
        Vec::new()
    }

    /// Reads a partition's work items into rows, at most `fetch`.
    ///
    /// # Errors
    /// Work items that can't be had.
    fn read(
        &self,
        items: SendableRecordBatchStream,
        fetch: usize,
        metrics: (&ExecutionPlanMetricsSet, usize),
        context: &TaskContext,
    ) -> Result<SendableRecordBatchStream>;

    /// What a remote process needs to do the same.
    fn to_message(&self) -> ReaderMessage;
}

/// Turns work items into rows.
#[derive(Debug)]
pub struct ReadExec {
    items: Arc<dyn ExecutionPlan>,
    reader: Arc<dyn Reader>,
    fetch: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    totals: OnceLock<(usize, u64)>,
}

impl ReadExec {
    /// Reads `items`, at most `fetch` rows from each partition.
    pub(super) fn try_new(
        items: Arc<dyn ExecutionPlan>,
        reader: Arc<dyn Reader>,
        fetch: Option<usize>,
    ) -> Result<Self> {
        if items.schema() != reader.items_schema() {
            return internal_err!("{} reads work items, got {}", reader.name(), items.schema());
        }
        let partitions = items.properties().output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(reader.schema())),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (metrics, totals) = (ExecutionPlanMetricsSet::new(), OnceLock::new());
        Ok(Self { items, reader, fetch, properties: Arc::new(properties), metrics, totals })
    }

    fn items(&self) -> &Items {
        work_items(&self.items)
    }

    /// What is counted as done (images, parts of files) and the bytes to read, known before anything is read; zero where the
    /// work items aren't at hand.
    pub(crate) fn totals(&self) -> (usize, u64) {
        *self.totals.get_or_init(|| self.reader.totals(self.items()))
    }

    /// The metric that counts what is done.
    pub(crate) fn done_metric(&self) -> &'static str {
        self.reader.done_metric()
    }

    /// Whether what is done are rows, of which a sink writes one each.
    pub(crate) fn counts_rows(&self) -> bool {
        self.reader.counts_rows()
    }

    /// Whether what is done are images, and not files or parts of them.
    pub(crate) fn counts_images(&self) -> bool {
        self.reader.counts_images()
    }

    /// Whether reading takes time worth watching.
    pub(crate) fn reads_content(&self) -> bool {
        self.reader.reads_content()
    }

    /// The column of class numbers, and the labels in their order, where the query looks at those and there are any.
    pub(crate) fn classes(&self) -> Option<(&'static str, &[String])> {
        self.reader.classes()
    }

    /// Whether there are so many partitions, of about as many rows each as there can be.
    pub(crate) fn is_cut_evenly_into(&self, partitions: usize) -> bool {
        self.reader.is_cut_evenly() && self.properties.output_partitioning().partition_count() == partitions
    }

    /// Files that may be shards of a dataset.
    pub(crate) fn shard_paths(&self) -> Vec<String> {
        self.reader.shard_paths(self.items())
    }

    /// The rows of all partitions, where they are known without reading.
    pub(crate) fn rows(&self) -> Option<usize> {
        self.partition_rows(None)
    }

    /// The rows of one partition or all, where they are known without reading.
    fn partition_rows(&self, partition: Option<usize>) -> Option<usize> {
        let rows = self.reader.rows(self.items()).filter(|rows| !rows.is_empty())?;
        let asked = partition.map_or(0..rows.len(), |partition| partition..partition + 1);
        let most = self.fetch.unwrap_or(usize::MAX);
        Some(rows.get(asked)?.iter().map(|rows| rows.min(&most)).sum())
    }

    /// How many rows, up to `most`, have so many bytes of content at most, whichever they are.
    pub(crate) fn rows_within(&self, bytes: u64, most: usize) -> usize {
        self.reader.rows_within(self.items(), bytes, most)
    }

    /// The same source of those rows alone whose places are wanted, with at most so many in each partition, which are no more than
    /// before. `None` where rows have no places of their own, or the source has a part of them only.
    ///
    /// # Errors
    /// Work items that don't tell.
    pub(crate) fn only(
        &self,
        most: usize,
        wants: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let schema = self.reader.items_schema();
        let mut wanted = Vec::new();
        for items in self.items().iter().flatten() {
            let Some(places) = self.reader.places(items)?.filter(|_| self.fetch.is_none()) else { return Ok(None) };
            let is_wanted: BooleanArray = places.iter().map(|place| Some(place.is_some_and(&mut *wants))).collect();
            wanted.push(filter_record_batch(items, &is_wanted)?);
        }
        let wanted = concat_batches(&schema, &wanted)?;
        let partitions = wanted.num_rows().div_ceil(most.max(1)).clamp(1, self.items().len().max(1));
        let parts = cut(wanted.num_rows(), partitions).map(|(start, rows)| vec![wanted.slice(start, rows)]);
        let leaf: Arc<dyn ExecutionPlan> = MemorySourceConfig::try_new_exec(&parts.collect::<Vec<_>>(), schema, None)?;
        self.with(&leaf, None).map(Some)
    }

    /// The same source in so many partitions at most, each of several that followed each other; `None` where it has no more.
    ///
    /// # Errors
    /// None in practice: work items stay what they are.
    pub(crate) fn gathered(&self, most: usize) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let items = self.items();
        if items.len() <= most.max(1) {
            return Ok(None);
        }
        let parts = cut(items.len(), most.max(1)).map(|(start, count)| items[start..start + count].concat());
        let parts: Vec<Vec<RecordBatch>> = parts.collect();
        let leaf: Arc<dyn ExecutionPlan> = MemorySourceConfig::try_new_exec(&parts, self.reader.items_schema(), None)?;
        self.with(&leaf, self.fetch).map(Some)
    }

    /// What a remote process needs to do the same, and the most rows of each partition.
    pub(crate) fn to_message(&self) -> (ReaderMessage, Option<usize>) {
        (self.reader.to_message(), self.fetch)
    }

    fn with(&self, items: &Arc<dyn ExecutionPlan>, fetch: Option<usize>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::try_new(Arc::clone(items), Arc::clone(&self.reader), fetch)?))
    }
}

impl DisplayAs for ReadExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let schema = self.schema();
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "{}: ", self.reader.name())?;
        self.reader.describe(self.items(), f)?;
        write!(f, ", columns=[{}]", columns.join(", "))?;
        match self.fetch {
            Some(fetch) => write!(f, ", fetch={fetch}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for ReadExec {
    methods_of_nodes_without_expressions!();

    fn name(&self) -> &str {
        self.reader.name()
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
        self.with(&only_child(self.name(), children)?, self.fetch)
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        self.with(&self.items, limit).ok()
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if let Some(rows) = self.partition_rows(args.partition()).filter(|_| self.reader.rows_are_exact()) {
            statistics.num_rows = Precision::Exact(rows);
        }
        Ok(Arc::new(statistics))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let items = self.items.execute(partition, Arc::clone(&context))?;
        self.reader.read(items, self.fetch.unwrap_or(usize::MAX), (&self.metrics, partition), &context)
    }
}
