//! Scalar subqueries may have no row, and are NULL then, whatever their columns can be. DataFusion takes them for as sure as their columns:
//! `(SELECT 1 WHERE false) IS NULL` would be false.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Subquery, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

/// The columns of scalar subqueries may be NULL.
#[derive(Debug)]
pub(crate) struct NullableSubqueries;

impl AnalyzerRule for NullableSubqueries {
    fn name(&self) -> &str {
        "nullable_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let mut is_needed = false;
        plan.apply_with_subqueries(|plan| {
            plan.apply_expressions(|expr| {
                expr.apply(|expr| {
                    is_needed |= sure(expr).is_some();
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        if !is_needed {
            return Ok(plan);
        }
        let changed = plan.transform_up_with_subqueries(|plan| {
            let names = NamePreserver::new(&plan);
            let changed = plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let changed = expr.transform_up(|expr| match sure(&expr) {
                    Some(subquery) => Ok(Transformed::yes(Expr::ScalarSubquery(unsure(subquery)?))),
                    None => Ok(Transformed::no(expr)),
                })?;
                Ok(changed.update_data(|expr| name.restore(expr)))
            })?;
            // What is above has other columns, too.
            changed.map_data(LogicalPlan::recompute_schema)
        })?;
        Ok(changed.data)
    }
}

/// The subquery that an expression is, if its column is never NULL. Those that depend on the row around them become joins, which know.
fn sure(expr: &Expr) -> Option<&Subquery> {
    let Expr::ScalarSubquery(subquery) = expr else { return None };
    let is_sure = subquery.outer_ref_columns.is_empty() && !subquery.subquery.schema().field(0).is_nullable();
    is_sure.then_some(subquery)
}

/// The same subquery, whose column may be NULL.
fn unsure(subquery: &Subquery) -> Result<Subquery> {
    let plan = subquery.subquery.as_ref().clone();
    let (qualifier, field) = plan.schema().qualified_field(0);
    let (qualifier, name) = (qualifier.cloned(), field.name().clone());
    let column = Expr::from(plan.schema().qualified_field(0));
    let column = ScalarUDF::from(OrNull::new()).call(vec![column]).alias_qualified(qualifier, name);
    let plan = LogicalPlanBuilder::from(plan).project([column])?.build()?;
    Ok(Subquery { subquery: Arc::new(plan), ..subquery.clone() })
}

/// `__or_null(value)`: the value, of which nobody knows whether it may be NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct OrNull {
    signature: Signature,
}

impl OrNull {
    pub(super) fn new() -> Self {
        // It isn't worked out while planning: a constant is never NULL.
        Self { signature: Signature::any(1, Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for OrNull {
    fn name(&self) -> &'static str {
        "__or_null"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(args.args[0].clone())
    }
}
