//! What is refused because DataFusion would read or answer it otherwise than SQL says.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result, plan_datafusion_err, plan_err};
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

/// Words in the names of options that are for secrets.
const SECRETS: [&str; 10] = [
    "access_key",
    "account_key",
    "bearer",
    "credential",
    "password",
    "private_key",
    "sas_",
    "secret",
    "service_account",
    "token",
];

/// Refuses options that are for secrets: plans, the scheduler and the history would show them.
///
/// # Errors
/// Such an option; its value is not shown.
pub(super) fn refuse_secrets<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    for name in names {
        let lower = name.to_ascii_lowercase();
        if SECRETS.iter().any(|word| lower.contains(word)) {
            return plan_err!(
                "the option {name} would hold a secret, which plans, logs and histories would show; credentials belong into the environment \
                 of each process, see docs/stores.md"
            );
        }
    }
    Ok(())
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
