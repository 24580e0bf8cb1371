//! A column that is constant below an outer join or below grouping sets isn't above them, where NULLs are beside its value; nor is one
//! above a union that is constant in a part of it. Columns that are equal below grouping sets aren't above them either.
//!
//! DataFusion believes that it still is, and leaves it out of sorts and partitions. Of a union it knows that the constants differ, and
//! sorts each partition by the other columns; but of the first rows that it has found so it tells the scans of all partitions, which
//! then leave out rows that come first by the constant.

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, Result, Statistics, internal_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec, SymmetricHashJoinExec};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

/// Puts a node that knows of no constants below each outer join, all grouping sets and unions, where there are some.
#[derive(Debug)]
pub(crate) struct ForgetConstants;

impl PhysicalOptimizerRule for ForgetConstants {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let forgetting = plan.transform_up(|plan| {
            let forgets = match join_type(&plan) {
                Some(JoinType::Left) => vec![false, true],
                Some(JoinType::Right) => vec![true, false],
                Some(JoinType::Full) => vec![true, true],
                None if has_grouping_sets(&plan) => vec![true],
                None if plan.is::<UnionExec>() => vec![true; plan.children().len()],
                _ => return Ok(Transformed::no(plan)),
            };
            let mut changes = false;
            // Of columns that are equal one is in a grouping set, and the other NULL.
            let keeps_equal = !has_grouping_sets(&plan);
            let children = plan.children().into_iter().zip(forgets).map(|(child, forgets)| {
                let known = &child.properties().eq_properties;
                let is_wrong = if keeps_equal { !known.constants().is_empty() } else { !known.eq_group().is_empty() };
                let forgets = forgets && is_wrong;
                changes |= forgets;
                if forgets { Arc::new(ForgetExec::new(Arc::clone(child))) as _ } else { Arc::clone(child) }
            });
            let children: Vec<Arc<dyn ExecutionPlan>> = children.collect();
            match changes {
                true => crate::exec::with_children(plan, children).map(Transformed::yes),
                false => Ok(Transformed::no(plan)),
            }
        })?;
        Ok(forgetting.data)
    }

    fn name(&self) -> &str {
        "ForgetConstants"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn has_grouping_sets(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<AggregateExec>().is_some_and(|aggregate| !aggregate.group_expr().is_single())
}

fn join_type(plan: &Arc<dyn ExecutionPlan>) -> Option<JoinType> {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return Some(*join.join_type());
    }
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        return Some(*join.join_type());
    }
    if let Some(join) = plan.downcast_ref::<SortMergeJoinExec>() {
        return Some(join.join_type());
    }
    plan.downcast_ref::<SymmetricHashJoinExec>().map(|join| *join.join_type())
}

/// Passes rows through, and knows of no column that it is constant.
#[derive(Debug)]
pub(super) struct ForgetExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl ForgetExec {
    /// Passes on the rows of `input`.
    pub(super) fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let known = &input.properties().eq_properties;
        let orderings = known.oeq_class().iter().cloned();
        let kept = EquivalenceProperties::new_with_orderings(Arc::clone(known.schema()), orderings);
        let properties = Arc::new(input.properties().as_ref().clone().with_eq_properties(kept));
        Self { input, properties }
    }
}

impl DisplayAs for ForgetExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "ForgetExec")
    }
}

impl ExecutionPlan for ForgetExec {
    fn name(&self) -> &str {
        "ForgetExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
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
        Ok(Arc::new(Self::new(input.ok_or_else(|| internal_datafusion_err!("ForgetExec has one child"))?)))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        crate::exec::with_new_children(self, children)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        inputs.first().cloned().ok_or_else(|| internal_datafusion_err!("ForgetExec has one child"))
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        FilterDescription::from_children(filters, &self.children())
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_all(result))
    }
}
