//! From logical to physical: the sink and its commit.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, exec_err, internal_datafusion_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use crate::format::manifest::{MANIFEST, OLD_MANIFEST};
use crate::sink::{CommitExec, ShardSinkExec, Target, WriteShardsNode};
use crate::source::cifar10::Cifar10Exec;
use crate::source::images::LoadContentExec;
use crate::source::tfrecord::ReadRecordsExec;
use crate::storage;

/// DataFusion's planner, and this crate's nodes.
#[derive(Debug)]
pub(crate) struct PixmillQueryPlanner;

#[async_trait]
impl QueryPlanner for PixmillQueryPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(SinkPlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}

struct SinkPlanner;

#[async_trait]
impl ExtensionPlanner for SinkPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<WriteShardsNode>() else {
            return Ok(None);
        };
        let input = physical_inputs.first().cloned();
        let input = input.ok_or_else(|| internal_datafusion_err!("WriteShards has one input"))?;
        let input = without_useless_limits(input)?;
        let target = Arc::new(target(node, &input)?);
        if let Some(name) = target.foreign_file() {
            return exec_err!(
                "'{}' already holds '{name}', which no manifest lists; write to another directory, or use OPTIONS (overwrite true)",
                node.target
            );
        }
        let running = session.config().target_partitions();
        let sink: Arc<dyn ExecutionPlan> = Arc::new(ShardSinkExec::new(input, Arc::clone(&target), running));
        Ok(Some(Arc::new(CommitExec::new(sink, target))))
    }
}

fn target(node: &WriteShardsNode, input: &Arc<dyn ExecutionPlan>) -> Result<Target> {
    let Some(directory) = storage::local_path(&node.target) else {
        return exec_err!("cannot write to '{}': it is not a local path", node.target);
    };
    if directory.exists() && !directory.is_dir() {
        return exec_err!("cannot write shards to '{}': it is a file, not a directory", node.target);
    }
    if directory.join(MANIFEST).exists() && !node.options.overwrite {
        return exec_err!(
            "'{}' already holds a finished dataset; write to another directory, or use OPTIONS (overwrite true)",
            node.target
        );
    }
    if directory.join(OLD_MANIFEST).exists() && !node.options.overwrite {
        return exec_err!(
            "'{}' holds a dataset that a run has begun to replace and not finished; write to another directory, or use OPTIONS \
             (overwrite true)",
            node.target
        );
    }
    warn_about_count(&node.target);
    if !node.options.names_split() {
        tracing::warn!(
            "prefix '{}' names no split, without which load_dataset('parquet', data_dir=...) takes '{MANIFEST}' for data, too; \
             use a prefix such as '{0}-train', or load the directory by load_dataset(dir)",
            node.options.prefix
        );
    }
    let schema = input.schema();
    let hidden = node.visible..node.visible + 3;
    let fields = || schema.fields().iter().take(node.visible);
    let is_feature = |name: &String| !node.partition_by.contains(name);
    let features: Vec<_> = fields().filter(|field| is_feature(field.name())).cloned().collect();
    Ok(Target {
        directory: directory.into_owned(),
        options: node.options.clone(),
        partition_by: node.partition_by.clone(),
        visible: fields().map(|field| field.name().clone()).collect(),
        reject_columns: (schema.fields().len() == hidden.end).then_some([
            hidden.start,
            hidden.start + 1,
            hidden.start + 2,
        ]),
        schema: Arc::new(Schema::new(features)),
        classes: classes(input),
        shuffle_seed: node.shuffle_seed,
    })
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

fn classes(plan: &Arc<dyn ExecutionPlan>) -> Option<Vec<String>> {
    let mut classes = None;
    let walked = plan.apply(|plan| {
        if let Some(load) = plan.downcast_ref::<LoadContentExec>() {
            classes = load.classes().map(<[String]>::to_vec);
        }
        if let Some(read) = plan.downcast_ref::<Cifar10Exec>() {
            classes = read.classes().map(<[String]>::to_vec);
        }
        Ok(if classes.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.ok().and(classes).or_else(|| classes_of_records(plan, plan.schema().index_of("class").ok()?))
}

/// The classes of a dataset that is read, if its column `class` comes through to this column as it is.
fn classes_of_records(plan: &Arc<dyn ExecutionPlan>, index: usize) -> Option<Vec<String>> {
    if let Some(read) = plan.downcast_ref::<ReadRecordsExec>() {
        let is_class = plan.schema().field(index).name() == "class";
        return read.classes().filter(|_| is_class).map(<[String]>::to_vec);
    }
    let children = plan.children();
    let [input] = children.as_slice() else { return None };
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let column = projection.expr().get(index)?.expr.downcast_ref::<Column>()?;
        return classes_of_records(input, column.index());
    }
    (plan.schema() == input.schema()).then(|| classes_of_records(input, index)).flatten()
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
    if let Some(load) = plan.downcast_ref::<LoadContentExec>() {
        return Some(load.totals().0);
    }
    if let Some(read) = plan.downcast_ref::<Cifar10Exec>() {
        return Some(read.totals().0);
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
