//! Table functions with named options, such as `read_images(...)`, and `TABLESAMPLE`, which DataFusion parses and then ignores.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, exec_datafusion_err, plan_datafusion_err, plan_err};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    FunctionArg, TableAlias, TableFactor, TableSample, TableSampleKind, TableSampleMethod, TableSampleUnit, Value,
};

use super::arguments::{arguments, constant, from_call};
use super::cifar10::{self, Cifar10Options, Cifar10Table};
use super::images::{self, ImagesOptions, ImagesTable, Sample};
use super::speed_test::{self, SpeedTestOptions, SpeedTestTable};
use super::tfrecord::{TfRecordReadOptions, TfRecordTable};
use crate::config::OptionPage;
use crate::source::SourceOptions;
use crate::storage::{AllowList, while_others_go_on};

/// Plans table functions, `read_images('location', name => value, ...)`, and `TABLESAMPLE` of images.
#[derive(Debug)]
pub struct SourceRelationPlanner {
    /// What locations may lead to: the planner's context has no session to ask.
    allow: Arc<AllowList>,
}

impl SourceRelationPlanner {
    /// A planner whose tables keep to an allow-list.
    pub fn new(allow: Arc<AllowList>) -> Self {
        Self { allow }
    }
}

/// A table function: how it is called, and what it gives.
pub(crate) struct TableFunction {
    /// The name.
    pub(crate) name: &'static str,
    /// How it is called.
    pub(crate) syntax: &'static str,
    /// What its rows are.
    pub(crate) description: &'static str,
    /// Its named arguments.
    pub(crate) options: &'static [OptionPage],
    /// Its columns, where they are the same for all locations.
    pub(crate) columns: Option<fn() -> SchemaRef>,
    table: MakeTable,
}

type MakeTable =
    fn(&str, &[FunctionArg], &mut dyn RelationPlannerContext, &Arc<AllowList>) -> Result<Arc<dyn TableProvider>>;

/// The one list of table functions.
pub(crate) const TABLE_FUNCTIONS: &[TableFunction] = &[
    TableFunction {
        name: "read_images",
        syntax: "read_images('photos/**/*.jpg', shuffle_seed => 1)",
        description: "Image files as rows: path, time, length, label, class and bytes. Takes a directory, a file or a glob.",
        options: ImagesOptions::OPTIONS,
        columns: Some(images::columns),
        table: |name, args, context, allow| {
            let (location, options) = from_call(name, args, context)?;
            Ok(Arc::new(ImagesTable::try_new(location, options, allow)?))
        },
    },
    TableFunction {
        name: "read_tfrecord",
        syntax: "read_tfrecord('shards/*.tfrec', on_corrupt => 'skip_record')",
        description: "Records of TFRecord files as rows, with a column for each feature. Takes a directory, a file or a glob.",
        options: TfRecordReadOptions::OPTIONS,
        columns: None,
        table: |name, args, context, allow| {
            let (location, options) = from_call(name, args, context)?;
            Ok(Arc::new(TfRecordTable::infer(location, options, allow)?))
        },
    },
    TableFunction {
        name: "read_cifar10",
        syntax: "read_cifar10('cifar-10-batches-bin')",
        description: "The binary batches of CIFAR-10 as rows: label, its name and the image.",
        options: Cifar10Options::OPTIONS,
        columns: Some(cifar10::schema),
        table: |name, args, context, allow| {
            let (location, options) = from_call(name, args, context)?;
            Ok(Arc::new(Cifar10Table::try_new(location, options, allow)?))
        },
    },
    TableFunction {
        name: "speed_test",
        syntax: "speed_test('photos', 'shards/*.tfrec', batch_sizes => [2, 4, 8])",
        description: "Measures how fast image files and shards are read: a row for each repetition of each combination.",
        options: SpeedTestOptions::OPTIONS,
        columns: Some(speed_test::schema),
        table: |name, args, context, allow| {
            let (mut sources, options) = arguments::<SpeedTestOptions>(name, args, context)?;
            sources.extend(options.sources);
            Ok(Arc::new(SpeedTestTable::try_new(SpeedTestOptions { sources, ..options }, allow)?))
        },
    },
];

/// The table of a call; `None` where the function is none of ours.
fn called(
    name: &str,
    args: &[FunctionArg],
    context: &mut dyn RelationPlannerContext,
    allow: &Arc<AllowList>,
) -> Result<Option<Arc<dyn TableProvider>>> {
    let function = TABLE_FUNCTIONS.iter().find(|function| function.name == name);
    function.map(|function| (function.table)(name, args, context, allow)).transpose()
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
                let table = while_others_go_on(|| called(&name, &args.args, context, &self.allow))?;
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
    match table.downcast_ref::<ImagesTable>() {
        Some(images) => Ok(Arc::new(sampled(images, sample, context)?)),
        None => no_sample_of(name),
    }
}

fn no_sample_of<T>(name: &str) -> Result<T> {
    plan_err!("TABLESAMPLE works on tables of images, and '{name}' is none; use WHERE random() < 0.02 there")
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
    let number: f64 = constant("TABLESAMPLE", quantity.value.clone(), context)?.parse().unwrap_or(f64::NAN);
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
