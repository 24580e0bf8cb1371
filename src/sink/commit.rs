//! The commit node: looks whether every partition is there, sweeps what isn't part of the dataset, writes the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_datafusion_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning};
use datafusion::physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

use super::encode::ChangedKeys;
use super::failure::{io_failure, is_refused};
use super::max_rejects::MaxRejects;
use super::place::Placement;
use super::rejects::Rejects;
use super::report::Report;
use super::{ShardSinkExec, Target, hidden};
use crate::exec::{Task, io_runtime, methods_of_nodes_without_expressions, only_child};
use crate::format::manifest::{MANIFEST, Manifest, NEXT_REJECTS, OLD_MANIFEST, Reject, Shard};
use crate::storage::{AllowList, Directory};

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
    /// Partitions of the sink, as far as it was below this node at some time: on an executor only its rows are.
    partitions: Option<usize>,
    /// Of the rejected rows that are tried again, those that don't come: they stay in the list.
    still_rejected: Arc<[Reject]>,
    properties: Arc<PlanProperties>,
}

impl CommitExec {
    /// Commits what the sink below writes; `partitions` are those of a sink that isn't below any more.
    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        target: Arc<Target>,
        partitions: Option<usize>,
        still_rejected: Arc<[Reject]>,
    ) -> Self {
        let partitions = partitions_below(&input).or(partitions);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(result_schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { input, target, partitions, still_rejected, properties: Arc::new(properties) }
    }
}

impl CommitExec {
    /// The commit of a plan: its root, but for nodes that plan subqueries or measure.
    pub(crate) fn of(plan: &Arc<dyn ExecutionPlan>) -> Option<&Self> {
        plan.downcast_ref::<Self>().or_else(|| plan.children().into_iter().find_map(Self::of))
    }

    /// The dataset's directory.
    pub(crate) fn directory(&self) -> &Directory {
        &self.target.directory
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn partitions(&self) -> Option<usize> {
        self.partitions
    }

    pub(super) fn still_rejected(&self) -> &[Reject] {
        &self.still_rejected
    }
}

/// The partitions of the sink in a plan.
fn partitions_below(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    match plan.downcast_ref::<ShardSinkExec>() {
        Some(sink) => Some(sink.partitions()),
        None => plan.children().into_iter().find_map(partitions_below),
    }
}

impl DisplayAs for CommitExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "CommitExec")
    }
}

impl ExecutionPlan for CommitExec {
    methods_of_nodes_without_expressions!();

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

    /// The optimizer looks for the order of a query below nodes that keep one, and shards are in that of their rows.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_child(self.name(), children)?;
        let (target, still_rejected) = (Arc::clone(&self.target), Arc::clone(&self.still_rejected));
        Ok(Arc::new(Self::new(input, target, self.partitions, still_rejected)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let target = Arc::new(self.target.opened(context.session_config())?);
        let rows = self.input.execute(partition, Arc::clone(&context))?;
        let allow = AllowList::of(context.session_config());
        let partitions = self.partitions;
        let partitions = partitions.ok_or_else(|| internal_datafusion_err!("CommitExec has no sink"))?;
        let runtime = io_runtime(context.session_config());
        let task = Task::of(context.session_config());
        let still_rejected = Arc::clone(&self.still_rejected);
        let memory = MemoryConsumer::new(format!("rejects of '{}'", target.directory)).register(context.memory_pool());
        let committed = async move {
            let batches: Vec<RecordBatch> = match rows.try_collect().await {
                Err(error) if is_refused(&error) => {
                    // The error that is told is that of the value.
                    let _ = runtime.spawn_blocking(move || target.take_back()).await;
                    return Err(error);
                }
                batches => batches?,
            };
            task.check()?;
            let reports = reports(&batches)?;
            let committed = runtime
                .spawn_blocking(move || commit(&target, (&allow, &memory), partitions, (reports, &still_rejected)));
            committed.await.map_err(|error| exec_datafusion_err!("the commit stopped: {error}"))?
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(result_schema(), stream::once(committed).boxed())))
    }
}

/// The reports by partition: as many as there were attempts that came to their end.
fn reports(batches: &[RecordBatch]) -> Result<BTreeMap<usize, Vec<Report>>> {
    let mut reports: BTreeMap<usize, Vec<Report>> = BTreeMap::new();
    for batch in batches {
        let partitions = batch.column(0).as_primitive::<Int64Type>();
        let texts = batch.column(1).as_string::<i32>();
        for (partition, text) in partitions.values().iter().zip(texts.iter().flatten()) {
            let report = serde_json::from_str(text)
                .map_err(|error| internal_datafusion_err!("a report can't be read: {error}"))?;
            reports.entry(*partition as usize).or_default().push(report);
        }
    }
    Ok(reports)
}

/// Finishes the dataset. It may have been tried before, and be tried twice at a time.
fn commit(
    target: &Target,
    (allow, memory): (&AllowList, &MemoryReservation),
    partitions: usize,
    (reports, still_rejected): (BTreeMap<usize, Vec<Report>>, &[Reject]),
) -> Result<RecordBatch> {
    check_whole(&target.directory, partitions, &reports)?;
    let choose = |(partition, reports)| Some((partition, choose(target, reports)?));
    let reports: BTreeMap<usize, Report> = reports.into_iter().filter_map(choose).collect();
    let old = target.retry.map(|_| target.dataset_that_is_there()).transpose()?;
    let rejects = Rejects::of(&reports, still_rejected, old.as_ref().map_or(0, |old| old.records));
    check_rejects(target, &rejects)?;
    let old_shards = old.as_ref().map_or(&[][..], |old| &old.shards);
    let placements = target.placements(&reports, old_shards);
    for placement in &placements {
        target.directory.check(&placement.shard.path, allow)?;
    }
    let rows = result_rows(&reports, &placements)?;
    let written: Vec<Shard> = placements.iter().map(|placement| placement.shard.clone()).collect();
    let mut shards = [old_shards, &written].concat();
    shards.sort_by(|left, right| left.path.cmp(&right.path));
    if shards.is_empty() && rejects.count > 0 {
        return nothing_written(target, &rejects, memory);
    }
    let failed = |error| io_failure(cannot_finish(target), &error);
    let sidecars = target.sidecars(&shards).map_err(failed)?;
    let sidecar_names = sidecars.keys().cloned().collect();
    let manifest = match old {
        Some(old) => old.with_added(written, rejects.count, sidecar_names),
        None => manifest(target, shards, rejects.count, sidecar_names)?,
    };
    let finished = finish(target, &placements, (&rejects, memory), &sidecars, &manifest);
    match finished {
        // Another commit of the same run was first.
        Err(_) if !target.is_marked() && target.has_manifest(&manifest) => {}
        done => done?,
    }
    let mut changed_keys = ChangedKeys::default();
    reports.values().for_each(|report| changed_keys.add(report.changed_keys.clone()));
    warn_about_keys(&changed_keys);
    warn_about_shards(target, &manifest);
    Ok(rows)
}

/// Of the reports of several attempts one whose files are there: those of the others may have been swept.
fn choose(target: &Target, mut reports: Vec<Report>) -> Option<Report> {
    let is_one = reports.len() == 1;
    let found = reports.iter().position(|report| is_one || target.is_there(report)).unwrap_or(0);
    (found < reports.len()).then(|| reports.swap_remove(found))
}

pub(super) fn cannot_finish(target: &Target) -> String {
    format!("cannot finish '{}'", target.directory)
}

/// Checks that partitions 0 to n-1 have reported.
fn check_whole(directory: &Directory, partitions: usize, reports: &BTreeMap<usize, Vec<Report>>) -> Result<()> {
    if partitions == 0 {
        return exec_err!("'{directory}' is not finished: no partition was written; run the statement again");
    }
    if let Some((other, _)) = reports.range(partitions..).next() {
        return exec_err!(
            "'{directory}' is not finished: there are {partitions} partitions, and number {other} has reported, too; run the \
             statement again"
        );
    }
    if reports.len() < partitions {
        return exec_err!(
            "'{directory}' is not finished: {} of {partitions} partitions were written; run the statement again",
            reports.len()
        );
    }
    Ok(())
}

/// Checks that not more rows are rejected than may be: each process has counted its own alone.
fn check_rejects(target: &Target, rejects: &Rejects) -> Result<()> {
    let (count, rows) = (rejects.count, rejects.rows);
    let Some(most) = target.options.max_rejects.filter(|most| most.is_exceeded(count, rows)) else { return Ok(()) };
    let rejected = match most {
        MaxRejects::Count(_) => format!("{count} rows"),
        MaxRejects::Share(_) => format!("{count} of {rows} rows"),
    };
    exec_err!("{rejected} are rejected, more than {most} (max_rejects), the first of them {}", rejects.first())
}

/// A dataset that would be replaced stays as it is, its list of rejects included.
fn nothing_written(target: &Target, rejects: &Rejects, memory: &MemoryReservation) -> Result<RecordBatch> {
    if target.is_marked() && target.directory.has(MANIFEST).is_ok_and(|has| !has) {
        rejects.write(target, memory).map_err(|error| io_failure(cannot_finish(target), &error))?;
    }
    exec_err!("no record was written: all {} rows are rejected, the first of them {}", rejects.count, rejects.first())
}

/// A filter that reads files comes behind the cut, and may leave a part without a row.
fn warn_about_shards(target: &Target, manifest: &Manifest) {
    let (written, records) = (manifest.shards.len(), manifest.records);
    let is_whole = target.partition_by.is_empty() && target.retry.is_none();
    let Some(asked) = target.options.shards.filter(|asked| is_whole && written < *asked) else {
        return;
    };
    if (written as u64) < records {
        tracing::warn!(
            "{written} of {asked} shards were written: every row of the others was left out by a filter, or rejected; add an ORDER BY to \
             cut only the rows that are left"
        );
    }
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

fn manifest(target: &Target, shards: Vec<Shard>, rejected: u64, sidecars: Vec<String>) -> Result<Manifest> {
    let options = serde_json::to_value(&target.options)
        .map_err(|error| internal_datafusion_err!("options can't be written: {error}"))?;
    Ok(Manifest {
        format: target.options.format().name().to_string(),
        pixmill_version: env!("CARGO_PKG_VERSION").to_string(),
        jpeg_codec: pixmill_udfs::JPEG_CODEC.to_string(),
        records: shards.iter().map(|shard| shard.records).sum(),
        bytes: shards.iter().map(|shard| shard.bytes).sum(),
        rejected,
        features: target.features(),
        partitioned_by: target.partition_by.clone(),
        classes: target.classes.clone(),
        shuffle_seed: target.shuffle_seed,
        options,
        statement: Some(target.statement.clone()),
        retries: Vec::new(),
        sidecars,
        shards,
    })
}

/// Gives the shards their names and sweeps what isn't part of the dataset; the manifest comes last. Each step may have been
/// done before.
fn finish(
    target: &Target,
    placements: &[Placement],
    (rejects, memory): (&Rejects, &MemoryReservation),
    sidecars: &BTreeMap<String, String>,
    manifest: &Manifest,
) -> Result<()> {
    let directory = &target.directory;
    let failed = |error| io_failure(cannot_finish(target), &error);
    check_mark(target)?;
    let mut runs = target.runs().map_err(failed)?;
    target.end_others(&mut runs).map_err(failed)?;
    check_mark(target)?;
    match target.retry {
        Some(_) => target.check_dataset(manifest)?,
        None => set_manifest_aside(target, manifest)?,
    }
    let mut placed = Vec::with_capacity(placements.len());
    for some in placements.chunks(directory.at_once()) {
        check_mark(target)?;
        placed.extend(target.place(some).map_err(failed)?);
    }
    // A commit of another run may have given its last name behind its end.
    if let Some(other) = target.misplaced(placements, &placed).map_err(failed)? {
        return exec_err!("{}: another run has written '{}' meanwhile", cannot_finish(target), other.shard.path);
    }
    check_mark(target)?;
    rejects.write(target, memory).map_err(failed)?;
    target.sweep(&manifest.shards, &runs).map_err(failed)?;
    for (name, text) in sidecars {
        directory.write_synced(name, text.clone().into_bytes()).map_err(failed)?;
    }
    // All that the manifest promises is on the disk before it is.
    sync_names(target, placements).map_err(failed)?;
    check_mark(target)?;
    target.sweep_hidden().map_err(failed)?;
    write_manifest(manifest, target)?;
    let marks: Vec<_> = runs.into_iter().map(|(mark, _)| mark).collect();
    let cleaned = match target.retry {
        Some(_) => target.replace_rejects(manifest.rejected),
        None => directory.remove(&[OLD_MANIFEST, NEXT_REJECTS].map(str::to_string)),
    };
    let cleaned = cleaned.and_then(|()| target.end(marks));
    // An attempt that got its shard's name before the marks were gone has told nobody, and one behind them cleans up itself.
    cleaned
        .and_then(|()| target.sweep_hidden())
        .and_then(|()| directory.abort_uploads(&hidden::is_left))
        .map_err(failed)
}

/// Makes sure of the names of all shards, and of those beside them.
fn sync_names(target: &Target, placements: &[Placement]) -> io::Result<()> {
    let mut directories = BTreeSet::from([""]);
    for placement in placements {
        let above = Path::new(&placement.shard.path).ancestors().skip(1);
        directories.extend(above.filter_map(Path::to_str));
    }
    directories.into_iter().try_for_each(|directory| target.directory.sync(directory))
}

/// Stops a commit whose run is over.
fn check_mark(target: &Target) -> Result<()> {
    if target.is_marked() { Ok(()) } else { target.over() }
}

/// Takes back the promise that a dataset being replaced is a finished one: from here on its shards are overwritten.
fn set_manifest_aside(target: &Target, new: &Manifest) -> Result<()> {
    let directory = &target.directory;
    let failed = |error| io_failure(cannot_finish(target), &error);
    let Some(stamp) = directory.stamp(MANIFEST).map_err(failed)? else { return Ok(()) };
    if target.replaces.as_ref() == Some(&stamp) && target.options.overwrite {
        match directory.rename_known(MANIFEST, OLD_MANIFEST, &stamp) {
            // Another commit of the same run has done it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && target.is_marked() => return Ok(()),
            Err(error) => return Err(failed(error)),
            Ok(true) => return directory.sync("").map_err(failed),
            // Another commit has put its own there in between.
            Ok(false) if directory.has(MANIFEST).map_err(failed)? => {}
            Ok(false) => directory.rename(OLD_MANIFEST, MANIFEST).map_err(failed)?,
        }
    }
    match target.has_manifest(new) {
        true => Ok(()),
        false => another_was_first(target),
    }
}

pub(super) fn another_was_first<T>(target: &Target) -> Result<T> {
    exec_err!("{}: another run has finished there meanwhile", cannot_finish(target))
}

/// Puts the manifest in its place, whole, and on the disk.
fn write_manifest(manifest: &Manifest, target: &Target) -> Result<()> {
    let failed = |error| io_failure(cannot_finish(target), &error);
    let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    let written = match target.retry {
        Some(_) if target.has_manifest(manifest) => Ok(()),
        Some(_) => target.replace_manifest(text),
        None => target.directory.write_new(MANIFEST, text),
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => another_was_first(target),
        written => written.and_then(|()| target.directory.sync("")).map_err(failed),
    }
}

/// The rows of a dataset that is finished already. Which partition rejected rows is not in its manifest.
pub(crate) fn finished_rows(manifest: &Manifest) -> Result<RecordBatch> {
    let mut rejected = manifest.rejected;
    let rows = manifest
        .shards
        .iter()
        .map(|shard| (Some(shard.path.as_str()), [shard.records, shard.bytes, std::mem::take(&mut rejected)]));
    to_batch(rows.collect())
}

/// One row for each shard; rejected rows are counted in the first of their partition.
fn result_rows(reports: &BTreeMap<usize, Report>, placements: &[Placement]) -> Result<RecordBatch> {
    let mut rejected: BTreeMap<usize, u64> =
        reports.iter().map(|(partition, report)| (*partition, report.rejected)).collect();
    let mut rows: Vec<(Option<&str>, [u64; 3])> = Vec::new();
    for Placement { partition, shard, .. } in placements {
        let rejected = rejected.remove(partition).unwrap_or(0);
        rows.push((Some(&shard.path), [shard.records, shard.bytes, rejected]));
    }
    rows.extend(rejected.into_values().filter(|rejected| *rejected > 0).map(|rejected| (None, [0, 0, rejected])));
    rows.sort_by_key(|(path, _)| (path.is_none(), *path));
    to_batch(rows)
}

fn to_batch(rows: Vec<(Option<&str>, [u64; 3])>) -> Result<RecordBatch> {
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

    /// What is said of partitions with these numbers.
    fn checked(numbers: &[usize], partitions: usize) -> Option<String> {
        let reports = numbers.iter().map(|number| (*number, Vec::new())).collect();
        check_whole(&Directory::Local("out".into()), partitions, &reports).err().map(|error| error.strip_backtrace())
    }

    #[test]
    fn a_dataset_is_whole_when_all_partitions_have_reported() {
        assert_eq!(checked(&[0, 1], 2), None);
        for (numbers, partitions, expected) in [
            (&[][..], 0, "no partition was written"),
            (&[0], 2, "1 of 2 partitions were written"),
            (&[0, 2], 2, "there are 2 partitions, and number 2 has reported, too"),
        ] {
            let expected = format!("Execution error: 'out' is not finished: {expected}; run the statement again");
            assert_eq!(checked(numbers, partitions), Some(expected));
        }
    }
}
