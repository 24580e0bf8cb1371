//! The commit node: looks whether every partition is there, sweeps what isn't part of the dataset, writes the manifest.

use std::collections::BTreeMap;
use std::fmt;
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
use super::encode::ChangedKeys;
use super::partition::Report;
use super::sweep::remove_if_there;
use crate::format::manifest::{MANIFEST, Manifest, OLD_MANIFEST, Reject, Shard, UNFINISHED, put, write_rejects};
use crate::session::io_runtime;
use crate::storage::AllowList;

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
        AllowList::of(context.session_config()).check_path(&self.target.directory)?;
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
    check_whole(&target.directory, &reports)?;
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
fn check_whole(directory: &Path, reports: &BTreeMap<i64, Report>) -> Result<()> {
    let directory = directory.display();
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
    let is_for_nothing = shards.is_empty() && !rejects.is_empty();
    // A dataset that would be replaced stays as it is, its list of rejects included.
    if !is_for_nothing || !directory.join(MANIFEST).exists() {
        write_rejects(directory, &rejects)?;
    }
    if is_for_nothing {
        return Ok(exec_err!(
            "no record was written: all {} rows are rejected, the first of them '{}': {}",
            rejects.len(),
            rejects[0].path.as_deref().unwrap_or("a row"),
            rejects[0].reason
        ));
    }
    target.set_manifest_aside()?;
    target.sweep(&shards)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of partitions with these numbers, each of them told how many there are.
    fn checked(reports: &[(i64, usize)]) -> Option<String> {
        let report =
            |partitions| Report { partitions, shards: vec![], rejects: vec![], changed_keys: ChangedKeys::default() };
        let reports = reports.iter().map(|(number, partitions)| (*number, report(*partitions))).collect();
        check_whole(Path::new("out"), &reports).err().map(|error| error.strip_backtrace())
    }

    #[test]
    fn a_dataset_is_whole_when_all_partitions_have_reported() {
        assert_eq!(checked(&[(0, 2), (1, 2)]), None);
        for (reports, expected) in [
            (&[][..], "no partition was written"),
            (&[(0, 2)], "1 of 2 partitions were written"),
            (&[(0, 2), (2, 2)], "2 of 2 partitions were written"),
            (&[(0, 2), (1, 3)], "its partitions are parts of different runs, of 2 and of 3 partitions"),
        ] {
            let expected = format!("Execution error: 'out' is not finished: {expected}; run the statement again");
            assert_eq!(checked(reports), Some(expected));
        }
    }
}
