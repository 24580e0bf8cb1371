//! The commit node: looks whether every partition is there, sweeps what isn't part of the dataset, writes the manifest.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

use super::Target;
use super::directory::split;
use super::encode::ChangedKeys;
use super::partition::Report;
use super::shard::is_unfinished;
use crate::format::manifest::{MANIFEST, Manifest, OLD_MANIFEST, Reject, Shard, UNFINISHED, put, read, write_rejects};
use crate::session::io_runtime;

/// The rows that a `COPY` to shards returns: one for each shard.
pub(crate) fn result_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("path", DataType::Utf8, true),
        Field::new("records", DataType::Int64, false),
        Field::new("bytes", DataType::Int64, false),
        Field::new("rejected", DataType::Int64, false),
    ]))
}

/// Turns the reports of all partitions into a finished dataset, or fails and leaves it unfinished.
#[derive(Debug)]
pub struct CommitExec {
    input: Arc<dyn ExecutionPlan>,
    target: Arc<Target>,
    properties: Arc<PlanProperties>,
}

impl CommitExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, target: Arc<Target>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(result_schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { input, target, properties: Arc::new(properties) }
    }
}

impl CommitExec {
    /// The dataset's directory.
    pub fn directory(&self) -> &Path {
        &self.target.directory
    }
}

impl DisplayAs for CommitExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "CommitExec")
    }
}

impl ExecutionPlan for CommitExec {
    fn name(&self) -> &str {
        "CommitExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next();
        let input = input.ok_or_else(|| internal_datafusion_err!("CommitExec has one child"))?;
        Ok(Arc::new(Self::new(input, Arc::clone(&self.target))))
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

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, Arc::clone(&context))?;
        let target = Arc::clone(&self.target);
        let runtime = io_runtime(context.session_config());
        let committed = async move {
            let batches: Vec<RecordBatch> = rows.try_collect().await?;
            let reports = reports(&batches)?;
            let committed = runtime.spawn_blocking(move || commit(&target, reports));
            committed.await.map_err(|error| exec_datafusion_err!("the commit stopped: {error}"))?
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(result_schema(), stream::once(committed).boxed())))
    }
}

/// The reports by partition; of a partition that ran twice, one.
fn reports(batches: &[RecordBatch]) -> Result<BTreeMap<i64, Report>> {
    let mut reports = BTreeMap::new();
    for batch in batches {
        let partitions = batch.column(0).as_primitive::<Int64Type>();
        let texts = batch.column(1).as_string::<i32>();
        for (partition, text) in partitions.values().iter().zip(texts.iter().flatten()) {
            let report = serde_json::from_str(text)
                .map_err(|error| internal_datafusion_err!("a report can't be read: {error}"))?;
            reports.insert(*partition, report);
        }
    }
    Ok(reports)
}

fn commit(target: &Target, mut reports: BTreeMap<i64, Report>) -> Result<RecordBatch> {
    check_whole(target, &reports)?;
    let failed = |error| exec_datafusion_err!("cannot finish '{}': {error}", target.directory.display());
    target.renumber(&mut reports).map_err(failed)?;
    let rows = result_rows(&reports)?;
    let mut shards = Vec::new();
    let mut rejects = Vec::new();
    let mut changed_keys = ChangedKeys::default();
    for report in reports.into_values() {
        changed_keys.add(report.changed_keys);
        shards.extend(report.shards);
        rejects.extend(report.rejects);
    }
    shards.sort_by(|left, right| left.path.cmp(&right.path));
    rejects.sort();
    finish(target, shards, rejects).map_err(failed)??;
    warn_about_keys(&changed_keys);
    Ok(rows)
}

/// Checks that partitions 0 to n-1 have reported, where n is what each of them was told.
fn check_whole(target: &Target, reports: &BTreeMap<i64, Report>) -> Result<()> {
    let directory = target.directory.display();
    let Some(partitions) = reports.values().map(|report| report.partitions).max() else {
        return exec_err!("'{directory}' is not finished: no partition was written; run the statement again");
    };
    if let Some(other) = reports.values().find(|report| report.partitions != partitions) {
        return exec_err!(
            "'{directory}' is not finished: its partitions are parts of different runs, of {} and of {partitions} partitions; \
             run the statement again",
            other.partitions
        );
    }
    if !reports.keys().copied().eq(0..partitions as i64) {
        return exec_err!(
            "'{directory}' is not finished: {} of {partitions} partitions were written; run the statement again",
            reports.len()
        );
    }
    Ok(())
}

fn warn_about_keys(changed: &ChangedKeys) {
    if let Some((before, after)) = &changed.first {
        let (keys, were) = if changed.count == 1 { ("key", "was") } else { ("keys", "were") };
        tracing::warn!(
            "{} {keys} {were} changed, because readers cut a key at the first dot of its file name and take neighbours \
             with one key as one sample: '{before}' became '{after}'",
            changed.count
        );
    }
}

fn finish(target: &Target, shards: Vec<Shard>, rejects: Vec<Reject>) -> std::io::Result<Result<()>> {
    let directory = &target.directory;
    write_rejects(directory, &rejects)?;
    sweep(target, &shards)?;
    if shards.is_empty() && !rejects.is_empty() {
        return Ok(exec_err!(
            "no record was written: all {} rows are rejected, the first of them '{}': {}",
            rejects.len(),
            rejects[0].path.as_deref().unwrap_or("a row"),
            rejects[0].reason
        ));
    }
    let sidecars = target.sidecars(&shards)?;
    for (name, text) in &sidecars {
        put(&directory.join(name), text.as_bytes())?;
    }
    let manifest = Manifest {
        format: target.options.format().name().to_string(),
        pixmill_version: env!("CARGO_PKG_VERSION").to_string(),
        jpeg_codec: pixmill_udfs::JPEG_CODEC.to_string(),
        records: shards.iter().map(|shard| shard.records).sum(),
        bytes: shards.iter().map(|shard| shard.bytes).sum(),
        rejected: rejects.len() as u64,
        features: target.features(),
        partitioned_by: target.partition_by.clone(),
        classes: target.classes.clone(),
        shuffle_seed: target.shuffle_seed,
        options: serde_json::to_value(&target.options)?,
        sidecars: sidecars.into_keys().collect(),
        shards,
    };
    manifest.write(directory)?;
    remove_if_there(&directory.join(OLD_MANIFEST))?;
    remove_if_there(&directory.join(UNFINISHED))?;
    Ok(Ok(()))
}

/// Removes what an interrupted run, or the dataset that this one replaces, left beside the shards.
fn sweep(target: &Target, shards: &[Shard]) -> std::io::Result<()> {
    let is_part = |path: &str| {
        let path = path.strip_suffix(".idx").filter(|_| target.options.has_index()).unwrap_or(path);
        shards.iter().any(|shard| shard.path == path)
    };
    if let Some(old) = read(&target.directory.join(OLD_MANIFEST))? {
        for shard in old.shards.iter().filter(|shard| !is_part(&shard.path)) {
            remove_if_there(&target.directory.join(&shard.path))?;
            remove_if_there(&target.directory.join(format!("{}.idx", shard.path)))?;
        }
        // Those of this dataset are written behind the sweep.
        for name in old.sidecars.iter().filter(|name| !name.contains('/')) {
            remove_if_there(&target.directory.join(name))?;
        }
    }
    let depth = target.partition_by.len() + 1;
    let walk = walkdir::WalkDir::new(&target.directory).min_depth(1).max_depth(depth);
    for entry in walk.into_iter().filter_map(std::result::Result::ok) {
        let below = entry.path().strip_prefix(&target.directory).unwrap_or(entry.path());
        let (Some(path), Some(name)) = (below.to_str(), entry.file_name().to_str()) else { continue };
        let is_ours = target.is_shard_name(split(path).0, name) || is_unfinished(name);
        if entry.file_type().is_file() && is_ours && !is_part(path) && name != MANIFEST {
            remove_if_there(entry.path())?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// One row for each shard; rejected rows are counted in the first of their partition.
fn result_rows(reports: &BTreeMap<i64, Report>) -> Result<RecordBatch> {
    let mut rows: Vec<(Option<&str>, [u64; 3])> = Vec::new();
    for report in reports.values() {
        let mut rejected = report.rejects.len() as u64;
        for shard in &report.shards {
            rows.push((Some(&shard.path), [shard.records, shard.bytes, rejected]));
            rejected = 0;
        }
        if rejected > 0 {
            rows.push((None, [0, 0, rejected]));
        }
    }
    rows.sort_by_key(|(path, _)| (path.is_none(), *path));
    let mut columns: Vec<ArrayRef> = vec![Arc::new(rows.iter().map(|(path, _)| *path).collect::<StringArray>())];
    for index in 0..3 {
        let numbers = rows.iter().map(|(_, numbers)| Some(numbers[index] as i64));
        columns.push(Arc::new(numbers.collect::<Int64Array>()));
    }
    Ok(RecordBatch::try_new(result_schema(), columns)?)
}
