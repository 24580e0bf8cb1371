//! Scalar subqueries may have no row, and are NULL then, whatever their columns can be. DataFusion takes them for as sure as their columns:
//! `(SELECT 1 WHERE false) IS NULL` would be false.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Subquery, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use super::scalar_subqueries::{each_independent, replace_independent};

/// The columns of scalar subqueries may be NULL.
#[derive(Debug)]
pub(crate) struct NullableSubqueries;

impl AnalyzerRule for NullableSubqueries {
    fn name(&self) -> &str {
        "nullable_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let mut is_needed = false;
        plan.apply_with_subqueries(|plan| each_independent(plan, &mut |subquery| is_needed |= is_sure(subquery)))?;
        if !is_needed {
            return Ok(plan);
        }
        let unsure = |subquery: &Subquery| is_sure(subquery).then(|| unsure(subquery)).transpose();
        Ok(plan.transform_up_with_subqueries(|plan| replace_independent(plan, &unsure))?.data)
    }
}

/// Whether a subquery's column is never NULL. Those that depend on the row around them aren't asked for: they become joins, which know.
fn is_sure(subquery: &Subquery) -> bool {
    !subquery.subquery.schema().field(0).is_nullable()
}

/// The same subquery, whose column may be NULL.
fn unsure(subquery: &Subquery) -> Result<Expr> {
    let plan = subquery.subquery.as_ref().clone();
    let (qualifier, field) = plan.schema().qualified_field(0);
    let (qualifier, name) = (qualifier.cloned(), field.name().clone());
    let column = Expr::from(plan.schema().qualified_field(0));
    let column = ScalarUDF::from(OrNull::new()).call(vec![column]).alias_qualified(qualifier, name);
    let plan = LogicalPlanBuilder::from(plan).project([column])?.build()?;
    Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..subquery.clone() }))
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
