//! Table functions with named options, such as `read_images(...)`, and `TABLESAMPLE`, which DataFusion parses and then ignores.

use std::sync::{Arc, mpsc};

use datafusion::catalog::TableProvider;
use datafusion::common::{Result, exec_datafusion_err, plan_datafusion_err, plan_err};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    FunctionArg, TableAlias, TableFactor, TableSample, TableSampleKind, TableSampleMethod, TableSampleUnit, Value,
};

use super::arguments::constant;
use super::images::{lacks_list_columns, with_list_columns};
use super::{SOURCES, Sample, partitioned_table};
use crate::exec::io_runtime;
use crate::storage::{Reach, while_others_go_on};

/// Plans table functions, `read_images('location', name => value, ...)`, and `TABLESAMPLE` of images.
#[derive(Debug)]
pub struct SourceRelationPlanner {
    /// What locations may lead to: the planner's context has no session to ask.
    reach: Reach,
    /// What lists of files are read with.
    state: SessionState,
}

impl SourceRelationPlanner {
    /// A planner whose tables are made of what a session can reach; they look at lists with its state.
    pub(crate) fn new(reach: Reach, state: SessionState) -> Self {
        Self { reach, state }
    }

    /// The table of a call; `None` where the function is none of ours.
    fn called(
        &self,
        name: &str,
        args: &[FunctionArg],
        context: &mut dyn RelationPlannerContext,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(table) = called(name, args, context, &self.reach)? else { return Ok(None) };
        if !lacks_list_columns(table.as_ref()) {
            return Ok(Some(table));
        }
        let (sender, receiver) = mpsc::channel();
        let state = self.state.clone();
        io_runtime(state.config()).spawn(async move {
            // Nobody waits any more for a statement that was given up.
            let _ = sender.send(with_list_columns(table, &state).await);
        });
        let table = receiver.recv().map_err(|_| exec_datafusion_err!("the process is about to end"))?;
        table.map(Some)
    }
}

/// The table of a call; `None` where the function is none of ours.
fn called(
    name: &str,
    args: &[FunctionArg],
    context: &mut dyn RelationPlannerContext,
    reach: &Reach,
) -> Result<Option<Arc<dyn TableProvider>>> {
    let source = SOURCES.iter().find(|source| source.function.name == name);
    source.map(|source| source.called(args, context, reach)).transpose()
}

impl RelationPlanner for SourceRelationPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match relation {
            TableFactor::Table { ref name, args: Some(ref args), ref sample, ref alias, .. } => {
                let name = name.to_string().to_ascii_lowercase();
                // Some look at the files to tell what columns there are.
                let table = while_others_go_on(|| self.called(&name, &args.args, context))?;
                let Some(mut table) = table else {
                    return Ok(RelationPlanning::Original(Box::new(relation)));
                };
                if let Some(sample) = sample {
                    table = sampled_table(&table, kind(sample), &name, context)?;
                }
                let plan = LogicalPlanBuilder::scan(name, provider_as_source(table), None)?;
                planned(plan.build()?, alias.clone())
            }
            TableFactor::Table {
                sample: Some(sample),
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                index_hints,
            } => {
                let inner = TableFactor::Table {
                    sample: None,
                    alias: None,
                    name: name.clone(),
                    args,
                    with_hints,
                    version,
                    with_ordinality,
                    partitions,
                    json_path,
                    index_hints,
                };
                let plan = sample_scan(context.plan(inner)?, kind(&sample), &name.to_string(), context)?;
                planned(plan, alias)
            }
            TableFactor::Derived { sample: Some(_), .. } => {
                plan_err!("TABLESAMPLE works on a table of images, not on a subquery; put it behind the table's name")
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

fn planned(plan: LogicalPlan, alias: Option<TableAlias>) -> Result<RelationPlanning> {
    Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
}

fn kind(sample: &TableSampleKind) -> &TableSample {
    match sample {
        TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample) => sample,
    }
}

fn sample_scan(
    plan: LogicalPlan,
    sample: &TableSample,
    name: &str,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    if let LogicalPlan::TableScan(mut scan) = plan {
        let table = sampled_table(&source_as_provider(&scan.source)?, sample, name, context)?;
        scan.source = provider_as_source(table);
        return Ok(LogicalPlan::TableScan(scan));
    }
    no_sample_of(name)
}

fn sampled_table(
    table: &Arc<dyn TableProvider>,
    sample: &TableSample,
    name: &str,
    context: &mut dyn RelationPlannerContext,
) -> Result<Arc<dyn TableProvider>> {
    let Some(table) = partitioned_table(table.as_ref()) else { return no_sample_of(name) };
    match table.sampled(parsed(sample, context)?) {
        Some(sampled) => Ok(sampled),
        None => no_sample_of(name),
    }
}

fn no_sample_of<T>(name: &str) -> Result<T> {
    plan_err!("TABLESAMPLE works on tables of images, and '{name}' is none; use WHERE random() < 0.02 there")
}

fn parsed(sample: &TableSample, context: &mut dyn RelationPlannerContext) -> Result<Sample> {
    if let Some(method @ (TableSampleMethod::System | TableSampleMethod::Block)) = &sample.name {
        return plan_err!("TABLESAMPLE {method} is not supported; use TABLESAMPLE BERNOULLI (percent)");
    }
    if sample.bucket.is_some() || sample.offset.is_some() {
        return plan_err!("TABLESAMPLE takes BERNOULLI (percent) or (n ROWS), got {sample}");
    }
    let Some(quantity) = &sample.quantity else {
        return plan_err!("TABLESAMPLE takes a percentage, as in TABLESAMPLE BERNOULLI (2)");
    };
    let seed = match sample.seed.as_ref().map(|seed| &seed.value.value) {
        None => getrandom::u64().map_err(|error| {
            exec_datafusion_err!("TABLESAMPLE: no random seed: {error}; give one with REPEATABLE (seed)")
        })?,
        Some(Value::Number(seed, _)) => seed
            .to_string()
            .parse()
            .map_err(|_| plan_datafusion_err!("TABLESAMPLE: the seed must be a whole number from 0, got {seed}"))?,
        Some(other) => return plan_err!("TABLESAMPLE: the seed must be a whole number from 0, got {other}"),
    };
    let number: f64 = constant("TABLESAMPLE", quantity.value.clone(), context)?.parse().unwrap_or(f64::NAN);
    Ok(match quantity.unit {
        Some(TableSampleUnit::Rows) if number >= 0.0 && number.fract() == 0.0 => {
            Sample::Rows { rows: number as usize, seed }
        }
        Some(TableSampleUnit::Rows) => {
            return plan_err!("TABLESAMPLE: rows must be a whole number from 0, got {}", quantity.value);
        }
        None | Some(TableSampleUnit::Percent) if (0.0..=100.0).contains(&number) => {
            Sample::Fraction { fraction: number / 100.0, seed }
        }
        None | Some(TableSampleUnit::Percent) => {
            return plan_err!("TABLESAMPLE: the percentage must be 0 to 100, got {}", quantity.value);
        }
    })
}
