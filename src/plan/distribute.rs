//! What of a plan the tasks of a cluster share, and what one of them does alone.
//!
//! Shared is what looks at one row at a time, in partitions that a scan has: reading, filters, expressions, the first half of an
//! aggregate, sorting each partition, writing shards. All else (joins, unions of other things, windows, the second half of an
//! aggregate, limits) sees the rows of all partitions, so one task does it, above the exchanges that gather them.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, not_impl_err};
use datafusion::datasource::physical_plan::{CsvSource, FileScanConfig};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;

use super::codec::PhysicalCodec;
use super::forget_constants::ForgetExec;
use super::image_work::ImageWorkExec;
use super::keep_order::in_order;
use super::one_task::{OneTaskExec, TaskInputExec, in_one_partition};
use super::planner::PixmillQueryPlanner;
use super::rules::physical_rules;
use crate::exec::{boxed_create_physical_plan, with_children};
use crate::sink::{CommitExec, ShardSinkExec, WriteShardsNode};
use crate::source::ReadExec;

/// The options under which rows are dealt out anew by their values, which one task needn't do.
const DEALING: [&str; 3] = [
    "datafusion.optimizer.repartition_joins",
    "datafusion.optimizer.repartition_aggregations",
    "datafusion.optimizer.repartition_windows",
];

/// The scheduler's planner.
#[derive(Debug)]
pub(crate) struct DistributedPlanner;

impl DistributedPlanner {
    async fn planned(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let state = session.as_any().downcast_ref::<SessionState>();
        let gathering = state.filter(|_| !is_row_wise(plan)).map(gathering);
        let session = gathering.as_ref().map_or(session, |state| state as &dyn Session);
        let plan = PixmillQueryPlanner.create_physical_plan(plan, session).await?;
        refuse_misread_files(&plan)?;
        if gathering.is_some() { distribute(plan) } else { Ok(plan) }
    }
}

impl QueryPlanner for DistributedPlanner {
    boxed_create_physical_plan!(DistributedPlanner::planned);
}

/// Refuses files of which the wire doesn't tell executors how they are read: they would take compressed bytes for rows, and find no
/// rows where lines don't end as lines do.
fn refuse_misread_files(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    plan.apply(|plan| {
        let leaf = plan.downcast_ref::<DataSourceExec>();
        let Some(scan) = leaf.and_then(|leaf| leaf.data_source().downcast_ref::<FileScanConfig>()) else {
            return Ok(TreeNodeRecursion::Continue);
        };
        let has_terminator = scan.file_source().downcast_ref::<CsvSource>().is_some_and(|csv| csv.terminator().is_some());
        let what = match scan.file_compression_type.is_compressed() {
            true => "a compressed CSV or JSON file",
            false if has_terminator => "a CSV file with a terminator of its own",
            false => return Ok(TreeNodeRecursion::Continue),
        };
        let file = scan.file_groups.iter().flat_map(|group| group.files()).next();
        not_impl_err!(
            "'/{}' is {what}, which a cluster can't read; write it as a plain one or as Parquet, or run the query without --cluster",
            file.map_or("", |file| file.object_meta.location.as_ref())
        )
    })?;
    Ok(())
}

/// The session, planning as one process does, whose only exchanges gather rows.
fn gathering(state: &SessionState) -> SessionState {
    let config = DEALING.iter().fold(state.config().clone(), |config, option| config.set_bool(option, false));
    // Ballista can't run them, and one task can.
    let config = config.set_bool("datafusion.optimizer.enable_physical_uncorrelated_scalar_subquery", true);
    SessionStateBuilder::from(state.clone()).with_config(config).with_physical_optimizer_rules(physical_rules()).build()
}

/// Whether a statement looks at one row at a time: adaptive planning has but one stage to run, which survives the loss of executors.
pub(crate) fn is_row_wise(plan: &LogicalPlan) -> bool {
    let mut is_row_wise = true;
    let walked = plan.apply_with_subqueries(|plan| {
        is_row_wise &= match plan {
            LogicalPlan::TableScan(scan) => scan.fetch.is_none(),
            LogicalPlan::Filter(_) | LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => true,
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => true,
            LogicalPlan::Extension(extension) => extension.node.as_any().is::<WriteShardsNode>(),
            _ => false,
        };
        Ok(if is_row_wise { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    walked.is_ok() && is_row_wise
}

/// Gives one task all that isn't shared.
fn distribute(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if is_shared(&plan) {
        return Ok(plan);
    }
    // What writes is told of its task and of its progress.
    let is_sink = plan.is::<CommitExec>() || plan.is::<ShardSinkExec>();
    let is_gather = gathers(&plan).is_some_and(|input| is_shared(input) || input.is::<ShardSinkExec>());
    if is_sink || is_gather {
        let children = plan.children().into_iter().map(|child| distribute(Arc::clone(child)));
        let children = children.collect::<Result<Vec<_>>>()?;
        return with_children(plan, children);
    }
    let mut inputs = Vec::new();
    let work = in_order(hide(plan, &mut inputs)?)?;
    // What can't be sent is known now, and not when a task is to begin.
    if let Err(error) = PhysicalPlanNode::try_from_physical_plan(Arc::clone(&work), &PhysicalCodec::default()) {
        return not_impl_err!(
            "this query can't be sent to the executors of a cluster ({}); run it without --cluster",
            error.strip_backtrace().lines().next().unwrap_or_default()
        );
    }
    Ok(Arc::new(OneTaskExec::try_new(work, inputs)?))
}

/// The plan with places where the shared parts were, which become inputs.
fn hide(plan: Arc<dyn ExecutionPlan>, inputs: &mut Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
    let is_input = is_shared(&plan) || gathers(&plan).is_some_and(is_shared);
    if is_input && reads_much(&plan)? {
        let input = in_one_partition(plan);
        let place = TaskInputExec::new(inputs.len(), &input);
        inputs.push(input);
        return Ok(Arc::new(place));
    }
    if plan.children().is_empty() {
        return Ok(plan);
    }
    let children = plan.children().into_iter().map(|child| hide(Arc::clone(child), inputs));
    let children = children.collect::<Result<Vec<_>>>()?;
    with_children(plan, children)
}

/// What a node gathers into one partition, where it does nothing else.
fn gathers(plan: &Arc<dyn ExecutionPlan>) -> Option<&Arc<dyn ExecutionPlan>> {
    if let Some(gather) = plan.downcast_ref::<CoalescePartitionsExec>() {
        return Some(gather.input());
    }
    plan.downcast_ref::<SortPreservingMergeExec>().map(SortPreservingMergeExec::input)
}

/// Whether there is more to a part than one task would read of files by itself.
fn reads_much(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|plan| Ok(plan.is::<ReadExec>() || plan.output_partitioning().partition_count() > 1))
}

/// Whether a part of a union is sorted: a task may have no partition of that part, and a sort can't be without.
fn sorts_a_part(union: &Arc<dyn ExecutionPlan>) -> bool {
    union.exists(|plan| Ok(plan.is::<SortExec>())).unwrap_or(true)
}

/// Whether each task may have some of the plan's partitions.
fn is_shared(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if plan.is::<ReadExec>() {
        return true;
    }
    if let Some(leaf) = plan.downcast_ref::<DataSourceExec>() {
        return leaf.data_source().is::<FileScanConfig>();
    }
    let each_partition = plan.is::<FilterExec>()
        || plan.is::<ProjectionExec>()
        || plan.is::<ImageWorkExec>()
        || plan.is::<ForgetExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<LocalLimitExec>()
        || plan.is::<ShardSinkExec>()
        || plan.is::<UnionExec>() && !sorts_a_part(plan)
        || plan.downcast_ref::<SortExec>().is_some_and(SortExec::preserve_partitioning)
        || plan.downcast_ref::<AggregateExec>().is_some_and(|aggregate| *aggregate.mode() == AggregateMode::Partial);
    each_partition && plan.children().into_iter().all(is_shared)
}
