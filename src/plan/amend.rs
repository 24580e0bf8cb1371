//! What is put right in a statement before it is planned: holes between named arguments, which NULL fills, names of partition columns, and
//! directories that are named as tables.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Set,
    Statement as SqlStatement, Value, visit_expressions_mut, visit_relations_mut,
};

use super::defined_functions::amend_function;
use super::refuse::{refuse_misread, refuse_secrets};
use crate::storage::AllowList;

/// Rewrites every call of one of `functions` that names its arguments, makes names of partition columns what others are, and puts a
/// slash behind `'directory'`, by which it is told from a table, where it may be looked for.
pub(crate) fn amend_statement(
    statement: &mut Statement,
    functions: &HashMap<String, Arc<ScalarUDF>>,
    allow: &AllowList,
) -> Result<()> {
    match statement {
        Statement::Statement(statement) => {
            if let SqlStatement::Set(Set::SingleAssignment { variable, .. }) = statement.as_ref() {
                refuse_secrets([variable.to_string().as_str()])?;
            }
            amend_function(statement)?;
            visit(statement.as_mut(), functions, allow)
        }
        Statement::CopyTo(copy) => {
            refuse_secrets(copy.options.iter().map(|(name, _)| name.as_str()))?;
            // DataFusion keeps the quotes of PARTITIONED BY ("Split"), and the capitals of Split.
            for name in &mut copy.partitioned_by {
                *name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
                    Some(quoted) => quoted.replace("\"\"", "\""),
                    None => name.to_lowercase(),
                };
            }
            match &mut copy.source {
                CopyToSource::Query(query) => visit(query.as_mut(), functions, allow),
                CopyToSource::Relation(_) => Ok(()),
            }
        }
        Statement::Explain(explain) => amend_statement(&mut explain.statement, functions, allow),
        Statement::CreateExternalTable(table) => refuse_secrets(table.options.iter().map(|(name, _)| name.as_str())),
        Statement::Reset(_) => Ok(()),
    }
}

fn visit<V: datafusion::sql::sqlparser::ast::Visit + datafusion::sql::sqlparser::ast::VisitMut>(
    tree: &mut V,
    functions: &HashMap<String, Arc<ScalarUDF>>,
    allow: &AllowList,
) -> Result<()> {
    refuse_misread(tree)?;
    let _ = visit_relations_mut(tree, |name| {
        if let [ObjectNamePart::Identifier(Ident { value, quote_style: Some('\''), .. })] = name.0.as_mut_slice()
            && !value.ends_with('/')
            && allow.check(value).is_ok()
            && Path::new(value).is_dir()
        {
            value.push('/');
        }
        ControlFlow::<()>::Continue(())
    });
    let result = visit_expressions_mut(tree, |expr| {
        if let Expr::Function(call) = expr {
            fill(call, functions);
        }
        ControlFlow::<()>::Continue(())
    });
    match result {
        ControlFlow::Continue(()) | ControlFlow::Break(()) => Ok(()),
    }
}

/// Puts NULL in the place of each parameter that is skipped before the last one given.
///
/// What is wrong with a call (an unknown or repeated name) is left for the planner to say.
fn fill(call: &mut Function, functions: &HashMap<String, Arc<ScalarUDF>>) {
    let function = functions.get(&call.name.to_string().to_ascii_lowercase());
    let parameters = function.and_then(|function| function.signature().parameter_names.as_ref());
    let (Some(parameters), FunctionArguments::List(list)) = (parameters, &mut call.args) else {
        return;
    };
    let position_of = |arg: &FunctionArg| match arg {
        FunctionArg::Named { name, .. } => parameters.iter().position(|p| p.eq_ignore_ascii_case(&name.value)),
        _ => None,
    };
    let positional = list.args.iter().take_while(|arg| matches!(arg, FunctionArg::Unnamed(_))).count();
    let named = &list.args[positional..];
    let positions: Option<Vec<usize>> = named.iter().map(position_of).collect();
    let Some(positions) = positions else { return };
    let is_sound = positions
        .iter()
        .enumerate()
        .all(|(index, position)| *position >= positional && !positions[..index].contains(position));
    let Some(last) = positions.iter().max().copied().filter(|_| is_sound) else { return };
    let mut args: Vec<FunctionArg> = list.args[..positional].to_vec();
    for position in positional..=last {
        let given = positions.iter().position(|p| *p == position);
        let value = match given.map(|index| &named[index]) {
            Some(FunctionArg::Named { arg, .. }) => arg.clone(),
            _ => FunctionArgExpr::Expr(Expr::value(Value::Null)),
        };
        args.push(FunctionArg::Unnamed(value));
    }
    list.args = args;
}
