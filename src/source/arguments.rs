//! What tables are told: options of `CREATE EXTERNAL TABLE` and arguments of table functions.

use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{CreateExternalTable, Expr};
use datafusion::sql::sqlparser::ast::{self, FunctionArg, FunctionArgExpr};

use crate::config::{OptionPage, names};
use crate::words::quoted;

/// The options of a source, set one by one from their texts.
pub trait SourceOptions: Default {
    /// What [`Self::set`] knows.
    const OPTIONS: &'static [OptionPage];

    /// Sets an option from its text.
    ///
    /// # Errors
    /// An unknown name or a value that it doesn't take.
    fn set(&mut self, name: &str, value: &str) -> Result<()>;
}

/// The location and options of a `CREATE EXTERNAL TABLE`.
pub(super) fn from_command<O: SourceOptions>(format: &str, command: &CreateExternalTable) -> Result<(String, O)> {
    if let Some(clause) = clause_without_effect(command) {
        return plan_err!("a table STORED AS {format} takes no {clause}; leave it out");
    }
    let mut options = O::default();
    let mut given: Vec<(&String, &String)> = command.options.iter().collect();
    given.sort();
    for (key, value) in given {
        options.set(key.strip_prefix("format.").unwrap_or(key), value)?;
    }
    match command.locations.as_slice() {
        [location] => Ok((location.clone(), options)),
        locations => plan_err!(
            "a table STORED AS {format} takes one LOCATION, got {}; use a glob such as 'data/{{a,b}}/**'",
            locations.len()
        ),
    }
}

/// A clause that tables of this crate's formats would not keep.
fn clause_without_effect(command: &CreateExternalTable) -> Option<&'static str> {
    let clauses = [
        ("WITH ORDER", !command.order_exprs.is_empty()),
        ("UNBOUNDED", command.unbounded),
        ("PRIMARY KEY, UNIQUE or other constraint", command.constraints.iter().next().is_some()),
        ("DEFAULT", !command.column_defaults.is_empty()),
    ];
    clauses.into_iter().find(|(_, is_given)| *is_given).map(|(clause, _)| clause)
}

/// The statement that a table was made by, which `SHOW CREATE TABLE` tells; DataFusion's text has no options.
pub(super) fn definition(command: &CreateExternalTable) -> Option<String> {
    let statement = command.definition.clone()?;
    let mut given: Vec<(&String, &String)> = command.options.iter().collect();
    given.sort();
    let options = given.into_iter().map(|(key, value)| {
        let name = key.strip_prefix("format.").unwrap_or(key);
        format!("{name} {}", quoted(value))
    });
    let options: Vec<String> = options.collect();
    Some(match options.as_slice() {
        [] => statement,
        options => format!("{statement} OPTIONS ({})", options.join(", ")),
    })
}

/// The one location of a call such as `read_images('photos', partitions => 16)`.
pub(super) fn only_location<O: SourceOptions>(function: &str, locations: &[String]) -> Result<String> {
    match locations {
        [location] => Ok(location.clone()),
        [] => plan_err!("{function} takes a location, as in {function}('data/**')"),
        [_, second, ..] => plan_err!(
            "{function} takes a location and options as name => value, got '{second}'; the options are {}",
            names(O::OPTIONS)
        ),
    }
}

/// The locations and options of a call.
pub(super) fn arguments<O: SourceOptions>(
    function: &str,
    args: &[FunctionArg],
    context: &mut dyn RelationPlannerContext,
) -> Result<(Vec<String>, O)> {
    let mut locations = Vec::new();
    let mut options = O::default();
    for arg in args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                locations.push(constant(function, expr.clone(), context)?);
            }
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. }
            | FunctionArg::ExprNamed { name: ast::Expr::Identifier(name), arg: FunctionArgExpr::Expr(expr), .. } => {
                options.set(&name.value.to_ascii_lowercase(), &constant(function, expr.clone(), context)?)?;
            }
            other => {
                return plan_err!(
                    "{function} takes locations and options as name => value, got {other}; the options are {}",
                    names(O::OPTIONS)
                );
            }
        }
    }
    Ok((locations, options))
}

/// The text of a constant; of an array, those of its elements, separated by commas.
pub(super) fn constant(function: &str, expr: ast::Expr, context: &mut dyn RelationPlannerContext) -> Result<String> {
    let shown = expr.to_string();
    if let ast::Expr::Array(array) = expr {
        let texts: Result<Vec<String>> =
            array.elem.into_iter().map(|element| constant(function, element, context)).collect();
        return Ok(texts?.join(","));
    }
    let value = match context.sql_to_expr(expr, &DFSchema::empty())? {
        Expr::Literal(value, _) if !value.is_null() => value,
        _ => return plan_err!("{function} takes constants, got {shown}"),
    };
    match value.cast_to(&datafusion::arrow::datatypes::DataType::Utf8)? {
        ScalarValue::Utf8(Some(text)) => Ok(text),
        _ => plan_err!("{function} takes constants, got {shown}"),
    }
}
