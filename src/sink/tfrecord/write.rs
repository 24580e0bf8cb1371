//! The sink node: one writer for each partition, one shard (or one for each directory) from each writer.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::Target;
use super::features::FeatureColumn;
use super::options::OnReject;
use super::shard::ShardWriter;
use crate::format::manifest::{MANIFEST, OLD_MANIFEST, Reject, Shard, UNFINISHED};
use crate::format::tfrecord::{Example, Features};
use crate::session::io_runtime;

/// The most directories that one partition writes to at the same time.
const MOST_DIRECTORIES: usize = 256;

/// What a partition has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) shards: Vec<Shard>,
    pub(crate) rejects: Vec<Reject>,
}

/// Writes each partition of its input and gives one row for each: the partition's number and its report.
#[derive(Debug)]
pub struct TfRecordSinkExec {
    input: Arc<dyn ExecutionPlan>,
    target: Arc<Target>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// Partitions that are written at the same time. The others hold neither file nor memory.
    running: Arc<Semaphore>,
    rejected: Arc<AtomicU64>,
}

/// The rows of the sink: (partition, report).
fn report_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("partition", DataType::Int64, false),
        Field::new("report", DataType::Utf8, false),
    ]))
}

impl TfRecordSinkExec {
    /// Writes `input` to `target`, `running` partitions at a time.
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, target: Arc<Target>, running: usize) -> Self {
        let partitions = input.properties().output_partitioning().partition_count();
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
            running: Arc::new(Semaphore::new(running.max(1))),
            rejected: Arc::new(AtomicU64::new(0)),
        }
    }
}

impl DisplayAs for TfRecordSinkExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "TfRecordSinkExec: {}", self.target)
    }
}

impl ExecutionPlan for TfRecordSinkExec {
    fn name(&self) -> &str {
        "TfRecordSinkExec"
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

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next();
        let input = input.ok_or_else(|| internal_datafusion_err!("TfRecordSinkExec has one child"))?;
        let running = self.running.available_permits();
        Ok(Arc::new(Self::new(input, Arc::clone(&self.target), running)))
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

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let counter = |name| MetricBuilder::new(&self.metrics).counter(name, partition);
        let mut writer = PartitionWriter {
            partition,
            target: Arc::clone(&self.target),
            runtime: io_runtime(context.session_config()),
            shards: BTreeMap::new(),
            rejects: Vec::new(),
            all_rejected: Arc::clone(&self.rejected),
            records_written: counter("records_written"),
            bytes_written: counter("bytes_written"),
            records_rejected: counter("records_rejected"),
        };
        let (input, running) = (Arc::clone(&self.input), Arc::clone(&self.running));
        let report = async move {
            let permit = running
                .acquire_owned()
                .await
                .map_err(|error| internal_datafusion_err!("the sink is closed: {error}"))?;
            writer.write(input.execute(partition, context)?).await?;
            // The next partition decodes while the disk takes in the last of this one.
            drop(permit);
            let report = writer.finish().await?;
            let report = serde_json::to_string(&report)
                .map_err(|error| internal_datafusion_err!("a report can't be written: {error}"))?;
            let columns: Vec<ArrayRef> =
                vec![Arc::new(Int64Array::from(vec![partition as i64])), Arc::new(StringArray::from(vec![report]))];
            Ok(RecordBatch::try_new(report_schema(), columns)?)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(report_schema(), stream::once(report).boxed())))
    }
}

/// Writes the rows of one partition.
struct PartitionWriter {
    partition: usize,
    target: Arc<Target>,
    runtime: Handle,
    /// Open shards by their directory, which is empty where the dataset has none.
    shards: BTreeMap<String, ShardWriter>,
    rejects: Vec<Reject>,
    all_rejected: Arc<AtomicU64>,
    records_written: Count,
    bytes_written: Count,
    records_rejected: Count,
}

impl PartitionWriter {
    async fn write(&mut self, mut rows: SendableRecordBatchStream) -> Result<()> {
        self.prepare()?;
        while let Some(batch) = rows.try_next().await? {
            self.write_batch(&batch).await?;
        }
        Ok(())
    }

    async fn finish(self) -> Result<Report> {
        let mut shards = Vec::with_capacity(self.shards.len());
        for (directory, writer) in self.shards {
            let name = self.target.shard_name(self.partition, writer.records());
            let shown = match directory.as_str() {
                "" => name.clone(),
                directory => format!("{directory}/{name}"),
            };
            shards.push(writer.finish(&name, shown).await?);
        }
        Ok(Report { shards, rejects: self.rejects })
    }

    /// Makes the directory, and takes back the promise that a dataset being replaced is a finished one.
    fn prepare(&self) -> Result<()> {
        let directory = &self.target.directory;
        fs::create_dir_all(directory)
            .map_err(|error| exec_datafusion_err!("cannot create '{}': {error}", directory.display()))?;
        fs::write(directory.join(UNFINISHED), "")
            .map_err(|error| exec_datafusion_err!("cannot write to '{}': {error}", directory.display()))?;
        if !self.target.options.overwrite {
            return Ok(());
        }
        match fs::rename(directory.join(MANIFEST), directory.join(OLD_MANIFEST)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                exec_err!("cannot replace '{}': {error}", directory.display())
            }
            _ => Ok(()),
        }
    }

    async fn write_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let target = Arc::clone(&self.target);
        let schema = batch.schema();
        let mut features = Vec::new();
        for index in target.feature_columns() {
            features.push(FeatureColumn::try_new(schema.field(index), batch.column(index))?);
        }
        let directories = target.directories(batch)?;
        for row in 0..batch.num_rows() {
            if let Some(column) = features.iter().find(|column| column.is_rejected(row)) {
                self.reject(batch, row, column.name())?;
                continue;
            }
            let feature = features.iter().filter_map(|column| column.feature(row)).collect();
            let example = Example { features: Some(Features { feature }) };
            let directory = directories.as_ref().map_or("", |directories| &directories[row]);
            let writer = self.shard(directory)?;
            let bytes = writer.append(&example).await?;
            self.records_written.add(1);
            self.bytes_written.add(bytes as usize);
        }
        Ok(())
    }

    fn shard(&mut self, directory: &str) -> Result<&mut ShardWriter> {
        if !self.shards.contains_key(directory) {
            if self.shards.len() == MOST_DIRECTORIES {
                return exec_err!(
                    "PARTITIONED BY gives more than {MOST_DIRECTORIES} directories; choose columns with fewer values"
                );
            }
            let path: PathBuf = self.target.directory.join(directory);
            fs::create_dir_all(&path)
                .map_err(|error| exec_datafusion_err!("cannot create '{}': {error}", path.display()))?;
            let options = &self.target.options;
            let label = format!("{:05}", self.partition);
            let writer = ShardWriter::start(&path, &label, options.compression, options.index, &self.runtime);
            self.shards.insert(directory.to_string(), writer);
        }
        let writer = self.shards.get_mut(directory);
        writer.ok_or_else(|| internal_datafusion_err!("no shard for '{directory}'"))
    }

    fn reject(&mut self, batch: &RecordBatch, row: usize, column: &str) -> Result<()> {
        let options = &self.target.options;
        let reject = self.target.reject(batch, row, column);
        let shown = reject.path.as_deref().unwrap_or("a row");
        let rejected = self.all_rejected.fetch_add(1, Ordering::Relaxed) + 1;
        if options.on_reject == OnReject::Fail {
            return exec_err!("'{shown}' is rejected: {}; use on_reject 'skip' to write the others", reject.reason);
        }
        if options.max_rejects.is_some_and(|most| rejected > most) {
            return exec_err!(
                "more than {} rows are rejected (max_rejects), the last of them '{shown}': {}",
                rejected - 1,
                reject.reason
            );
        }
        tracing::debug!("rejected '{shown}': {}", reject.reason);
        self.records_rejected.add(1);
        self.rejects.push(reject);
        Ok(())
    }
}

impl Target {
    /// The directory of each row, `split=train/…`, where the dataset has directories.
    fn directories(&self, batch: &RecordBatch) -> Result<Option<Vec<String>>> {
        if self.partition_by.is_empty() {
            return Ok(None);
        }
        let mut directories = vec![String::new(); batch.num_rows()];
        for name in &self.partition_by {
            let column = batch.column(batch.schema_ref().index_of(name)?);
            let values = cast(column, &DataType::Utf8)?;
            let values = values.as_string::<i32>();
            for (row, directory) in directories.iter_mut().enumerate() {
                if !directory.is_empty() {
                    directory.push('/');
                }
                directory.push_str(name);
                directory.push('=');
                match values.is_valid(row) {
                    true => push_escaped(directory, values.value(row)),
                    false => directory.push_str("__HIVE_DEFAULT_PARTITION__"),
                }
            }
        }
        Ok(Some(directories))
    }

    /// Why a row has no image, as far as its hidden columns tell.
    fn reject(&self, batch: &RecordBatch, row: usize, column: &str) -> Reject {
        let hidden = |index: usize| self.reject_columns.map(|columns| batch.column(columns[index]));
        let text = |column: &ArrayRef| {
            let column = column.as_string_opt::<i32>()?;
            column.is_valid(row).then(|| column.value(row).to_string())
        };
        let decoded = |column: &ArrayRef| {
            let column = column.as_binary_opt::<i32>()?;
            column.is_valid(row).then(|| pixmill_udfs::image_error(column.value(row))).flatten()
        };
        let reason = hidden(2).and_then(text).or_else(|| hidden(1).and_then(decoded));
        Reject {
            path: hidden(0).and_then(text),
            reason: reason.unwrap_or_else(|| format!("column '{column}' is NULL")),
        }
    }
}

/// Appends a directory's value; what a file name can't hold is percent-encoded, as Hive does.
fn push_escaped(directory: &mut String, value: &str) {
    for character in value.chars() {
        if character.is_control() || "\"#%'*/:=?\\{}[]^".contains(character) {
            for byte in character.to_string().bytes() {
                directory.push_str(&format!("%{byte:02X}"));
            }
        } else {
            directory.push(character);
        }
    }
}
