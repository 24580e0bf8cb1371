//! The tables that columns name, on their way to another process.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The plan as it is written to a message, and for nothing else: a column of a table with a dot or a quote in its name, such as
/// `rows.parquet`, names it in quotes.
///
/// DataFusion 55 writes `rows.parquet.class`, and reads a column of the table `parquet` in the schema `rows`.
///
/// # Errors
/// Those of nodes of other crates that can't be made anew.
pub(crate) fn with_quoted_qualifiers(plan: LogicalPlan) -> Result<LogicalPlan> {
    let changed = plan.transform_up_with_subqueries(|plan| plan.map_expressions(|expr| expr.transform(with_quotes)))?;
    Ok(changed.data)
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a transformation")]
fn with_quotes(expr: Expr) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::Column(Column { relation: Some(relation), name, spans }) if is_misread(&relation) => {
            Transformed::yes(Expr::Column(Column { relation: Some(in_quotes(&relation)), name, spans }))
        }
        Expr::OuterReferenceColumn(field, Column { relation: Some(relation), name, spans })
            if is_misread(&relation) =>
        {
            let column = Column { relation: Some(in_quotes(&relation)), name, spans };
            Transformed::yes(Expr::OuterReferenceColumn(field, column))
        }
        _ => Transformed::no(expr),
    })
}

/// Whether the name is another one when it is read again.
fn is_misread(relation: &TableReference) -> bool {
    TableReference::parse_str_normalized(&relation.to_string(), true) != *relation
}

fn in_quotes(relation: &TableReference) -> TableReference {
    TableReference::bare(relation.to_quoted_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_sent_is_the_name_that_is_read() {
        let names = [
            "rows.parquet",
            "Rows.Parquet",
            "a\"b",
            "\"a\"",
            "a.b.c.d",
            "x\".\"y",
            "1.csv",
            "rows",
            "Rows",
            "photos/*.jpg",
            "a b",
        ];
        let partial = TableReference::partial("public", "rows.parquet");
        for name in names.map(TableReference::bare).into_iter().chain([partial]) {
            let sent = if is_misread(&name) { in_quotes(&name) } else { name.clone() };
            assert_eq!(TableReference::parse_str_normalized(&sent.to_string(), true), name);
        }
        assert!(is_misread(&TableReference::bare("rows.parquet")));
        assert!(!is_misread(&TableReference::bare("photos/*.jpg")));
    }
}
