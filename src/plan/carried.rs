//! Features of Hugging Face's `datasets` that come through a query: those of columns that are what they are in their Parquet files.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::{FileScanConfig, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::object_store::ObjectMeta;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

/// Features by the names of their columns, as the files have them.
pub(crate) type Features = BTreeMap<String, Value>;

/// Files whose footers are read at the same time.
const FOOTERS: usize = 16;

/// The features of the first columns of a plan.
///
/// # Errors
/// A Parquet file that can't be read.
pub(super) async fn carried(plan: &Arc<dyn ExecutionPlan>, columns: usize, session: &dyn Session) -> Result<Features> {
    let mut scans = Vec::new();
    plan.apply(|plan| {
        scans.extend(parquet_scan(plan));
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut known = Vec::new();
    for scan in scans {
        known.push((scan, features_of(scan, session).await?));
    }
    let known = |scan: &FileScanConfig| {
        let of_scan = known.iter().find(|(other, _)| std::ptr::eq(*other, scan));
        of_scan.map(|(_, features)| features)
    };
    let mut carried = Features::new();
    for (index, field) in plan.schema().fields().iter().enumerate().take(columns) {
        if let Some(feature) = behind(plan, index, &known).filter(|feature| is_of(feature, field)) {
            carried.insert(field.name().clone(), feature);
        }
    }
    Ok(carried)
}

/// The classes of the first column that holds the numbers of some.
pub(super) fn classes(carried: &Features, columns: &[String]) -> Option<(Vec<String>, String)> {
    columns.iter().find_map(|column| {
        let feature = carried.get(column).filter(|feature| is_type(feature, "ClassLabel"))?;
        let names = feature.get("names")?.as_array()?.iter().map(|name| name.as_str().map(str::to_string));
        Some((names.collect::<Option<Vec<_>>>()?, column.clone()))
    })
}

fn is_type(feature: &Value, name: &str) -> bool {
    feature.get("_type").and_then(Value::as_str) == Some(name)
}

/// Whether a column can be what a feature says: metadata is text that anybody can write.
fn is_of(feature: &Value, field: &Field) -> bool {
    let is_image = |data_type: &DataType| match data_type {
        DataType::Struct(fields) => {
            ["bytes", "path"].iter().all(|name| fields.iter().any(|field| field.name() == name))
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => true,
        _ => false,
    };
    match feature.get("_type").and_then(Value::as_str) {
        Some("Image") => is_image(field.data_type()),
        Some("ClassLabel") => field.data_type().is_integer(),
        _ => feature.is_object() || feature.is_array(),
    }
}

fn parquet_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let scan = plan.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<FileScanConfig>()?;
    scan.file_source.downcast_ref::<ParquetSource>().map(|_| scan)
}

/// The features of which all files of a scan say the same.
async fn features_of(scan: &FileScanConfig, session: &dyn Session) -> Result<Features> {
    let store = session.runtime_env().object_store(&scan.object_store_url)?;
    let cache = session.runtime_env().cache_manager.get_file_metadata_cache();
    let files: Vec<ObjectMeta> =
        scan.file_groups.iter().flat_map(|group| group.files()).map(|file| file.object_meta.clone()).collect();
    let all = stream::iter(files).map(|file| {
        let (store, cache) = (Arc::clone(&store), Arc::clone(&cache));
        async move {
            let footer = DFParquetMetadata::new(store.as_ref(), &file).with_file_metadata_cache(Some(cache));
            let footer = footer.fetch_metadata().await?;
            let metadata = footer.file_metadata().key_value_metadata();
            let found = metadata.into_iter().flatten().find(|entry| entry.key == "huggingface");
            Result::<_>::Ok(found.and_then(|entry| parsed(entry.value.as_deref()?)).unwrap_or_default())
        }
    });
    let agreed = all.buffered(FOOTERS).try_fold(None, async |agreed: Option<Features>, features| {
        Ok(Some(match agreed {
            None => features,
            Some(mut agreed) => {
                agreed.retain(|column, feature| features.get(column) == Some(feature));
                agreed
            }
        }))
    });
    Ok(agreed.await?.unwrap_or_default())
}

fn parsed(text: &str) -> Option<Features> {
    let mut metadata: Value = serde_json::from_str(text).ok()?;
    serde_json::from_value(metadata.get_mut("info")?.get_mut("features")?.take()).ok()
}

/// The feature of the column of a file that comes through to a column of a plan.
fn behind<'a>(
    plan: &'a Arc<dyn ExecutionPlan>,
    index: usize,
    known: &impl Fn(&FileScanConfig) -> Option<&'a Features>,
) -> Option<Value> {
    if let Some(scan) = parquet_scan(plan) {
        let table = scan.file_source.table_schema();
        let index = match scan.file_source.projection() {
            Some(projection) => column(&projection.iter().nth(index)?.expr)?,
            None => index,
        };
        // Columns of directories stand behind those of the files.
        let field = table.file_schema().fields().get(index)?;
        return known(scan)?.get(field.name()).cloned();
    }
    let children = plan.children();
    if plan.is::<UnionExec>() {
        let mut features = children.into_iter().map(|child| behind(child, index, known));
        let first = features.next().flatten()?;
        return features.all(|feature| feature.as_ref() == Some(&first)).then_some(first);
    }
    let [input] = children.as_slice() else { return None };
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        return behind(input, column(&projection.expr().get(index)?.expr)?, known);
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let index = filter.projection().as_ref().map_or(Some(index), |projection| projection.get(index).copied());
        return behind(input, index?, known);
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        return behind(input, column(&aggregate.group_expr().expr().get(index)?.0)?, known);
    }
    (plan.schema() == input.schema()).then(|| behind(input, index, known)).flatten()
}

fn column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expr.downcast_ref::<Column>().map(Column::index)
}
