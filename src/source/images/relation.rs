//! `read_images(...)` with named options, and `TABLESAMPLE`, which DataFusion parses and then ignores.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result, ScalarValue, exec_datafusion_err, plan_datafusion_err, plan_err};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, TableAlias, TableFactor, TableSample, TableSampleKind, TableSampleMethod,
    TableSampleUnit, Value,
};

use super::list::check_location;
use super::{ImagesOptions, ImagesTable, Sample};
use crate::config::names;

/// The table function's name.
const READ_IMAGES: &str = "read_images";

/// Plans `read_images('location', name => value, ...)` and `TABLESAMPLE` of images.
#[derive(Debug)]
pub struct ImagesRelationPlanner;

impl RelationPlanner for ImagesRelationPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match relation {
            TableFactor::Table { ref name, args: Some(ref args), ref sample, ref alias, .. }
                if name.to_string().eq_ignore_ascii_case(READ_IMAGES) =>
            {
                let mut table = read_images(&args.args, context)?;
                if let Some(sample) = sample {
                    table = sampled(&table, kind(sample), context)?;
                }
                let plan = LogicalPlanBuilder::scan(READ_IMAGES, provider_as_source(Arc::new(table)), None)?;
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
        let provider = source_as_provider(&scan.source)?;
        if let Some(table) = provider.downcast_ref::<ImagesTable>() {
            scan.source = provider_as_source(Arc::new(sampled(table, sample, context)?));
            return Ok(LogicalPlan::TableScan(scan));
        }
    }
    plan_err!("TABLESAMPLE works on tables of images, and '{name}' is none; use WHERE random() < 0.02 there")
}

fn read_images(args: &[FunctionArg], context: &mut dyn RelationPlannerContext) -> Result<ImagesTable> {
    let mut location = None;
    let mut options = ImagesOptions::default();
    for arg in args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if location.is_none() => {
                location = Some(text(expr.clone(), context)?);
            }
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                options.set(&name.value.to_ascii_lowercase(), &text(expr.clone(), context)?)?;
            }
            FunctionArg::ExprNamed { name: ast::Expr::Identifier(name), arg: FunctionArgExpr::Expr(expr), .. } => {
                options.set(&name.value.to_ascii_lowercase(), &text(expr.clone(), context)?)?;
            }
            other => {
                return plan_err!(
                    "read_images takes a location and options as name => value, got {other}; the options are {}",
                    names(&ImagesOptions::OPTIONS)
                );
            }
        }
    }
    let Some(location) = location else {
        return plan_err!("read_images takes a location, as in read_images('photos/**/*.jpg')");
    };
    check_location(&location)?;
    Ok(ImagesTable::new(location, options))
}

/// The text of a constant.
fn text(expr: ast::Expr, context: &mut dyn RelationPlannerContext) -> Result<String> {
    let shown = expr.to_string();
    let value = match context.sql_to_expr(expr, &DFSchema::empty())? {
        Expr::Literal(value, _) if !value.is_null() => value,
        _ => return plan_err!("read_images takes constants, got {shown}"),
    };
    match value.cast_to(&datafusion::arrow::datatypes::DataType::Utf8)? {
        ScalarValue::Utf8(Some(text)) => Ok(text),
        _ => plan_err!("read_images takes constants, got {shown}"),
    }
}

fn sampled(table: &ImagesTable, sample: &TableSample, context: &mut dyn RelationPlannerContext) -> Result<ImagesTable> {
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
    let number: f64 = text(quantity.value.clone(), context)?.parse().unwrap_or(f64::NAN);
    let sample = match quantity.unit {
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
    };
    let options = ImagesOptions { sample: Some(sample), ..table.options().clone() };
    Ok(table.with_options(options))
}
