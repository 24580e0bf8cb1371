//! A statement that is planned and has done nothing yet.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{ParamValues, Result as QueryResult, ScalarValue, TableReference, plan_err};
use datafusion::logical_expr::{DdlStatement, LogicalPlan, Statement as LogicalStatement};
use datafusion::optimizer::Analyzer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::Statement as SqlStatement;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Query, SetExpr, Statement as Ast, TableFactor};

use super::statement::{Parsed, Statement, Summarized, only};
use crate::error::Result;
use crate::learn::{Evaluation, Fit, ModelStatement, Models, description, evaluation, of_clusters, of_models};
use crate::plan::{amend_statement, check_dropped_function, check_locations, summary, with_headers_only};
use crate::session::{first_options, shares_memory};
use crate::sink::WriteShardsNode;
use crate::source::stored::{Store, count_tables, uncache};
use crate::storage::{AllowList, while_others_go_on};
use crate::words::{one_line, quoted};

/// What a statement does besides giving rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementKind {
    /// Nothing: it only gives rows.
    Query,
    /// It writes files or rows, and says so in rows.
    Write,
    /// It changes the session's tables, models or settings. It has no rows, but for those that say what a model has come to.
    Definition,
}

/// A planned statement. It can be run more than once.
#[derive(Debug, Clone)]
pub struct PlannedStatement {
    /// Its beginning, in one line.
    pub(crate) name: String,
    step: Step,
    /// What planning makes of it.
    analyzer: Arc<Analyzer>,
    options: Arc<ConfigOptions>,
}

#[derive(Debug, Clone)]
enum Step {
    Plan(LogicalPlan),
    /// A query whose rows become a cached table.
    Cache {
        table: TableReference,
        query: LogicalPlan,
        /// Whether they are those of the table itself.
        is_own: bool,
    },
    Uncache {
        table: TableReference,
        if_exists: bool,
    },
    /// A query to whose rows a model is fitted.
    Fit {
        fit: Box<Fit>,
        query: LogicalPlan,
    },
    /// A statement about models without rows.
    Model(ModelStatement),
}

/// What becomes of the rows of a plan that don't come out.
#[derive(Debug)]
pub(crate) enum Then {
    /// They are a table.
    Store(Store),
    /// A model is fitted to them.
    Fit(Box<Fit>),
}

/// The memory of a session, and DataFusion's own name for it.
const MEMORY_LIMIT: &str = "pixmill.memory_limit";
const RUNTIME_MEMORY_LIMIT: &str = "datafusion.runtime.memory_limit";

/// Most characters of a statement that name its job.
const NAME_LENGTH: usize = 80;

impl PlannedStatement {
    /// Plans a statement.
    pub(crate) async fn plan(ctx: &SessionContext, statement: Statement) -> QueryResult<Self> {
        let name = one_line(&statement.to_string(), NAME_LENGTH);
        let step = match statement.0 {
            Parsed::Sql(statement) => Step::Plan(plan(ctx, *statement).await?),
            Parsed::Summarize(summarized) => {
                let (rows, relation) = match *summarized {
                    Summarized::Query(query) => (plan(ctx, select(query.clone())).await?, format!("({query})")),
                    Summarized::Table(table) => (plan(ctx, all_of(table.clone())?).await?, table.to_string()),
                };
                let summary = plan(ctx, only(&summary(&rows, &relation))?).await?;
                Step::Plan(with_headers_only(summary, &rows)?)
            }
            Parsed::Cache { table, query } => {
                let is_own = query.is_none();
                let query = match query {
                    Some(query) => select(*query),
                    None => all_of(only_table(table.clone())?)?,
                };
                Step::Cache { table: reference(ctx, &table), query: plan(ctx, query).await?, is_own }
            }
            Parsed::Uncache { table, if_exists } => Step::Uncache { table: reference(ctx, &table), if_exists },
            Parsed::Model(statement) => plan_of_models(ctx, *statement).await?,
        };
        let state = ctx.state();
        Ok(Self {
            name,
            step,
            analyzer: Arc::new(state.analyzer().clone()),
            options: Arc::clone(state.config_options()),
        })
    }

    /// The columns of the rows; none where there are no rows.
    pub fn schema(&self) -> SchemaRef {
        match &self.step {
            Step::Plan(plan) if self.kind() != StatementKind::Definition => {
                // It changes types, and what a COPY tells. What can't be planned further says so when it is run.
                let analyzed = self.analyzer.execute_and_check(plan.clone(), &self.options, |_, _| ());
                Arc::clone(analyzed.as_ref().unwrap_or(plan).schema().inner())
            }
            Step::Fit { .. } => Fit::schema(),
            _ => Arc::new(Schema::empty()),
        }
    }

    /// What it does besides giving rows.
    pub fn kind(&self) -> StatementKind {
        match &self.step {
            Step::Plan(plan) => kind(plan),
            Step::Fit { fit, .. } if fit.has_location() => StatementKind::Write,
            Step::Fit { .. } | Step::Cache { .. } | Step::Uncache { .. } | Step::Model(_) => StatementKind::Definition,
        }
    }

    /// The parameters, `$1` or the first `?` first, of type Null where the statement doesn't tell.
    ///
    /// # Errors
    /// A parameter that is used as one type and as another.
    pub fn parameters(&self) -> Result<SchemaRef> {
        let Some(plan) = self.parameterized() else { return Ok(Arc::new(Schema::empty())) };
        let mut found: Vec<(String, Option<FieldRef>)> = plan.get_parameter_fields()?.into_iter().collect();
        let number = |name: &str| name.trim_start_matches('$').parse::<usize>().unwrap_or(usize::MAX);
        found.sort_by(|(a, _), (b, _)| (number(a), a).cmp(&(number(b), b)));
        let field = |(name, field): (String, Option<FieldRef>)| {
            let data_type = field.map_or(DataType::Null, |field| field.data_type().clone());
            Field::new(name, data_type, true)
        };
        Ok(Arc::new(Schema::new(found.into_iter().map(field).collect::<Vec<_>>())))
    }

    /// The same statement with values for its parameters.
    ///
    /// # Errors
    /// Too few values, or one of a type that can't stand there.
    pub fn bind(&self, values: Vec<ScalarValue>) -> Result<Self> {
        let count = self.parameters()?.fields().len();
        if count != values.len() {
            let told = plan_err!("the statement has {count} parameters, got {} values", values.len());
            return Ok(told?);
        }
        let mut bound = self.clone();
        if let Some(plan) = bound.step.parameterized_mut() {
            *plan = plan.clone().with_param_values(ParamValues::from(values))?;
        }
        Ok(bound)
    }

    fn parameterized(&self) -> Option<&LogicalPlan> {
        match &self.step {
            Step::Plan(plan) | Step::Cache { query: plan, .. } | Step::Fit { query: plan, .. } => Some(plan),
            Step::Uncache { .. } | Step::Model(_) => None,
        }
    }

    /// Does what has no rows, and gives the plan of what there is to execute, with what is to be done with its rows.
    pub(crate) async fn begin(self, ctx: &SessionContext) -> QueryResult<(Arc<dyn ExecutionPlan>, Option<Then>)> {
        let (query, then) = match self.step {
            Step::Plan(LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(create))) => {
                match Store::create(ctx, create).await? {
                    Some((query, store)) => (query, Then::Store(store)),
                    None => return Ok(nothing()),
                }
            }
            Step::Plan(LogicalPlan::Statement(LogicalStatement::ResetVariable(reset))) => {
                reset_options(ctx, &reset.variable).await?;
                return Ok(nothing());
            }
            Step::Plan(plan) => {
                let is_of_memory = set_memory(ctx, &plan).await?;
                let plan = ctx.execute_logical_plan(plan).await?.create_physical_plan().await?;
                if is_of_memory {
                    count_tables(ctx).await?;
                }
                return Ok((plan, None));
            }
            Step::Cache { table, query, is_own } => {
                let Some(store) = Store::cache(ctx, table, &query, is_own).await? else { return Ok(nothing()) };
                (query, Then::Store(store))
            }
            Step::Fit { fit, query } => {
                if !fit.is_needed(ctx)? {
                    return Ok((Arc::new(EmptyExec::new(Fit::schema())), None));
                }
                (query, Then::Fit(fit))
            }
            Step::Model(statement) => {
                define_model(ctx, &statement)?;
                return Ok(nothing());
            }
            Step::Uncache { table, if_exists } => {
                uncache(ctx, table, if_exists).await?;
                return Ok(nothing());
            }
        };
        Ok((DataFrame::new(ctx.state(), query).create_physical_plan().await?, Some(then)))
    }
}

impl Step {
    fn parameterized_mut(&mut self) -> Option<&mut LogicalPlan> {
        match self {
            Self::Plan(plan) | Self::Cache { query: plan, .. } | Self::Fit { query: plan, .. } => Some(plan),
            Self::Uncache { .. } | Self::Model(_) => None,
        }
    }
}

fn nothing() -> (Arc<dyn ExecutionPlan>, Option<Then>) {
    (Arc::new(EmptyExec::new(Arc::new(Schema::empty()))), None)
}

fn kind(plan: &LogicalPlan) -> StatementKind {
    match plan {
        LogicalPlan::Ddl(_) | LogicalPlan::Statement(_) => StatementKind::Definition,
        LogicalPlan::Copy(_) | LogicalPlan::Dml(_) => StatementKind::Write,
        LogicalPlan::Extension(extension) if extension.node.as_any().is::<WriteShardsNode>() => StatementKind::Write,
        // It runs what it explains.
        LogicalPlan::Analyze(analyze) => kind(&analyze.input),
        _ => StatementKind::Query,
    }
}

/// Plans a statement about models.
async fn plan_of_models(ctx: &SessionContext, statement: ModelStatement) -> QueryResult<Step> {
    let shown = |rows: RecordBatch| ctx.read_batch(rows).map(|rows| Step::Plan(rows.into_unoptimized_plan()));
    match statement {
        ModelStatement::Create(create) => {
            let rows = plan(ctx, select(create.query.as_ref().clone())).await?;
            let (fit, query) = Fit::plan(ctx, &create, rows)?;
            Ok(Step::Fit { fit: Box::new(fit), query })
        }
        ModelStatement::Evaluate { name, is_confusion, query } => {
            Ok(Step::Plan(match evaluation(ctx, &name, is_confusion, &query)? {
                Evaluation::Sql(sql) => plan(ctx, only(&sql)?).await?,
                Evaluation::OfClusters(model) => of_clusters(&model, plan(ctx, select(*query)).await?)?,
            }))
        }
        ModelStatement::Show => shown(of_models(&ctx.copied_config())?),
        ModelStatement::Describe { name } => shown(description(&ctx.copied_config(), &name)?),
        other => Ok(Step::Model(other)),
    }
}

/// Does what a statement about models without rows says.
fn define_model(ctx: &SessionContext, statement: &ModelStatement) -> QueryResult<()> {
    let Some(models) = Models::of(&ctx.copied_config()) else { return plan_err!("this session has no models") };
    statement.define(&models)
}

async fn plan(ctx: &SessionContext, mut statement: SqlStatement) -> QueryResult<LogicalPlan> {
    let state = ctx.state();
    let allow = AllowList::of(state.config());
    while_others_go_on(|| amend_statement(&mut statement, &state, &allow))?;
    let mut plan = state.statement_to_plan(statement).await?;
    if matches!(plan, LogicalPlan::Statement(LogicalStatement::Execute(_))) {
        // It stands for another statement, which runs later.
        plan = ctx.execute_logical_plan(plan).await?.into_unoptimized_plan();
    }
    check_dropped_function(&plan, &state)?;
    while_others_go_on(|| check_locations(&plan, &allow))?;
    Ok(plan)
}

/// The limit is the runtime's; DataFusion's own option changes it. Whether a statement is about the runtime.
async fn set_memory(ctx: &SessionContext, plan: &LogicalPlan) -> QueryResult<bool> {
    let LogicalPlan::Statement(LogicalStatement::SetVariable(set)) = plan else { return Ok(false) };
    check_shared(ctx, &set.variable)?;
    let is_limit = set.variable.eq_ignore_ascii_case(MEMORY_LIMIT);
    if is_limit {
        ctx.sql(&format!("SET {RUNTIME_MEMORY_LIMIT} = {}", quoted(&set.value))).await?;
    }
    Ok(is_limit || set.variable.to_ascii_lowercase().starts_with("datafusion.runtime."))
}

/// Refuses to change what is others', too.
fn check_shared(ctx: &SessionContext, option: &str) -> QueryResult<()> {
    let option = option.to_ascii_lowercase();
    match (option == MEMORY_LIMIT || option.starts_with("datafusion.runtime.")) && shares_memory(ctx) {
        true => plan_err!("{option} can't be changed here: all sessions of this server share its memory"),
        false => Ok(()),
    }
}

/// `RESET name` and `RESET ALL`: options become what they were when the session began.
async fn reset_options(ctx: &SessionContext, option: &str) -> QueryResult<()> {
    let first = first_options(ctx);
    let now = ctx.copied_config().options().entries();
    let had = |option: &str| first.iter().find(|entry| entry.key == option).and_then(|entry| entry.value.clone());
    let changed = now.iter().filter(|entry| entry.value != had(&entry.key)).map(|entry| entry.key.as_str());
    let options: Vec<&str> = match option {
        "all" if shares_memory(ctx) => changed.collect(),
        // The runtime's own name for it may have changed it, too.
        "all" => changed.chain([MEMORY_LIMIT]).collect(),
        // It is no entry, and DataFusion's default is no limit.
        RUNTIME_MEMORY_LIMIT => vec![MEMORY_LIMIT],
        option => vec![option],
    };
    for option in options {
        check_shared(ctx, option)?;
        match had(option) {
            Some(value) => {
                ctx.sql(&format!("SET {option} = {}", quoted(&value))).await?;
                if option == MEMORY_LIMIT {
                    ctx.sql(&format!("SET {RUNTIME_MEMORY_LIMIT} = {}", quoted(&value))).await?;
                }
            }
            None if option.starts_with("pixmill.") => {
                let names = now.iter().map(|entry| entry.key.as_str()).filter(|name| name.starts_with("pixmill."));
                let names = names.collect::<Vec<_>>().join(", ");
                return plan_err!(
                    "RESET: there is no option '{option}'; those of pixmill are {names}, and RESET ALL resets all"
                );
            }
            // What has no value in the beginning, or is no entry.
            None => drop(ctx.sql(&format!("RESET {option}")).await?),
        }
    }
    // A new limit is a new pool.
    count_tables(ctx).await
}

fn select(query: Query) -> SqlStatement {
    SqlStatement::Statement(Box::new(Ast::Query(Box::new(query))))
}

fn only_table(name: ObjectName) -> QueryResult<TableFactor> {
    table_of(only("SELECT * FROM t")?, |table| {
        if let TableFactor::Table { name: placeholder, .. } = table {
            *placeholder = name;
        }
    })
    .map(|(_, table)| table)
}

/// `SELECT *` from a table that was parsed, with the places of its names.
fn all_of(table: TableFactor) -> QueryResult<SqlStatement> {
    table_of(only("SELECT * FROM t")?, |place| *place = table).map(|(statement, _)| statement)
}

/// Changes the one table of a query.
fn table_of(
    mut statement: SqlStatement,
    change: impl FnOnce(&mut TableFactor),
) -> QueryResult<(SqlStatement, TableFactor)> {
    if let SqlStatement::Statement(ast) = &mut statement
        && let Ast::Query(query) = ast.as_mut()
        && let SetExpr::Select(select) = query.body.as_mut()
        && let Some(from) = select.from.first_mut()
    {
        change(&mut from.relation);
        let table = from.relation.clone();
        return Ok((statement, table));
    }
    plan_err!("no table: '{statement}'")
}

/// A table's name as the session has it.
fn reference(ctx: &SessionContext, name: &ObjectName) -> TableReference {
    let normalize = ctx.state().config().options().sql_parser.enable_ident_normalization;
    let part = |ident: &Ident| match ident.quote_style {
        None if normalize => ident.value.to_lowercase(),
        _ => ident.value.clone(),
    };
    let mut parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(part).collect();
    let table = parts.pop().unwrap_or_default();
    match (parts.pop(), parts.pop()) {
        (Some(schema), Some(catalog)) => TableReference::full(catalog, schema, table),
        (Some(schema), None) => TableReference::partial(schema, table),
        _ => TableReference::bare(table),
    }
}
