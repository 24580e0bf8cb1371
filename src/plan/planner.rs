//! From logical to physical: the sink and its commit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_datafusion_err, plan_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::context::{QueryPlanner, SessionState};
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::batches::{will_have_images, with_fitting_filters, with_fitting_sorts, with_image_batches};
use super::carried::{self, Features, carried};
use super::check_locations;
use super::image_work::measure_image_work;
use super::literal_target::with_literal_target;
use super::retry_rejects::{Again, again, rejecting_dataset};
use super::statement::fingerprint;
use crate::config::PixmillOptions;
use crate::exec::{boxed_create_physical_plan, boxed_plan_extension};
use crate::format::manifest::{MANIFEST, Manifest, OLD_MANIFEST, Shard};
use crate::sink::{
    CommitExec, ShardSinkExec, Target, WriteShardsNode, finished_rows, result_schema, sweep_behind_manifest,
};
use crate::source::{ReadExec, check_arrow_files};
use crate::storage::{self, AllowList, Directory, check_object_url, token, while_others_go_on};

/// DataFusion's planner, and this crate's nodes.
#[derive(Debug)]
pub(crate) struct PixmillQueryPlanner;

impl PixmillQueryPlanner {
    async fn planned(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        while_others_go_on(|| check_locations(plan, &AllowList::of(session.config())))?;
        let has_images = will_have_images(plan)?;
        // Filters are told how large their batches are while planning.
        let state = session.as_any().downcast_ref::<SessionState>().filter(|_| has_images);
        let lowered = state.cloned().map(|mut state| {
            *state.config_mut() = with_image_batches(state.config().clone());
            state
        });
        let session = lowered.as_ref().map_or(session, |state| state);
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(SinkPlanner)]);
        let plan = planner.create_physical_plan(with_literal_target(plan)?.as_ref(), session).await?;
        while_others_go_on(|| refuse_own_source(&plan))?;
        while_others_go_on(|| check_arrow(&plan))?;
        let plan = match has_images {
            true => with_fitting_filters(with_fitting_sorts(plan, session.config())?, session.config_options())?,
            false => plan,
        };
        measure_image_work(plan)
    }
}

impl QueryPlanner for PixmillQueryPlanner {
    boxed_create_physical_plan!(PixmillQueryPlanner::planned);
}

struct SinkPlanner;

impl SinkPlanner {
    async fn planned(
        &self,
        node: &dyn UserDefinedLogicalNode,
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<WriteShardsNode>() else {
            return Ok(None);
        };
        // A secret comes first: what is outside is shown.
        check_object_url(&node.target)?;
        while_others_go_on(|| AllowList::of(session.config()).check(&node.target))?;
        let input = inputs.first().cloned();
        let input = input.ok_or_else(|| internal_datafusion_err!("WriteShards has one input"))?;
        let input = without_useless_limits(input)?;
        let options = PixmillOptions::of(session.config_options());
        let (resume, adds) = (options.resume(), options.retry_rejects());
        let statement = while_others_go_on(|| fingerprint(node, session.config_options()))?;
        let Some(directory) = Directory::at(&node.target) else {
            return exec_err!(
                "cannot write to '{}': it is neither a local path nor a URL of an object store",
                node.target
            );
        };
        let directory = directory.opened(session.config())?;
        if !adds
            && resume
            && let Some(rows) = while_others_go_on(|| finished(&directory, &statement))?
        {
            return Ok(Some(rows));
        }
        let dataset = adds.then(|| while_others_go_on(|| rejecting_dataset(&directory, &statement))).transpose()?;
        if let Some(dataset) = dataset.as_ref().filter(|dataset| dataset.rejected == 0) {
            tracing::info!("no row of '{directory}' is rejected");
            return finished_plan(dataset).map(Some);
        }
        let features = carried(&input, node.visible, session).await?;
        let target = while_others_go_on(|| target(node, &input, (directory, statement), (features, dataset.as_ref())))?;
        let target = Arc::new(Target { resume, ..target });
        let unknown = |error| exec_datafusion_err!("cannot look into '{}': {error}", node.target);
        if let Some(name) = while_others_go_on(|| target.foreign_file(dataset.as_ref())).map_err(unknown)? {
            // A commit that came to its end just now has given names, and has no mark any more.
            if while_others_go_on(|| target.directory.stamp(MANIFEST)).map_err(unknown)? != target.replaces {
                return exec_err!(
                    "'{}': another run has finished there meanwhile; look at what it has written",
                    node.target
                );
            }
            return exec_err!(
                "'{}' already holds '{name}', which no manifest lists; write to another directory, or use OPTIONS (overwrite true)",
                node.target
            );
        }
        let running = session.config().target_partitions();
        let (input, still_rejected, parts) = match &dataset {
            Some(dataset) => {
                let Again { input, still_rejected } = while_others_go_on(|| again(&input, &target, dataset))?;
                (input, still_rejected, None)
            }
            None => {
                let parts = node.options.shards.filter(|shards| !has_partitions(&input, *shards));
                (input, Vec::new(), parts)
            }
        };
        let sink: Arc<dyn ExecutionPlan> = Arc::new(ShardSinkExec::new(input, Arc::clone(&target), running, parts));
        Ok(Some(Arc::new(CommitExec::new(sink, target, None, still_rejected.into()))))
    }
}

impl ExtensionPlanner for SinkPlanner {
    boxed_plan_extension!(SinkPlanner::planned);
}

/// The rows of the dataset at the target where the same statement has finished it.
fn finished(directory: &Directory, statement: &str) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    // A manifest that can't be read is no finished dataset; what is to become of it is asked later.
    let manifest = directory.read(MANIFEST).ok().flatten().and_then(|text: Vec<u8>| Manifest::parse(&text).ok());
    let Some(manifest) = manifest else { return Ok(None) };
    let is_there = |shard: &Shard| directory.length(&shard.path).is_ok_and(|length| length == Some(shard.bytes));
    if manifest.statement.as_deref() != Some(statement) || !manifest.shards.iter().all(is_there) {
        return Ok(None);
    }
    if let Err(error) = sweep_behind_manifest(directory, statement) {
        tracing::warn!("'{directory}' is finished, and what its run has left there can't be removed: {error}");
    }
    tracing::info!("'{directory}' is finished already");
    finished_plan(&manifest).map(Some)
}

/// The rows of a dataset that is finished.
fn finished_plan(manifest: &Manifest) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(MemorySourceConfig::try_new_exec(&[vec![finished_rows(manifest)?]], result_schema(), None)?)
}

fn target(
    node: &WriteShardsNode,
    input: &Arc<dyn ExecutionPlan>,
    (directory, statement): (Directory, String),
    (carried, dataset): (Features, Option<&Manifest>),
) -> Result<Target> {
    if directory.local().is_some_and(|path| path.exists() && !path.is_dir()) {
        return exec_err!("cannot write shards to '{}': it is a file, not a directory", node.target);
    }
    let unknown = |error| exec_datafusion_err!("cannot look into '{}': {error}", node.target);
    let replaces = directory.stamp(MANIFEST).map_err(unknown)?;
    if replaces.is_some() && !node.options.overwrite && dataset.is_none() {
        return exec_err!(
            "'{}' already holds a finished dataset; write to another directory, or use OPTIONS (overwrite true)",
            node.target
        );
    }
    if directory.has(OLD_MANIFEST).map_err(unknown)? && (dataset.is_some() || !node.options.overwrite) {
        return exec_err!(
            "'{}' holds a dataset that a run has begun to replace and not finished; write to another directory, or use OPTIONS \
             (overwrite true)",
            node.target
        );
    }
    warn_about_count(&node.target);
    if let Some(warning) = node.options.warning() {
        tracing::warn!("{warning}");
    }
    let schema = input.schema();
    let hidden = node.visible..node.visible + 3;
    let fields = || schema.fields().iter().take(node.visible);
    let is_feature = |name: &String| !node.partition_by.contains(name);
    let features: Vec<_> = fields().filter(|field| is_feature(field.name())).cloned().collect();
    let visible: Vec<String> = fields().map(|field| field.name().clone()).collect();
    let (classes, class_column) = match classes(input, node.visible) {
        (None, None) => carried::classes(&carried, &visible).unzip(),
        known => known,
    };
    Ok(Target {
        replaces,
        directory,
        options: node.options.clone(),
        partition_by: node.partition_by.clone(),
        visible,
        reject_columns: (schema.fields().len() == hidden.end).then_some([
            hidden.start,
            hidden.start + 1,
            hidden.start + 2,
        ]),
        schema: Arc::new(Schema::new(features)),
        classes,
        class_column,
        carried,
        shuffle_seed: node.shuffle_seed,
        run: token()?,
        statement,
        resume: false,
        retry: dataset.map(|dataset| dataset.retries.len() + 1),
    })
}

/// Checks the files of Arrow that a plan reads: they may be others than those whose columns are known.
fn check_arrow(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    plan.apply(|plan| {
        let scan =
            plan.downcast_ref::<DataSourceExec>().and_then(|leaf| leaf.data_source().downcast_ref::<FileScanConfig>());
        if let Some(scan) = scan.filter(|scan| scan.file_source().file_type().starts_with("arrow")) {
            let files = scan.file_groups.iter().flat_map(|group| group.files());
            check_arrow_files(files.map(|file| &file.object_meta.location).collect::<BTreeSet<_>>().into_iter())?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Refuses to replace a dataset by what is read from it: it would be gone before it is read.
fn refuse_own_source(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    let Some(commit) = CommitExec::of(plan) else { return Ok(()) };
    let directory = commit.directory();
    let local = directory.local().and_then(|path| path.canonicalize().ok());
    let below = |path: &str| -> Option<PathBuf> {
        match directory {
            Directory::Local(_) => {
                let path = storage::local_path(path)?.canonicalize().ok()?;
                Some(path.strip_prefix(local.as_ref()?).ok()?.parent()?.to_path_buf())
            }
            Directory::Objects(_) => {
                let key = path.strip_prefix(&directory.to_string())?.strip_prefix('/')?;
                Some(Path::new(key).parent()?.to_path_buf())
            }
        }
    };
    // The directories of a dataset are those of PARTITIONED BY.
    let is_inside =
        |path: &str| below(path).is_some_and(|below| below.iter().all(|part| part.to_string_lossy().contains('=')));
    plan.apply(|plan| {
        let mut paths = Vec::new();
        if let Some(read) = plan.downcast_ref::<ReadExec>() {
            paths = read.shard_paths();
        } else if let Some(scan) = plan.downcast_ref::<DataSourceExec>().and_then(|leaf| leaf.data_source().downcast_ref::<FileScanConfig>()) {
            let files = scan.file_groups.iter().flat_map(|group| group.files());
            let store = scan.object_store_url.as_str();
            let store = if store.starts_with("file:") { "/" } else { store };
            paths = files.map(|file| format!("{store}{}", file.object_meta.location)).collect();
        }
        match paths.iter().find(|path| is_inside(path)) {
            Some(path) => plan_err!(
                "'{}' is what this query reads ('{path}'), and it would be replaced before it is read; write to another directory",
                commit.directory()
            ),
            None => Ok(TreeNodeRecursion::Continue),
        }
    })?;
    Ok(())
}

/// Notebooks read a shard's record count with the pattern `-([0-9]*)\.` from its whole path.
fn warn_about_count(target: &str) {
    let misleads = target.match_indices('-').any(|(at, _)| {
        let rest = &target[at + 1..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        digits > 0 && rest[digits..].starts_with('.')
    });
    if misleads {
        tracing::warn!(
            "'{target}' looks like a record count to readers that search for '-<digits>.' in the whole path; choose another name"
        );
    }
}

/// The labels in the order of their class numbers, and the column that holds those as the source has them.
///
/// Without such a column, one that readers would take for it makes the labels no one's.
fn classes(plan: &Arc<dyn ExecutionPlan>, visible: usize) -> (Option<Vec<String>>, Option<String>) {
    let schema = plan.schema();
    for (index, field) in schema.fields().iter().enumerate().take(visible) {
        if let Some(classes) = classes_behind(plan, index) {
            return (Some(classes), Some(field.name().clone()));
        }
    }
    let mut fields = schema.fields().iter().take(visible);
    if fields.any(|field| field.data_type().is_integer() && matches!(field.name().as_str(), "class" | "label")) {
        return (None, None);
    }
    let mut classes = None;
    let walked = plan.apply(|plan| {
        classes = classes_of(plan).map(|(_, classes)| classes.to_vec());
        Ok(if classes.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    (walked.ok().and(classes), None)
}

/// The name of a source's column of class numbers, and its labels.
fn classes_of(plan: &Arc<dyn ExecutionPlan>) -> Option<(&'static str, &[String])> {
    plan.downcast_ref::<ReadExec>()?.classes()
}

/// The labels of the class numbers that come through to a column as the source has them.
fn classes_behind(plan: &Arc<dyn ExecutionPlan>, index: usize) -> Option<Vec<String>> {
    if let Some((name, classes)) = classes_of(plan) {
        return (plan.schema().field(index).name() == name).then(|| classes.to_vec());
    }
    let children = plan.children();
    let [input] = children.as_slice() else { return None };
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let mut expr = &projection.expr().get(index)?.expr;
        while let Some(cast) = expr.downcast_ref::<CastExpr>() {
            expr = cast.expr();
        }
        return classes_behind(input, expr.downcast_ref::<Column>()?.index());
    }
    (plan.schema() == input.schema()).then(|| classes_behind(input, index)).flatten()
}

/// Whether the rows come in so many partitions of one table, and nothing in between looks at those of others.
fn has_partitions(plan: &Arc<dyn ExecutionPlan>, partitions: usize) -> bool {
    if let Some(read) = plan.downcast_ref::<ReadExec>() {
        return read.is_cut_evenly_into(partitions);
    }
    match plan.children().as_slice() {
        [input] if plan.is::<ProjectionExec>() || plan.is::<FilterExec>() => has_partitions(input, partitions),
        _ => false,
    }
}

/// Drops limits that the listing has already kept, because they would bring all rows into one partition.
fn without_useless_limits(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let stripped = plan.transform_down(|plan| {
        if let Some(limit) = plan.downcast_ref::<GlobalLimitExec>() {
            let most = limit.fetch().unwrap_or(usize::MAX);
            if limit.skip() == 0 && most_rows(limit.input()).is_some_and(|rows| rows <= most) {
                return Ok(Transformed::yes(below_limits(limit.input())));
            }
        }
        let goes_on = plan.is::<ProjectionExec>();
        let recursion = if goes_on { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop };
        Ok(Transformed::new(plan, false, recursion))
    })?;
    Ok(stripped.data)
}

/// The most rows of a plan whose nodes add none to those of the listing.
fn most_rows(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    if let Some(read) = plan.downcast_ref::<ReadExec>() {
        return read.rows();
    }
    let adds_none = plan.is::<ProjectionExec>() || plan.is::<LocalLimitExec>() || plan.is::<CoalescePartitionsExec>();
    match plan.children().as_slice() {
        [input] if adds_none => most_rows(input),
        _ => None,
    }
}

fn below_limits(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let is_limit = plan.is::<LocalLimitExec>() || plan.is::<CoalescePartitionsExec>();
    match plan.children().as_slice() {
        [input] if is_limit => below_limits(input),
        _ => Arc::clone(plan),
    }
}
