//! Columns that don't say which table they are of, on their way to another process.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The plan in which columns name their tables wherever something is called by them, as `sum(x)` is; all names stay what they are.
///
/// DataFusion 55 makes plans with `sum(x)` over a table `t` when it takes fields out of structs below an aggregate. A plan that is read from a message
/// has `sum(t.x)` in its place, and what stands above looks for `sum(x)`.
///
/// # Errors
/// Those of nodes that can't be made anew.
pub(crate) fn with_qualified_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    let changed = plan.transform_up_with_subqueries(|plan| {
        let (LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)) = plan else {
            return Ok(Transformed::no(plan));
        };
        let names = NamePreserver::new(&plan);
        let Some(schema) = plan.inputs().first().map(|input| Arc::clone(input.schema())) else {
            return Ok(Transformed::no(plan));
        };
        let changed = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            // A column alone is called by its table, too, when it is read.
            let is_column = matches!(expr, Expr::Column(_));
            let changed = expr.transform(|expr| qualified(expr, &schema))?;
            Ok(if is_column { changed } else { changed.update_data(|expr| name.restore(expr)) })
        })?;
        if changed.transformed { changed.map_data(LogicalPlan::recompute_schema) } else { Ok(changed) }
    })?;
    Ok(changed.data)
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a transformation")]
fn qualified(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::Column(Column { relation: None, name, spans }) = &expr else { return Ok(Transformed::no(expr)) };
    Ok(match schema.qualified_field_with_unqualified_name(name) {
        Ok((Some(table), _)) => Transformed::yes(Expr::Column(Column {
            relation: Some(table.clone()),
            name: name.clone(),
            spans: spans.clone(),
        })),
        _ => Transformed::no(expr),
    })
}

#[cfg(test)]
mod tests {
    use datafusion::functions_aggregate::expr_fn::sum;
    use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};

    use super::*;

    #[test]
    fn columns_get_their_tables_and_names_stay() {
        let rows = LogicalPlanBuilder::values(vec![vec![lit(1), lit(2)]]).expect("rows").alias("t").expect("t");
        let unqualified = Expr::Column(Column::new_unqualified("column1"));
        let built = rows.clone().build().expect("a plan");
        let aggregate = datafusion::logical_expr::Aggregate::try_new(
            Arc::new(built),
            vec![Expr::Column(Column::new_unqualified("column2"))],
            vec![sum(unqualified)],
        );
        let plan = LogicalPlan::Aggregate(aggregate.expect("an aggregate"));
        let sent = with_qualified_columns(plan.clone()).expect("a plan");
        assert_eq!(sent.schema().as_arrow(), plan.schema().as_arrow());
        assert_eq!(
            sent.display().to_string(),
            "Aggregate: groupBy=[[t.column2]], aggr=[[sum(t.column1) AS sum(column1)]]"
        );
        let whole = rows.aggregate(vec![col("column2")], vec![sum(col("column1"))]).expect("an aggregate").build();
        let whole = whole.expect("a plan");
        assert_eq!(with_qualified_columns(whole.clone()).expect("a plan"), whole);
    }
}
