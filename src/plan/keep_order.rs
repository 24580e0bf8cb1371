//! Orders that get lost on the way from an input to the node that needs them.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_expr::{LexOrdering, OrderingRequirements};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::exec::with_children;

/// Keeps what nodes need of their inputs' orders.
///
/// DataFusion 55.2 sorts the inputs of a union by what each of them needs, leaves columns out that are the same there, and then finds
/// that the union is in no order: an error for a query that is all right.
#[derive(Debug)]
pub(crate) struct KeepOrder;

impl PhysicalOptimizerRule for KeepOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        in_order(plan)
    }

    fn name(&self) -> &str {
        "KeepOrder"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Sorts again what a node needs in an order that its input doesn't have, or has only within each of several partitions that were put
/// together: a union of queries that each have one name, say.
pub(super) fn in_order(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let changed = plan.transform_up(|plan| {
        let mut is_changed = false;
        let required = plan.required_input_ordering();
        let children = plan.children().into_iter().zip(required).map(|(child, required)| {
            let Some(required) = required.map(OrderingRequirements::into_single) else { return Ok(Arc::clone(child)) };
            if child.equivalence_properties().ordering_satisfy_requirement(required.clone())? {
                return Ok(Arc::clone(child));
            }
            is_changed = true;
            let order = LexOrdering::from(required);
            Ok(Arc::new(SortExec::new(order, Arc::clone(child)).with_preserve_partitioning(true)) as _)
        });
        let children = children.collect::<Result<Vec<_>>>()?;
        Ok(match is_changed {
            true => Transformed::yes(with_children(plan, children)?),
            false => Transformed::no(plan),
        })
    })?;
    Ok(changed.data)
}
