//! The node that reads records: unary above a memory leaf of work items.

use std::fmt;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, exec_datafusion_err, internal_datafusion_err};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::items::{Item, from_batch};
use super::options::OnCorrupt;
use super::read::{Bounds, PartitionReader, ReadMetrics, Reading, Verdicts};
use crate::config::PixmillOptions;
use crate::session::io_runtime;
use crate::source::work::work_items;
use crate::storage::AllowList;

/// Reads the records that work items name, and of them the features that the query looks at.
#[derive(Debug)]
pub struct ReadRecordsExec {
    items: Arc<dyn ExecutionPlan>,
    reading: Arc<Reading>,
    fetch: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    verdicts: Verdicts,
    totals: OnceLock<(usize, u64)>,
}

impl ReadRecordsExec {
    pub(super) fn new(items: Arc<dyn ExecutionPlan>, reading: Arc<Reading>, fetch: Option<usize>) -> Self {
        let partitions = items.properties().output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&reading.schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            items,
            reading,
            fetch,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            verdicts: Verdicts::default(),
            totals: OnceLock::new(),
        }
    }

    /// The items of each partition; none where the leaf isn't at hand.
    fn partitions(&self) -> Vec<Vec<Item>> {
        let items = |batches: &Vec<RecordBatch>| batches.iter().flat_map(from_batch).collect();
        work_items(&self.items).iter().map(items).collect()
    }

    /// Parts of files and their bytes, known before anything is read; zero where the leaf isn't at hand.
    pub fn totals(&self) -> (usize, u64) {
        *self.totals.get_or_init(|| {
            let partitions = self.partitions();
            let items = || partitions.iter().flatten();
            (items().count(), items().map(|item| item.bytes).sum())
        })
    }

    /// The files that are read.
    pub fn paths(&self) -> Vec<String> {
        self.partitions().into_iter().flatten().map(|item| item.path).collect()
    }

    /// The labels in the order of the numbers in the column `class`, where the files' manifest has them.
    pub fn classes(&self) -> Option<&[String]> {
        self.reading.classes.as_deref()
    }

    /// Records, where that is known without reading.
    pub fn records(&self, partition: Option<usize>) -> Option<u64> {
        if self.reading.on_corrupt != OnCorrupt::Error || self.items.downcast_ref::<DataSourceExec>().is_none() {
            return None;
        }
        let partitions = self.partitions();
        let range = partition.map_or(0..partitions.len(), |partition| partition..partition + 1);
        let items = partitions.get(range)?.iter();
        // The sink has at most so many rows to expect, whatever a limit makes of them.
        let cut = |records: u64| self.fetch.map_or(records, |fetch| records.min(fetch as u64));
        items.map(|items| items.iter().map(|item| item.records).sum::<Option<u64>>().map(cut)).sum()
    }
}

impl DisplayAs for ReadRecordsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let (parts, bytes) = self.totals();
        let fields = self.reading.schema.fields();
        let columns: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        let reads = if self.reading.is_of_frames() { "frames" } else { "records" };
        write!(f, "ReadRecordsExec: parts={parts}, bytes={bytes}, reads={reads}, columns=[{}]", columns.join(", "))?;
        match self.fetch {
            Some(fetch) => write!(f, ", fetch={fetch}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for ReadRecordsExec {
    fn name(&self) -> &str {
        "ReadRecordsExec"
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
        let items = items.ok_or_else(|| internal_datafusion_err!("ReadRecordsExec has one child"))?;
        Ok(Arc::new(Self::new(items, Arc::clone(&self.reading), self.fetch)))
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
        Some(Arc::new(Self::new(Arc::clone(&self.items), Arc::clone(&self.reading), limit)))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.reading.schema);
        if let Some(records) = self.records(args.partition()) {
            statistics.num_rows = Precision::Exact(usize::try_from(records).unwrap_or(usize::MAX));
        }
        Ok(Arc::new(statistics))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let items = self.items.execute(partition, Arc::clone(&context))?;
        let options = PixmillOptions::of(context.session_config().options());
        let bounds = Bounds {
            rows: context.session_config().batch_size(),
            bytes: options.batch_bytes(),
            decoded_bytes: options.decoded_batch_bytes(),
        };
        let metrics = ReadMetrics::new(&self.metrics, partition);
        let wait_time = MetricBuilder::new(&self.metrics).subset_time("wait_time", partition);
        let (reading, verdicts, fetch) = (Arc::clone(&self.reading), Arc::clone(&self.verdicts), self.fetch);
        let runtime = io_runtime(context.session_config());
        let allow = AllowList::of(context.session_config());
        let started = async move {
            let batches: Vec<RecordBatch> = items.try_collect().await?;
            let items: Vec<Item> = batches.iter().flat_map(from_batch).collect();
            items.iter().try_for_each(|item| allow.check(&item.path))?;
            let reader = PartitionReader::new(reading, bounds, metrics, verdicts, items, fetch);
            Ok::<_, datafusion::error::DataFusionError>(read_ahead(reader, runtime, wait_time))
        };
        let rows = stream::once(started).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// A batch being read, and the reader behind it.
type Ahead = JoinHandle<(PartitionReader, Result<Option<Vec<RecordBatch>>>)>;

/// The batches of a partition: while one is used, the next one is read.
fn read_ahead(
    reader: PartitionReader,
    runtime: Handle,
    wait_time: datafusion::physical_plan::metrics::Time,
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
