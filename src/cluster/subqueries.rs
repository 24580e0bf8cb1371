//! Scalar subqueries of a statement: those that depend on nothing around them are run once, before the statement is sent, and it gets their
//! values. Ballista knows no other way than to join them, which fails inside of aggregates and copies a model into every row.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use futures::StreamExt;

use crate::plan::{each_independent, replace_independent, subquery_value};

/// The subqueries that can be run by themselves, each once.
pub(super) fn subqueries(plan: &LogicalPlan) -> Result<Vec<Subquery>> {
    let mut found: Vec<Subquery> = Vec::new();
    plan.apply(|plan| {
        each_independent(plan, &mut |subquery| {
            if !found.contains(subquery) {
                found.push(subquery.clone());
            }
        })
    })?;
    Ok(found)
}

/// The plan with values in the places of its subqueries.
pub(super) fn with_values(plan: LogicalPlan, values: &[(Subquery, Expr)]) -> Result<LogicalPlan> {
    let value = |subquery: &Subquery| {
        let found = values.iter().find(|(known, _)| known == subquery);
        Ok(found.map(|(_, value)| value.clone()))
    };
    Ok(plan.transform_up(|plan| replace_independent(plan, &value))?.data)
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
