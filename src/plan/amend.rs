//! What is put right in a statement before it is planned: holes between named arguments, which NULL fills, names of partition columns, and
//! directories that are named as tables.

use std::ops::ControlFlow;
use std::path::Path;

use datafusion::common::{Result, plan_err};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{Signature, TypeSignature};
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart, Set,
    Statement as SqlStatement, Value, visit_expressions_mut, visit_relations_mut,
};

use pixmill_udfs::feature_names;

use super::defined_functions::amend_function;
use super::refuse::{refuse_misread, refuse_secrets};
use crate::storage::AllowList;

/// Rewrites every call of one of a session's functions that names its arguments, makes names of partition columns what others are, and puts a
/// slash behind `'directory'`, by which it is told from a table, where it may be looked for.
pub(crate) fn amend_statement(statement: &mut Statement, state: &SessionState, allow: &AllowList) -> Result<()> {
    match statement {
        Statement::Statement(statement) => {
            if let SqlStatement::Set(Set::SingleAssignment { variable, .. }) = statement.as_ref() {
                refuse_secrets([variable.to_string().as_str()])?;
            }
            amend_function(statement)?;
            visit(statement.as_mut(), state, allow)
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
                CopyToSource::Query(query) => visit(query.as_mut(), state, allow),
                CopyToSource::Relation(_) => Ok(()),
            }
        }
        Statement::Explain(explain) => amend_statement(&mut explain.statement, state, allow),
        Statement::CreateExternalTable(table) => refuse_secrets(table.options.iter().map(|(name, _)| name.as_str())),
        Statement::Reset(_) => Ok(()),
    }
}

fn visit<V: datafusion::sql::sqlparser::ast::Visit + datafusion::sql::sqlparser::ast::VisitMut>(
    tree: &mut V,
    state: &SessionState,
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
        let Expr::Function(call) = expr else { return ControlFlow::Continue(()) };
        if let Err(error) = check_over(call, state) {
            return ControlFlow::Break(error);
        }
        if let Err(error) = order_features(call, state) {
            return ControlFlow::Break(error);
        }
        fill(call, state);
        ControlFlow::Continue(())
    });
    match result {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// DataFusion takes a window function without OVER for one that isn't there.
fn check_over(call: &Function, state: &SessionState) -> Result<()> {
    let name = call.name.to_string().to_ascii_lowercase();
    let is_other = state.scalar_functions().contains_key(&name) || state.aggregate_functions().contains_key(&name);
    if call.over.is_none() && !is_other && state.window_functions().contains_key(&name) {
        return plan_err!(
            "{name}: a window function needs OVER behind its arguments, as in {name}(...) OVER (ORDER BY key)"
        );
    }
    Ok(())
}

/// Puts the named columns of a model, as in `predict('pickups', lat => a, lon => b)`, in the model's order.
fn order_features(call: &mut Function, state: &SessionState) -> Result<()> {
    let Some(function) = state.scalar_functions().get(&call.name.to_string().to_ascii_lowercase()) else {
        return Ok(());
    };
    let FunctionArguments::List(list) = &mut call.args else { return Ok(()) };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(model))), features @ ..] = list.args.as_slice() else {
        return Ok(());
    };
    let Value::SingleQuotedString(model) = &model.value else { return Ok(()) };
    if !features.iter().any(|feature| matches!(feature, FunctionArg::Named { .. })) {
        return Ok(());
    }
    let Some(names) = feature_names(function, model)? else { return Ok(()) };
    let mut places: Vec<Option<FunctionArg>> = vec![None; names.len()];
    for feature in features {
        let FunctionArg::Named { name, arg, .. } = feature else {
            return plan_err!(
                "{}: either all columns of the model have names or none, got {feature} among names",
                call.name
            );
        };
        let is_it = |known: &String| match name.quote_style {
            None => known.eq_ignore_ascii_case(&name.value),
            Some(_) => known == &name.value,
        };
        match names.iter().position(is_it).map(|place| &mut places[place]) {
            Some(place @ None) => *place = Some(FunctionArg::Unnamed(arg.clone())),
            Some(Some(_)) => return plan_err!("{}: {name} is given twice", call.name),
            None => {
                return plan_err!(
                    "{}: the model '{model}' has no column {name}; it takes {}",
                    call.name,
                    names.join(", ")
                );
            }
        }
    }
    if let Some(place) = places.iter().position(Option::is_none) {
        return plan_err!("{}: the model '{model}' takes {} too, and it isn't given", call.name, names[place]);
    }
    let model = list.args.first().cloned();
    list.args = model.into_iter().chain(places.into_iter().flatten()).collect();
    Ok(())
}

/// Puts NULL in the place of each parameter that is skipped before the last one given.
///
/// What is wrong with a call (an unknown or repeated name) is left for the planner to say.
fn fill(call: &mut Function, state: &SessionState) {
    let signature = signature(state, &call.name.to_string().to_ascii_lowercase());
    // Those that take exactly these arguments take all of them.
    let signature = signature.filter(|signature| !matches!(signature.type_signature, TypeSignature::Exact(_)));
    let parameters = signature.and_then(|signature| signature.parameter_names.as_ref());
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

/// The signature of a function of a row or of a window; those that aggregate have no arguments that could be left out.
fn signature<'a>(state: &'a SessionState, name: &str) -> Option<&'a Signature> {
    let of_row = state.scalar_functions().get(name).map(|function| function.signature());
    of_row.or_else(|| state.window_functions().get(name).map(|function| function.signature()))
}
