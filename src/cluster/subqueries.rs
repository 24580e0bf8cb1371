//! Scalar subqueries of a statement: those that depend on nothing around them are run once, before the statement is sent, and it gets their
//! values. Ballista knows no other way than to join them, which fails inside of aggregates and copies a model into every row.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use futures::StreamExt;

use crate::plan::subquery_value;

/// The subqueries that can be run by themselves, each once.
pub(super) fn subqueries(plan: &LogicalPlan) -> Result<Vec<Subquery>> {
    let mut found: Vec<Subquery> = Vec::new();
    plan.apply(|plan| {
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some(subquery) = by_itself(expr)
                    && !found.contains(subquery)
                {
                    found.push(subquery.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// The subquery that an expression is, if that depends on nothing around it.
fn by_itself(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery) if subquery.outer_ref_columns.is_empty() => Some(subquery),
        _ => None,
    }
}

/// The plan with values in the places of its subqueries.
pub(super) fn with_values(plan: LogicalPlan, values: &[(Subquery, Expr)]) -> Result<LogicalPlan> {
    let placed = plan.transform_up(|plan| {
        // Columns keep their names.
        let names = NamePreserver::new(&plan);
        let placed = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let placed = expr.transform_up(|expr| {
                let value = by_itself(&expr).and_then(|subquery| values.iter().find(|(known, _)| known == subquery));
                Ok(match value {
                    Some((_, value)) => Transformed::yes(value.clone()),
                    None => Transformed::no(expr),
                })
            })?;
            Ok(placed.update_data(|expr| name.restore(expr)))
        })?;
        // Rows of VALUES have no names that could be lost.
        placed.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(placed.data)
}

/// The value of a subquery's rows; NULL where there is none.
///
/// # Errors
/// More than one row.
pub(super) async fn value(mut rows: SendableRecordBatchStream, data_type: &DataType) -> Result<Expr> {
    let mut value = None;
    while let Some(batch) = rows.next().await.transpose()? {
        if batch.num_rows() + usize::from(value.is_some()) > 1 {
            return exec_err!("Scalar subquery returned more than one row");
        }
        if batch.num_rows() == 1 {
            value = Some(ScalarValue::try_from_array(batch.column(0), 0)?);
        }
    }
    subquery_value(value.map_or_else(|| ScalarValue::try_from(data_type), Ok)?)
}
