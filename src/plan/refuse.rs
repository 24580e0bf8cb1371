//! What is refused because DataFusion would read or answer it otherwise than SQL says.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result, plan_datafusion_err};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, SetExpr, SetOperator, SetQuantifier, Visit, Visitor,
};

/// Looks for what has another meaning than it seems to have.
///
/// # Errors
/// What it is, and how to say it instead.
pub(super) fn refuse_misread(tree: &impl Visit) -> Result<()> {
    match tree.visit(&mut Misread) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Misread;

impl Visitor for Misread {
    // Boxed, because it is rare and large.
    type Break = Box<DataFusionError>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        refuse_bags(&query.body)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        let (Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right)) = expr else {
            return ControlFlow::Continue(());
        };
        // The parser takes all that follows for the right side.
        match right.as_ref() {
            Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                let not = if matches!(expr, Expr::IsNotDistinctFrom(..)) { "NOT " } else { "" };
                ControlFlow::Break(Box::new(plan_datafusion_err!(
                    "{left} IS {not}DISTINCT FROM ... {op} ...: where its right side ends would be misread; put it in parentheses, as in \
                     ({left} IS {not}DISTINCT FROM b) {op} c"
                )))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// `INTERSECT ALL` and `EXCEPT ALL` count rows, and DataFusion's don't.
fn refuse_bags(body: &SetExpr) -> ControlFlow<Box<DataFusionError>> {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return ControlFlow::Continue(()) };
    if matches!(op, SetOperator::Intersect | SetOperator::Except | SetOperator::Minus)
        && matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName)
    {
        return ControlFlow::Break(Box::new(plan_datafusion_err!(
            "{op} ALL isn't supported: rows that occur several times would be miscounted; number them on both sides, as in SELECT a, \
             row_number() OVER (PARTITION BY a) ... {op} SELECT a, row_number() OVER (PARTITION BY a) ..."
        )));
    }
    refuse_bags(left)?;
    refuse_bags(right)
}
