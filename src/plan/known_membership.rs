//! Whether a value is among those of a subquery isn't always known: `2 IN (SELECT b FROM u)` is NULL where u holds 1 and NULL. DataFusion makes
//! false of that below operators, by which `a NOT IN (SELECT b FROM u) OR c` would be true, and `(a IN (SELECT b FROM u)) IS NULL` never.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, JoinType, Result, ScalarValue, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit, when,
};
use datafusion::optimizer::AnalyzerRule;

/// `IN (SELECT ...)` is true, false or NULL, as in SQL.
#[derive(Debug)]
pub(crate) struct KnownMembership;

impl AnalyzerRule for KnownMembership {
    fn name(&self) -> &str {
        "known_membership"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let known = |plan: LogicalPlan| match plan {
            LogicalPlan::Filter(_) => {
                let schema = Arc::clone(plan.inputs()[0].schema());
                plan.map_expressions(|condition| condition_of_rows(condition, &schema, true))
            }
            LogicalPlan::Join(join) => condition_of_pairs(join),
            other => Ok(Transformed::no(other)),
        };
        Ok(plan.transform_up_with_subqueries(known)?.data)
    }
}

/// A join whose condition knows NULL. DataFusion has no such conditions for joins, so it stands behind the join, where that is the same.
fn condition_of_pairs(join: Join) -> Result<Transformed<LogicalPlan>> {
    let Some(condition) = join.filter.clone() else { return Ok(Transformed::no(LogicalPlan::Join(join))) };
    let both = join.left.schema().join(join.right.schema())?;
    let condition = condition_of_rows(condition, &both, true)?;
    if !condition.transformed {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    if join.join_type != JoinType::Inner {
        return plan_err!(
            "IN (SELECT ...) that may be NULL can't be part of a larger condition in the ON of a {} join; filter the joined table by WHERE in a \
             subquery instead",
            join.join_type
        );
    }
    let join = LogicalPlan::Join(Join { filter: None, ..join });
    let kept = LogicalPlanBuilder::from(join).filter(condition.data)?.build()?;
    Ok(Transformed::yes(kept))
}

/// A condition by which rows are kept or not, or a part of one that makes it true where it is true: NULL is as good as false.
fn condition_of_rows(condition: Expr, schema: &DFSchema, is_whole: bool) -> Result<Transformed<Expr>> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let is_whole = is_whole && op == Operator::And;
            let left = condition_of_rows(*left, schema, is_whole)?;
            let right = condition_of_rows(*right, schema, is_whole)?;
            let is_changed = left.transformed || right.transformed;
            let both = BinaryExpr::new(Box::new(left.data), op, Box::new(right.data));
            Ok(Transformed::new_transformed(Expr::BinaryExpr(both), is_changed))
        }
        Expr::InSubquery(InSubquery { negated: false, .. }) => Ok(Transformed::no(condition)),
        // Of a whole condition, or one of several that must hold, DataFusion makes a join that knows NULL.
        Expr::InSubquery(_) if is_whole => Ok(Transformed::no(condition)),
        Expr::Not(ref inner) if is_whole && matches!(inner.as_ref(), Expr::InSubquery(_)) => {
            Ok(Transformed::no(condition))
        }
        other => other.transform_up(|part| match part {
            Expr::InSubquery(membership) => known(membership, schema),
            other => Ok(Transformed::no(other)),
        }),
    }
}

/// Whether the value is among those of the subquery, or NULL where that isn't known.
fn known(membership: InSubquery, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let InSubquery { expr: value, subquery, negated } = &membership;
    let column = Expr::from(subquery.subquery.schema().qualified_field(0));
    let value_may_be_null = value.nullable(schema)?;
    let others_may_be_null = subquery.subquery.schema().field(0).is_nullable();
    if !(value_may_be_null || others_may_be_null) || value.is_volatile() {
        return Ok(Transformed::no(Expr::InSubquery(membership)));
    }
    let mut outer = subquery.outer_ref_columns.clone();
    let from_within = value.as_ref().clone().transform_up(|part| match part {
        Expr::Column(column) => {
            let (_, field) = schema.qualified_field_from_column(&column)?;
            let reference = Expr::OuterReferenceColumn(Arc::clone(field), column);
            outer.push(reference.clone());
            Ok(Transformed::yes(reference))
        }
        other => Ok(Transformed::no(other)),
    })?;
    let exists = |condition: Option<Expr>, outer: Vec<Expr>| -> Result<Expr> {
        let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
        let plan = condition.into_iter().try_fold(plan, LogicalPlanBuilder::filter)?.build()?;
        let subquery = Subquery { subquery: Arc::new(plan), outer_ref_columns: outer, spans: subquery.spans.clone() };
        Ok(Expr::Exists(Exists { subquery, negated: false }))
    };
    let unknown = || lit(ScalarValue::Boolean(None));
    let mut cases = when(exists(Some(column.clone().eq(from_within.data)), outer)?, lit(!negated));
    if others_may_be_null {
        cases = cases.when(exists(Some(column.is_null()), subquery.outer_ref_columns.clone())?, unknown());
    }
    if value_may_be_null {
        let any = exists(None, subquery.outer_ref_columns.clone())?;
        cases = cases.when(value.as_ref().clone().is_null().and(any), unknown());
    }
    Ok(Transformed::yes(cases.otherwise(lit(*negated))?))
}
