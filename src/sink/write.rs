//! The sink node: one writer for each partition, one shard (or one for each directory) from each part of its rows.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, LexOrdering, OrderingRequirements, Partitioning};
use datafusion::physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, SpillMetrics};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::Target;
use super::attempt::Attempt;
use super::cut::{Waiting, write_parts};
use super::encode::Encoder;
use super::failure::io_failure;
use super::format::WithEncoder;
use super::partition::{AllRows, Counts, Memory, PartitionWriter, save_rejects};
use super::report::Report;
use crate::exec::{Task, io_runtime, methods_of_nodes_without_expressions, most_items, one_ahead, only_child};
use crate::format::manifest::Reject;

/// Partitions that begin at the same time.
const MOST_BEGINS: usize = 16;

/// Writes each partition of its input and gives one row for each: the partition's number and its report.
#[derive(Debug)]
pub struct ShardSinkExec {
    input: Arc<dyn ExecutionPlan>,
    target: Arc<Target>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// How many partitions are written at the same time. The others hold neither file nor memory.
    running: usize,
    intake: Intake,
    permits: Arc<Semaphore>,
    /// How many more look for what earlier attempts have left.
    begins: Arc<Semaphore>,
    all: Arc<AllRows>,
}

/// How rows come to the sink, whatever the optimizer changes below it.
#[derive(Debug, Clone)]
struct Intake {
    /// Into how many parts all rows are cut; otherwise each partition is a part.
    parts: Option<usize>,
    /// All rows come in one partition.
    is_gathered: bool,
    /// The order of the rows when the sink was planned, which is that of the shards.
    ordering: Option<LexOrdering>,
}

/// The rows of the sink: (partition, report).
fn report_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("partition", DataType::Int64, false),
        Field::new("report", DataType::Utf8, false),
    ]))
}

impl ShardSinkExec {
    /// Writes `input` to `target`, `running` partitions at a time; or all of it in one, cut into `parts`.
    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        target: Arc<Target>,
        running: usize,
        parts: Option<usize>,
    ) -> Self {
        let ordering = input.properties().output_ordering().cloned();
        let is_gathered = parts.is_some() || (ordering.is_some() && partitions(&input) == 1);
        Self::with_intake(input, target, running, Intake { parts, is_gathered, ordering })
    }

    fn with_intake(input: Arc<dyn ExecutionPlan>, target: Arc<Target>, running: usize, intake: Intake) -> Self {
        let partitions = if intake.is_gathered { 1 } else { partitions(&input) };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(report_schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self {
            input,
            target,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            running,
            intake,
            permits: Arc::new(Semaphore::new(running.max(1))),
            begins: Arc::new(Semaphore::new(MOST_BEGINS.max(running))),
            all: Arc::default(),
        }
    }

    /// How many partitions are written: known only here, because the optimizer changes the plan below after the sink is planned.
    pub(super) fn partitions(&self) -> usize {
        self.properties.output_partitioning().partition_count()
    }

    /// Into how many parts the sink cuts its rows itself.
    pub(super) fn parts(&self) -> Option<usize> {
        self.intake.parts
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }
}

fn partitions(input: &Arc<dyn ExecutionPlan>) -> usize {
    input.properties().output_partitioning().partition_count()
}

impl DisplayAs for ShardSinkExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "ShardSinkExec: {}, shards={}", self.target, self.parts().unwrap_or_else(|| self.partitions()))
    }
}

impl ExecutionPlan for ShardSinkExec {
    methods_of_nodes_without_expressions!();

    fn name(&self) -> &str {
        "ShardSinkExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let distribution = match self.intake.is_gathered {
            true => Distribution::SinglePartition,
            false => Distribution::UnspecifiedDistribution,
        };
        InputDistributionRequirements::new(vec![distribution])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![self.intake.ordering.clone().map(OrderingRequirements::from)]
    }

    /// Rows stand in the shards in the order in which they come.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_child(self.name(), children)?;
        Ok(Arc::new(Self::with_intake(input, Arc::clone(&self.target), self.running, self.intake.clone())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let target = Arc::new(self.target.opened(context.session_config())?);
        let report =
            target.options.format.with_encoder(Write { sink: self, target: Arc::clone(&target), partition, context });
        Ok(Box::pin(RecordBatchStreamAdapter::new(report_schema(), stream::once(report).boxed())))
    }
}

/// The writing of a partition, by whatever encoder.
struct Write<'a> {
    sink: &'a ShardSinkExec,
    target: Arc<Target>,
    partition: usize,
    context: Arc<TaskContext>,
}

impl WithEncoder for Write<'_> {
    type Output = BoxFuture<'static, Result<RecordBatch>>;

    fn with<E: Encoder>(self) -> Self::Output {
        self.sink.report::<E>(self.target, self.partition, self.context).boxed()
    }
}

impl ShardSinkExec {
    /// Writes a partition and reports, or reports what an earlier attempt has written.
    fn report<E: Encoder>(
        &self,
        target: Arc<Target>,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> impl Future<Output = Result<RecordBatch>> + Send + 'static {
        let counter = |name| MetricBuilder::new(&self.metrics).counter(name, partition);
        let counts = Counts {
            records_written: counter("records_written"),
            bytes_written: counter("bytes_written"),
            records_rejected: counter("records_rejected"),
            all: Arc::clone(&self.all),
        };
        let kept = counter("partitions_kept");
        let write_time = MetricBuilder::new(&self.metrics).subset_time("write_time", partition);
        let runtime = io_runtime(context.session_config());
        let task = Task::of(context.session_config());
        // A task of a cluster has one vcore.
        let config = context.session_config();
        let has_threads = most_items(config).is_none() && self.partitions() < config.target_partitions();
        let number = task.partition(partition);
        let (input, permits, begins) = (Arc::clone(&self.input), Arc::clone(&self.permits), Arc::clone(&self.begins));
        let cut = self.parts().map(|parts| {
            let metrics = SpillMetrics::new(&self.metrics, partition);
            (parts, Waiting::new(context.runtime_env(), input.schema(), metrics, runtime.clone()))
        });
        async move {
            let closed = |error| internal_datafusion_err!("the sink is closed: {error}");
            // Several begin while others are written: of a store it takes some answers.
            let begins = begins.acquire_owned().await.map_err(closed)?;
            task.check()?;
            let attempt = Arc::new(Attempt::new(target, number, task, write_time)?);
            let (beginning, plan) = (Arc::clone(&attempt), Arc::clone(&input));
            let (fingerprint, earlier) = on(&runtime, move || begin(&beginning, &plan, partition)).await?;
            drop(begins);
            if let Some(report) = earlier {
                counts.add(&report);
                kept.add(1);
                return row(number, &report);
            }
            let permit = permits.acquire_owned().await.map_err(closed)?;
            attempt.check_task()?;
            let memory = Memory::of(&context, &attempt.target);
            let mut writer = PartitionWriter::<E>::new(Arc::clone(&attempt), runtime.clone(), counts, memory);
            let rows = input.execute(partition, context)?;
            let rows = if has_threads { one_ahead(rows) } else { rows };
            match cut {
                Some((parts, waiting)) => write_parts(&mut writer, rows, parts, waiting).await?,
                None => writer.write(rows).await?,
            }
            writer.hand_over().await?;
            // The next partition decodes while the disk makes sure of the last of this one.
            drop(permit);
            let (report, rejects) = writer.finish().await?;
            let report = on(&runtime, move || save(&attempt, fingerprint.as_deref(), report, &rejects)).await?;
            row(number, &report)
        }
    }
}

/// Work with files, on the threads for it.
pub(super) async fn on<T: Send + 'static>(
    runtime: &Handle,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = runtime.spawn_blocking(work).await;
    done.map_err(|error| internal_datafusion_err!("the sink stopped: {error}"))?
}

/// Begins the run where it hasn't begun, and finds what an earlier attempt has written.
fn begin(
    attempt: &Attempt,
    input: &Arc<dyn ExecutionPlan>,
    partition: usize,
) -> Result<(Option<String>, Option<Report>)> {
    let target = &attempt.target;
    target.begin()?;
    let fingerprint = target.fingerprint(input, partition);
    let earlier = target.earlier_report(attempt.partition, fingerprint.as_deref());
    Ok((fingerprint, earlier))
}

/// Lists the last rejects of a whole partition and keeps its report for later attempts, unless the run is over.
fn save(attempt: &Attempt, fingerprint: Option<&str>, mut report: Report, rejects: &[Reject]) -> Result<Report> {
    let target = &attempt.target;
    let failed = |error| io_failure(format!("cannot write to '{}'", target.directory), &error);
    let saved = attempt.check().and_then(|()| {
        if !rejects.is_empty() {
            report.rejects.push(save_rejects(attempt, rejects)?);
        }
        let name = target.save_report(attempt.partition, fingerprint, &report).map_err(failed)?;
        // A commit that has ended meanwhile swept what was there, and not what comes behind it.
        attempt.check().inspect_err(|_| drop(target.directory.remove(&[name])))
    });
    if saved.is_err() {
        attempt.abandon(report.shards.len());
    }
    saved.map(|()| report)
}

/// The row of a partition.
fn row(partition: usize, report: &Report) -> Result<RecordBatch> {
    let report = serde_json::to_string(report)
        .map_err(|error| internal_datafusion_err!("a report can't be written: {error}"))?;
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![partition as i64])), Arc::new(StringArray::from(vec![report]))];
    Ok(RecordBatch::try_new(report_schema(), columns)?)
}
