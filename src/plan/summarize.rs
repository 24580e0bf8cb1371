//! `SUMMARIZE`: the query that says what a table holds, of images by their headers.

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::format::kind::{IMAGE_COLUMNS, LABEL_COLUMNS};
use crate::source::{Extent, partitioned_table};
use crate::words::{identifier, quoted};

/// The query that summarizes the rows of `rows`, which `relation` gives in SQL.
pub(crate) fn summary(rows: &LogicalPlan, relation: &str) -> String {
    let schema = rows.schema().as_arrow();
    let is_image = |name: &&&str| {
        let field = schema.field_with_name(name);
        field.is_ok_and(|field| matches!(field.data_type(), DataType::Binary | DataType::LargeBinary))
    };
    match IMAGE_COLUMNS.iter().find(is_image) {
        Some(image) => of_images(schema, image, relation),
        None => of_columns(schema, relation),
    }
}

/// One row for each label, and one for all.
fn of_images(schema: &Schema, image: &str, relation: &str) -> String {
    let image = identifier(image);
    let label = LABEL_COLUMNS.iter().find(|name| schema.field_with_name(name).is_ok());
    let length = schema.field_with_name("length").is_ok_and(|field| field.data_type() == &DataType::Int64);
    let bytes = if length { "length".to_string() } else { format!("octet_length({image})") };
    let formats: Vec<String> = pixmill_udfs::formats()
        .iter()
        .map(|format| {
            let count = format!("count(*) FILTER (WHERE info['format'] = '{format}')");
            format!("CASE WHEN {count} > 0 THEN concat('{format} ', {count}) END")
        })
        .collect();
    let formats = formats.join(", ");
    // The smallest, the largest and the median.
    let range = |value: &str, median: &str| {
        let known = "count(info['format']) > 0";
        format!("CASE WHEN {known} THEN concat(min({value}), ' to ', max({value}), ' (', {median}, ')') END")
    };
    let pixels = |value: &str| range(value, &format!("CAST(approx_median({value}) AS BIGINT)"));
    let ratio = "round(CAST(info['width'] AS DOUBLE) / info['height'], 2)";
    let columns = format!(
        "count(*) AS images,
         count(*) - count(info['format']) AS broken,
         concat_ws(', ', {formats}) AS formats,
         sum(bytes) AS bytes,
         CAST(avg(bytes) AS BIGINT) AS mean_bytes,
         {} AS width,
         {} AS height,
         {} AS aspect_ratio",
        pixels("info['width']"),
        pixels("info['height']"),
        // The median lies between two of the values, with all of a number's digits.
        range(ratio, &format!("round(approx_median({ratio}), 2)"))
    );
    let Some(label) = label else {
        return format!("SELECT {columns} FROM (SELECT {bytes} AS bytes, image_info({image}) AS info FROM {relation})");
    };
    let label = identifier(label);
    format!(
        "SELECT CASE WHEN grouping(label) = 1 THEN '(all)' ELSE label END AS label, {columns}
         FROM (SELECT CAST({label} AS VARCHAR) AS label, {bytes} AS bytes, image_info({image}) AS info FROM {relation})
         GROUP BY GROUPING SETS ((label), ()) ORDER BY grouping(label), label"
    )
}

/// One row for each column.
fn of_columns(schema: &Schema, relation: &str) -> String {
    let rows: Vec<String> = schema.fields().iter().map(|field| of_column(field)).collect();
    let told = COLUMNS.map(|column| format!("told['{column}'] AS {column}"));
    format!("SELECT {} FROM (SELECT unnest(make_array({})) AS told FROM {relation})", told.join(", "), rows.join(", "))
}

/// What is told of a column.
const COLUMNS: [&str; 11] =
    ["column_name", "data_type", "count", "nulls", "distinct", "min", "max", "mean", "stddev", "p25", "p75"];

fn of_column(field: &Field) -> String {
    let name = identifier(field.name());
    let kind = field.data_type();
    let is_number = kind.is_numeric();
    let is_ordered = is_number
        || kind.is_temporal()
        || matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean);
    let text = |function: &str| format!("CAST({function}({name}) AS VARCHAR)");
    let number = |expression: String| match is_number {
        true => format!("CAST({expression} AS DOUBLE)"),
        false => "CAST(NULL AS DOUBLE)".to_string(),
    };
    let values = [
        quoted(field.name()),
        quoted(&kind.to_string()),
        format!("count({name})"),
        format!("count(*) - count({name})"),
        if is_ordered && kind != &DataType::Boolean {
            format!("CAST(approx_distinct({name}) AS BIGINT)")
        } else {
            "CAST(NULL AS BIGINT)".to_string()
        },
        if is_ordered { text("min") } else { "CAST(NULL AS VARCHAR)".to_string() },
        if is_ordered { text("max") } else { "CAST(NULL AS VARCHAR)".to_string() },
        number(format!("avg({name})")),
        number(format!("stddev({name})")),
        number(format!("approx_percentile_cont({name}, 0.25)")),
        number(format!("approx_percentile_cont({name}, 0.75)")),
    ];
    let pairs: Vec<String> = COLUMNS.iter().zip(values).map(|(column, value)| format!("'{column}', {value}")).collect();
    format!("named_struct({})", pairs.join(", "))
}

/// The plan of a summary, in which tables of images that nothing else looks at give no more of each file than its header.
pub(crate) fn with_headers_only(summary: LogicalPlan, rows: &LogicalPlan) -> Result<LogicalPlan> {
    if !is_a_table(rows) {
        return Ok(summary);
    }
    let changed = summary.transform_down_with_subqueries(|plan| match plan {
        LogicalPlan::TableScan(mut scan) => {
            let provider = source_as_provider(&scan.source)?;
            let headers = partitioned_table(provider.as_ref()).and_then(|table| table.with_extent(Extent::Size));
            let Some(headers) = headers else { return Ok(Transformed::no(LogicalPlan::TableScan(scan))) };
            scan.source = provider_as_source(headers);
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(changed.data)
}

/// Whether these are the rows of a table as they are.
fn is_a_table(rows: &LogicalPlan) -> bool {
    match rows {
        LogicalPlan::TableScan(scan) => scan.filters.is_empty(),
        LogicalPlan::SubqueryAlias(alias) => is_a_table(&alias.input),
        LogicalPlan::Projection(projection) => {
            projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_))) && is_a_table(&projection.input)
        }
        _ => false,
    }
}
