//! Fusion through CTEs and aliased subqueries, which keep a chain of image functions in two projections.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// Merges a projection into the one behind an alias, unless that would compute something twice.
///
/// The next pass of the optimizer then finds the whole chain in one expression and fuses it.
#[derive(Debug)]
pub(crate) struct FuseThroughAlias;

impl OptimizerRule for FuseThroughAlias {
    fn name(&self) -> &str {
        "fuse_through_alias"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Projection(outer) = &plan else {
            return Ok(Transformed::no(plan));
        };
        let mut below = outer.input.as_ref();
        while let LogicalPlan::SubqueryAlias(alias) = below {
            below = alias.input.as_ref();
        }
        let LogicalPlan::Projection(inner) = below else {
            return Ok(Transformed::no(plan));
        };
        // Without an alias between them, DataFusion merges projections itself.
        if matches!(outer.input.as_ref(), LogicalPlan::Projection(_)) {
            return Ok(Transformed::no(plan));
        }
        if !calls_an_image_function(inner) || computes_twice(outer, inner)? {
            return Ok(Transformed::no(plan));
        }
        let behind = |column: &Column| {
            let index = outer.input.schema().index_of_column(column)?;
            Ok::<Expr, datafusion::error::DataFusionError>(inner.expr[index].clone().unalias())
        };
        let mut exprs = Vec::with_capacity(outer.expr.len());
        for (expr, (qualifier, field)) in outer.expr.iter().zip(outer.schema.iter()) {
            let substituted = expr.clone().transform_up(|expr| match &expr {
                Expr::Column(column) => behind(column).map(Transformed::yes),
                _ => Ok(Transformed::no(expr)),
            })?;
            let expr = substituted.data.unalias();
            exprs.push(expr.alias_qualified(qualifier.cloned(), field.name()));
        }
        let merged = Projection::try_new_with_schema(exprs, inner.input.clone(), outer.schema.clone())?;
        Ok(Transformed::yes(LogicalPlan::Projection(merged)))
    }
}

fn calls_an_image_function(projection: &Projection) -> bool {
    let is_image_call = |expr: &Expr| match expr {
        Expr::ScalarFunction(call) => Ok(call.func.name().starts_with("image_")),
        _ => Ok(false),
    };
    projection.expr.iter().any(|expr| expr.exists(is_image_call).unwrap_or(false))
}

/// Whether an expression of `inner` that costs something is used more than once by `outer`.
fn computes_twice(outer: &Projection, inner: &Projection) -> Result<bool> {
    let mut uses = vec![0; inner.expr.len()];
    for expr in &outer.expr {
        expr.apply(|expr| {
            if let Expr::Column(column) = expr {
                uses[outer.input.schema().index_of_column(column)?] += 1;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    let is_free = |expr: &Expr| matches!(expr.clone().unalias(), Expr::Column(_) | Expr::Literal(..));
    Ok(uses.iter().zip(&inner.expr).any(|(uses, expr)| *uses > 1 && !is_free(expr)))
}
