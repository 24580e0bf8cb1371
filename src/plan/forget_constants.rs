//! A column that is constant below an outer join or below grouping sets isn't above them, where NULLs are beside its value; nor is one
//! above a union that is constant in a part of it. Columns that are equal below grouping sets aren't above them either.
//!
//! DataFusion believes that it still is, and leaves it out of sorts and partitions. Of a union it knows that the constants differ, and
//! sorts each partition by the other columns; but of the first rows that it has found so it tells the scans of all partitions, which
//! then leave out rows that come first by the constant.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec, SymmetricHashJoinExec};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, PlanProperties};

use crate::exec::{PassThrough, PassThroughExec};

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

/// Knows of no column that it is constant.
#[derive(Debug)]
pub(super) struct Forget;

/// Passes rows on, and knows of no column that it is constant.
pub(super) type ForgetExec = PassThroughExec<Forget>;

impl PassThrough for Forget {
    const NAME: &'static str = "ForgetExec";

    fn properties(input: &Arc<dyn ExecutionPlan>) -> Arc<PlanProperties> {
        let known = &input.properties().eq_properties;
        let orderings = known.oeq_class().iter().cloned();
        let kept = EquivalenceProperties::new_with_orderings(Arc::clone(known.schema()), orderings);
        Arc::new(input.properties().as_ref().clone().with_eq_properties(kept))
    }
}
