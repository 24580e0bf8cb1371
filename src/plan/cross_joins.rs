//! Cross joins are put in order only where all joins agree on NULL.
//!
//! DataFusion's rule takes joins apart and puts them together anew, all of them with what the outermost one says of NULL: beside
//! `IS NOT DISTINCT FROM`, `=` would find NULL equal to NULL, or the other way round.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{JoinType, NullEquality, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// DataFusion's rule, left out where it would mix joins up.
#[derive(Debug)]
pub(super) struct CarefulCrossJoins(pub(super) Arc<dyn OptimizerRule + Send + Sync>);

impl OptimizerRule for CarefulCrossJoins {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match joins_on_nulls(&plan)? {
            true => Ok(Transformed::no(plan)),
            false => self.0.rewrite(plan, config),
        }
    }
}

/// Whether an inner join finds NULL equal to NULL.
fn joins_on_nulls(plan: &LogicalPlan) -> Result<bool> {
    let mut joins_on_nulls = false;
    plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::Join(join) = plan {
            joins_on_nulls |= join.join_type == JoinType::Inner && join.null_equality == NullEquality::NullEqualsNull;
        }
        Ok(if joins_on_nulls { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(joins_on_nulls)
}
