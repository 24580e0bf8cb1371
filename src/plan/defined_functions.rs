//! Functions that statements define: `CREATE FUNCTION area(w DOUBLE, h DOUBLE) RETURNS DOUBLE RETURN w * h`. Planning puts what they return in the
//! place of their calls, so that executors need to know nothing of them.

use std::future::{Future, ready};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;

use datafusion::arrow::compute::can_cast_types;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::execution::context::{FunctionFactory, RegisterFunction};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    ColumnarValue, CreateFunction, DdlStatement, Expr, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, cast, lit,
};
use datafusion::sql::sqlparser::ast::{
    CreateFunction as CreateFunctionAst, CreateFunctionBody, Expr as SqlExpr, FunctionDesc, Ident, ObjectName,
    ObjectNamePart, Statement, Value, visit_expressions_mut,
};

/// Makes functions of `CREATE FUNCTION`, and what they return of their calls.
#[derive(Debug)]
pub(crate) struct DefinedFunctions;

impl FunctionFactory for DefinedFunctions {
    fn create<'a, 'b, 'f>(
        &'a self,
        state: &'b SessionState,
        statement: CreateFunction,
    ) -> Pin<Box<dyn Future<Output = Result<RegisterFunction>> + Send + 'f>>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        let function = Defined::try_new(state, statement);
        Box::pin(ready(function.map(|function| RegisterFunction::Scalar(Arc::new(ScalarUDF::from(function))))))
    }
}

impl FunctionRewrite for DefinedFunctions {
    fn name(&self) -> &'static str {
        "defined_functions"
    }

    fn rewrite(&self, expr: Expr, _: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        match expr {
            Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<Defined>() {
                Some(function) => function.returned(&call.args).map(Transformed::yes),
                None => Ok(Transformed::no(Expr::ScalarFunction(call))),
            },
            other => Ok(Transformed::no(other)),
        }
    }
}

/// A function that a statement has defined.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Defined {
    name: String,
    /// Their names, or `$1` and so on where they have none.
    parameters: Vec<String>,
    types: Vec<DataType>,
    signature: Signature,
    /// What it returns, with parameters as placeholders `$1`, `$2` and so on.
    body: Expr,
    return_type: DataType,
}

impl Defined {
    fn try_new(state: &SessionState, statement: CreateFunction) -> Result<Self> {
        let CreateFunction { or_replace, name, args, return_type, params, .. } = statement;
        check_name(state, &name, or_replace)?;
        let language = params.language.map(|language| language.value);
        if let Some(language) = language.filter(|language| !language.eq_ignore_ascii_case("sql")) {
            return plan_err!("CREATE FUNCTION {name}: functions are written in SQL, got LANGUAGE {language}");
        }
        let Some(body) = params.function_body else {
            return plan_err!("CREATE FUNCTION {name}: say what it returns, as in RETURN x + 1");
        };
        let args = args.unwrap_or_default();
        if let Some(with_default) = args.iter().find(|arg| arg.default_expr.is_some()) {
            let parameter = with_default.name.as_ref().map(|name| name.value.clone()).unwrap_or_default();
            return plan_err!("CREATE FUNCTION {name}: parameters have no defaults, and {parameter} has one");
        }
        let types: Vec<DataType> = args.iter().map(|arg| arg.data_type.clone()).collect();
        let parameters: Vec<String> = args
            .iter()
            .enumerate()
            .map(|(place, arg)| arg.name.as_ref().map_or_else(|| format!("${}", place + 1), |name| name.value.clone()))
            .collect();
        if let Some(twice) = parameters.iter().enumerate().find(|(place, name)| parameters[..*place].contains(name)) {
            return plan_err!("CREATE FUNCTION {name}: there are two parameters {}", twice.1);
        }
        check_body(&name, &body)?;
        // Functions that it calls may be defined, too.
        let expand = |expr| DefinedFunctions.rewrite(expr, &DFSchema::empty(), state.config_options());
        let body = body.transform_up(expand)?.data;
        let nulls = types.iter().map(|of| Ok(lit(ScalarValue::try_new_null(of)?))).collect::<Result<Vec<Expr>>>()?;
        let tried = analyzed(state, filled(&name, &body, &nulls)?)
            .map_err(|error| error.context(format!("CREATE FUNCTION {name}")))?;
        let return_type = match return_type {
            Some(said) if !can_cast_types(&tried, &said) => {
                return plan_err!(
                    "CREATE FUNCTION {name}: what it returns is of type {tried}, which can't be made {said}"
                );
            }
            Some(said) => said,
            None => tried,
        };
        let volatility = if body.is_volatile() { Volatility::Volatile } else { Volatility::Immutable };
        if params.behavior.is_some_and(|said| said != Volatility::Volatile) && volatility == Volatility::Volatile {
            return plan_err!(
                "CREATE FUNCTION {name}: it is said to give the same for the same, and what it returns differs from call to call; leave \
                 IMMUTABLE or STABLE out"
            );
        }
        let mut signature = match types.is_empty() {
            true => Signature::nullary(volatility),
            false => Signature::exact(types.clone(), volatility),
        };
        if !types.is_empty() && args.iter().all(|arg| arg.name.is_some()) {
            signature = signature.with_parameter_names(parameters.clone())?;
        }
        Ok(Self { name, parameters, types, signature, body, return_type })
    }

    /// What a call with these arguments returns.
    fn returned(&self, args: &[Expr]) -> Result<Expr> {
        if args.len() != self.types.len() {
            return plan_err!("{} takes {} arguments, got {}", self.name, self.types.len(), args.len());
        }
        let args: Vec<Expr> = args.iter().zip(&self.types).map(|(arg, of)| cast(arg.clone(), of.clone())).collect();
        let mut uses = vec![0; args.len()];
        self.body.apply(|expr| {
            if let Some(place) = place(expr) {
                uses[place] += 1;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if let Some(place) = (0..args.len()).find(|place| uses[*place] > 1 && args[*place].is_volatile()) {
            return plan_err!(
                "{}: {} is used {} times in what it returns, and its argument {} differs from call to call; give it a column of a subquery",
                self.name,
                self.parameters[place],
                uses[place],
                args[place]
            );
        }
        Ok(cast(filled(&self.name, &self.body, &args)?, self.return_type.clone()))
    }
}

impl ScalarUDFImpl for Defined {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.return_type.clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("{} is defined by CREATE FUNCTION, and such functions can't be called here", self.name)
    }
}

/// The place of a parameter that an expression is.
fn place(expr: &Expr) -> Option<usize> {
    let Expr::Placeholder(placeholder) = expr else { return None };
    let number: usize = placeholder.id.strip_prefix('$')?.parse().ok()?;
    number.checked_sub(1)
}

/// The body with values for its parameters.
fn filled(name: &str, body: &Expr, values: &[Expr]) -> Result<Expr> {
    let filled = body.clone().transform_up(|expr| match (&expr, place(&expr)) {
        (_, Some(place)) => match values.get(place) {
            Some(value) => Ok(Transformed::yes(value.clone())),
            None => plan_err!("CREATE FUNCTION {name}: there is no parameter ${}", place + 1),
        },
        (Expr::Placeholder(unknown), None) => plan_err!("CREATE FUNCTION {name}: there is no parameter {}", unknown.id),
        _ => Ok(Transformed::no(expr)),
    })?;
    Ok(filled.data)
}

/// The type of an expression that needs no row, once it is analyzed.
fn analyzed(state: &SessionState, expr: Expr) -> Result<DataType> {
    let plan = LogicalPlanBuilder::empty(true).project([expr.alias("returned")])?.build()?;
    let plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| ())?;
    Ok(plan.schema().field(0).data_type().clone())
}

/// Checks that a row is all that a body needs.
fn check_body(name: &str, body: &Expr) -> Result<()> {
    body.apply(|expr| {
        let what = match expr {
            Expr::AggregateFunction(_) => "an aggregate",
            Expr::WindowFunction(_) => "a window function",
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => "a subquery",
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        plan_err!("CREATE FUNCTION {name}: what it returns is worked out row by row, and {expr} is {what}")
    })?;
    Ok(())
}

fn check_name(state: &SessionState, name: &str, or_replace: bool) -> Result<()> {
    match state.scalar_functions().get(name) {
        Some(there) if there.inner().downcast_ref::<Defined>().is_some() => match or_replace {
            true => return Ok(()),
            false => {
                return plan_err!(
                    "there is a function {name} already; CREATE OR REPLACE FUNCTION puts this one in its place"
                );
            }
        },
        Some(_) => {}
        None if state.aggregate_functions().contains_key(name)
            || state.window_functions().contains_key(name)
            || state.higher_order_functions().contains_key(name)
            || state.table_functions().contains_key(name) => {}
        None => return Ok(()),
    }
    plan_err!("{name} is a function that is built in; choose another name")
}

/// Checks that a statement drops no function that is built in.
///
/// # Errors
/// It does, or there is none of this name.
pub(crate) fn check_dropped_function(plan: &LogicalPlan, state: &SessionState) -> Result<()> {
    let LogicalPlan::Ddl(DdlStatement::DropFunction(drop)) = plan else { return Ok(()) };
    let name = drop.name.as_str();
    match state.scalar_functions().get(name) {
        Some(there) if there.inner().downcast_ref::<Defined>().is_some() => Ok(()),
        None if check_name(state, name, false).is_ok() => match drop.if_exists {
            true => Ok(()),
            false => plan_err!("there is no function {name} to drop"),
        },
        _ => plan_err!("{name} is a function that is built in, and stays"),
    }
}

/// Puts names in small letters where they aren't quoted, as they are looked up, and refuses what DataFusion would forget.
///
/// # Errors
/// A part of `CREATE FUNCTION` or `DROP FUNCTION` that isn't kept.
pub(super) fn amend_function(statement: &mut Statement) -> Result<()> {
    match statement {
        Statement::CreateFunction(create) => {
            lower(&mut create.name);
            for argument in create.args.iter_mut().flatten() {
                if let Some(name) = argument.name.as_mut().filter(|name| name.quote_style.is_none()) {
                    *name = Ident::new(name.value.to_lowercase());
                }
            }
            let name = create.name.to_string();
            if let Some(part) = forgotten(create) {
                return plan_err!("CREATE FUNCTION {name}: {part} isn't kept; leave it out");
            }
            let names =
                create.args.iter().flatten().map(|argument| argument.name.as_ref().map(|name| name.value.clone()));
            let names: Vec<Option<String>> = names.collect();
            match create.function_body.as_mut() {
                Some(CreateFunctionBody::AsBeforeOptions { body: SqlExpr::Value(text), .. })
                    if matches!(text.value, Value::SingleQuotedString(_) | Value::DollarQuotedString(_)) =>
                {
                    plan_err!(
                        "CREATE FUNCTION {name}: AS {text} would return this text; write RETURN and an expression of SQL"
                    )
                }
                Some(
                    CreateFunctionBody::Return(body)
                    | CreateFunctionBody::AsBeforeOptions { body, .. }
                    | CreateFunctionBody::AsAfterOptions(body),
                ) => number_parameters(&name, body, &names),
                _ => Ok(()),
            }
        }
        Statement::DropFunction(drop) => {
            drop.func_desc.iter_mut().for_each(|FunctionDesc { name, .. }| lower(name));
            match drop.func_desc.as_slice() {
                [_] => Ok(()),
                _ => plan_err!("DROP FUNCTION drops one function, got {}", drop.func_desc.len()),
            }
        }
        _ => Ok(()),
    }
}

/// Puts `$1`, as DataFusion knows parameters, in the place of the first one's name, and so on.
fn number_parameters(function: &str, body: &mut SqlExpr, names: &[Option<String>]) -> Result<()> {
    let place = |name: &Ident| {
        let name = match name.quote_style {
            None => name.value.to_lowercase(),
            Some(_) => name.value.clone(),
        };
        names.iter().position(|other| other.as_ref() == Some(&name))
    };
    let numbered = visit_expressions_mut(body, |expr| {
        match expr {
            SqlExpr::Identifier(name) => {
                if let Some(place) = place(name) {
                    *expr = SqlExpr::value(Value::Placeholder(format!("${}", place + 1)));
                }
            }
            SqlExpr::Lambda(lambda) => {
                let mut parameters = lambda.params.iter().map(|parameter| &parameter.name);
                if let Some(name) = parameters.find(|name| place(name).is_some()) {
                    return ControlFlow::Break(name.value.clone());
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    });
    match numbered {
        ControlFlow::Break(name) => {
            plan_err!(
                "CREATE FUNCTION {function}: {name} is a parameter of it and of a function in it; give one another name"
            )
        }
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn lower(name: &mut ObjectName) {
    for part in &mut name.0 {
        if let ObjectNamePart::Identifier(part) = part
            && part.quote_style.is_none()
        {
            part.value = part.value.to_lowercase();
        }
    }
}

/// What of a definition DataFusion doesn't look at.
fn forgotten(create: &CreateFunctionAst) -> Option<&'static str> {
    let parts = [
        (create.or_alter, "OR ALTER"),
        (create.if_not_exists, "IF NOT EXISTS"),
        (create.called_on_null.is_some(), "what happens on NULL"),
        (create.parallel.is_some(), "PARALLEL"),
        (create.security.is_some(), "SECURITY"),
        (!create.set_params.is_empty(), "SET"),
        (create.using.is_some(), "USING"),
        (create.determinism_specifier.is_some(), "DETERMINISTIC"),
        (create.options.is_some(), "OPTIONS"),
        (create.remote_connection.is_some(), "REMOTE"),
    ];
    parts.into_iter().find(|(is_there, _)| *is_there).map(|(_, part)| part)
}
