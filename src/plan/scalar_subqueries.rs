//! Scalar subqueries that depend on nothing around them, in the expressions of a node.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};

/// The subquery that an expression is, if that depends on nothing around it.
fn independent(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery) if subquery.outer_ref_columns.is_empty() => Some(subquery),
        _ => None,
    }
}

/// Calls `each` with every one of a node's.
pub(crate) fn each_independent(plan: &LogicalPlan, each: &mut dyn FnMut(&Subquery)) -> Result<TreeNodeRecursion> {
    plan.apply_expressions(|expr| {
        expr.apply(|expr| {
            independent(expr).into_iter().for_each(&mut *each);
            Ok(TreeNodeRecursion::Continue)
        })
    })
}

/// The node with what `replace` puts in the place of each, where it does. Columns keep their names, and learn what they are now from those
/// below.
///
/// # Errors
/// Those of `replace`.
pub(crate) fn replace_independent(
    plan: LogicalPlan,
    replace: &dyn Fn(&Subquery) -> Result<Option<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&plan);
    let replaced = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let replaced = expr.transform_up(|expr| {
            let other = independent(&expr).map(replace).transpose()?.flatten();
            Ok(other.map_or_else(|| Transformed::no(expr), Transformed::yes))
        })?;
        Ok(replaced.update_data(|expr| name.restore(expr)))
    })?;
    replaced.map_data(LogicalPlan::recompute_schema)
}
