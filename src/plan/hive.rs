//! Directories `column=value` of DataFusion's own formats: NULL is written as NULL, and read as NULL.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::{ListingOptions, ListingTable};
use datafusion::datasource::source_as_provider;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::dml::{CopyTo, DmlStatement};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, Projection, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TableScan,
    Union, Volatility, cast as cast_to, lit,
};
use datafusion::object_store::path::PathPart;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{AnalyzerRule, OptimizerConfig, OptimizerRule};

use crate::format::{HIVE_NULL, check_value};
use crate::source::FilesTable;

/// Columns of directories whose value is Hive's word for NULL are NULL, which DataFusion takes for a text.
#[derive(Debug)]
pub(crate) struct ReadHiveNulls;

impl AnalyzerRule for ReadHiveNulls {
    fn name(&self) -> &str {
        "read_hive_nulls"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let mut is_needed = false;
        plan.apply_with_subqueries(|plan| {
            if let LogicalPlan::TableScan(scan) = plan {
                is_needed |= !directory_columns(scan).is_empty();
            }
            Ok(if is_needed { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        if !is_needed {
            return Ok(plan);
        }
        let changed = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::TableScan(scan) => with_nulls(scan),
            // It would keep its schema, in which these columns are never NULL.
            LogicalPlan::Union(union) => Ok(Transformed::yes(LogicalPlan::Union(Union::try_new(union.inputs)?))),
            other => other.recompute_schema().map(Transformed::yes),
        })?;
        Ok(changed.data)
    }
}

/// Filters by columns of directories are true or false: DataFusion's listing takes what is neither for either.
#[derive(Debug)]
pub(crate) struct CertainDirectoryFilters;

impl OptimizerRule for CertainDirectoryFilters {
    fn name(&self) -> &str {
        "certain_directory_filters"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::TableScan(mut scan) = plan else { return Ok(Transformed::no(plan)) };
        let columns = directory_columns(&scan);
        let is_uncertain = |filter: &Expr| {
            let found = filter.column_refs();
            let is_of_directories = !found.is_empty() && found.iter().all(|column| columns.contains(&column.name));
            is_of_directories && !matches!(filter, Expr::IsTrue(_))
        };
        if !scan.filters.iter().any(is_uncertain) {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        }
        let filters = scan.filters.into_iter();
        scan.filters = filters.map(|filter| if is_uncertain(&filter) { filter.is_true() } else { filter }).collect();
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    }
}

/// The columns of directories that are texts, of a table of DataFusion's own.
fn directory_columns(scan: &TableScan) -> Vec<String> {
    let Ok(provider) = source_as_provider(&scan.source) else { return Vec::new() };
    let Some(options) = listing_options(provider.as_ref()) else { return Vec::new() };
    let columns = options.table_partition_cols.iter().filter(|(_, data_type)| is_text(data_type));
    columns.map(|(name, _)| name.clone()).collect()
}

/// How the files of a table are read, where DataFusion reads them.
fn listing_options(table: &dyn TableProvider) -> Option<&ListingOptions> {
    let files = table.downcast_ref::<FilesTable>().map(FilesTable::options);
    files.or_else(|| table.downcast_ref::<ListingTable>().map(ListingTable::options))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => other.is_string(),
    }
}

/// The scan below a projection that makes NULL of Hive's word for it.
fn with_nulls(scan: TableScan) -> Result<Transformed<LogicalPlan>> {
    let columns = directory_columns(&scan);
    if columns.is_empty() {
        return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
    }
    let schema = Arc::clone(&scan.projected_schema);
    let exprs = schema.iter().map(|(qualifier, field)| {
        let column = Expr::from((qualifier, field));
        match columns.contains(field.name()) {
            true => {
                let value = nullif(cast_to(column, DataType::Utf8), lit(HIVE_NULL));
                cast_to(value, field.data_type().clone()).alias_qualified(qualifier.cloned(), field.name())
            }
            false => column,
        }
    });
    let exprs = exprs.collect();
    let plan = Projection::try_new(exprs, Arc::new(LogicalPlan::TableScan(scan)))?;
    Ok(Transformed::yes(LogicalPlan::Projection(plan)))
}

/// A `COPY` of DataFusion's own, whose directories say NULL where a value is.
pub(super) fn copy_with_nulls(mut copy: CopyTo, options: &ConfigOptions) -> Result<CopyTo> {
    let is_kept = match copy.options.get("execution.keep_partition_by_columns") {
        Some(value) => value.trim() == "true",
        None => options.execution.keep_partition_by_columns,
    };
    // Columns that are kept in the files, too, keep their types.
    copy.input =
        with_directory_values(copy.input, &copy.partition_by, |data_type| !is_kept && becomes_text(data_type))?;
    Ok(copy)
}

/// An `INSERT` into a table of DataFusion's own, whose directories say NULL where a value is.
pub(super) fn insert_with_nulls(mut insert: DmlStatement, options: &ConfigOptions) -> Result<DmlStatement> {
    let provider = source_as_provider(&insert.target)?;
    let Some(listing) = listing_options(provider.as_ref()) else { return Ok(insert) };
    let columns: Vec<String> = listing.table_partition_cols.iter().map(|(name, _)| name.clone()).collect();
    let is_kept = options.execution.keep_partition_by_columns;
    // The columns have the types of the table.
    insert.input = with_directory_values(insert.input, &columns, |data_type| !is_kept && data_type == &DataType::Utf8)?;
    Ok(insert)
}

/// The types whose values DataFusion writes as texts, as Arrow does.
fn becomes_text(data_type: &DataType) -> bool {
    use DataType::{Boolean, Date32, Float32, Float64};
    is_text(data_type) || data_type.is_integer() || matches!(data_type, Boolean | Date32 | Float32 | Float64)
}

/// The rows with columns whose values are names of directories.
fn with_directory_values(
    input: Arc<LogicalPlan>,
    columns: &[String],
    is_text: impl Fn(&DataType) -> bool,
) -> Result<Arc<LogicalPlan>> {
    // On a scheduler a plan comes from a client that has done this already.
    if columns.is_empty() || has_directory_values(&input) {
        return Ok(input);
    }
    let schema = Arc::clone(input.schema());
    let exprs = schema.iter().map(|(qualifier, field)| {
        let column = Expr::from((qualifier, field));
        if !columns.contains(field.name()) {
            return column;
        }
        let function = ScalarUDF::from(DirectoryValue::new(is_text(field.data_type())));
        function.call(vec![column, lit(field.name().as_str())]).alias_qualified(qualifier.cloned(), field.name())
    });
    Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs.collect(), input)?)))
}

fn has_directory_values(input: &LogicalPlan) -> bool {
    let LogicalPlan::Projection(projection) = input else { return false };
    let is_one = |expr: &Expr| match expr {
        Expr::ScalarFunction(call) => DirectoryValue::NAMES.contains(&call.func.name()),
        _ => false,
    };
    projection.expr.iter().any(|expr| is_one(&expr.clone().unalias()))
}

/// `__directory_value(value, column)`: the text of a directory's value, of NULL Hive's word for it. `__checked_directory_value` leaves
/// the value as it is, and NULL has no place in it. Both refuse what wouldn't come back.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DirectoryValue {
    is_text: bool,
    signature: Signature,
}

impl DirectoryValue {
    const NAMES: [&str; 2] = ["__directory_value", "__checked_directory_value"];

    pub(super) fn new(is_text: bool) -> Self {
        Self { is_text, signature: Signature::any(2, Volatility::Immutable) }
    }

    fn check(&self, column: &str, texts: &StringArray) -> Result<()> {
        for text in texts {
            let name = format!("{column}={}", text.unwrap_or(HIVE_NULL));
            if text.is_none() && !self.is_text {
                return exec_err!(
                    "PARTITIONED BY: column '{column}' holds NULL, which has no place in a directory's name where the column keeps its \
                     type; leave such rows out, or make it VARCHAR"
                );
            }
            if let Err(message) = check_value(column, text, PathPart::from(name).as_ref().len()) {
                return exec_err!("{message}");
            }
        }
        Ok(())
    }
}

/// Values as DataFusion writes them into names.
fn texts(values: &ArrayRef) -> Result<StringArray> {
    fn numbers<T: ToString>(values: impl Iterator<Item = Option<T>>) -> StringArray {
        values.map(|value| value.map(|value| value.to_string())).collect()
    }
    Ok(match values.data_type() {
        // 1.0 is 1 there.
        DataType::Float32 => numbers(values.as_primitive::<Float32Type>().iter()),
        DataType::Float64 => numbers(values.as_primitive::<Float64Type>().iter()),
        _ => cast(values, &DataType::Utf8)?.as_string::<i32>().clone(),
    })
}

impl ScalarUDFImpl for DirectoryValue {
    fn name(&self) -> &str {
        Self::NAMES[usize::from(!self.is_text)]
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(if self.is_text { DataType::Utf8 } else { types.first().cloned().unwrap_or(DataType::Null) })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, ColumnarValue::Scalar(column)] = args.args.as_slice() else {
            return internal_err!("{}: the column's name is no constant", self.name());
        };
        let column = column.try_as_str().flatten().unwrap_or_default();
        let values = value.to_array(args.number_rows)?;
        let texts = texts(&values)?;
        self.check(column, &texts)?;
        if !self.is_text {
            return Ok(ColumnarValue::Array(values));
        }
        let texts: StringArray = texts.iter().map(|text| Some(text.unwrap_or(HIVE_NULL))).collect();
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}
