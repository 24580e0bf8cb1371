//! DataFusion's tables of files on the wire, where a pattern names the files: its own messages leave the pattern out, and all files of
//! the folder would be read.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result, internal_datafusion_err, internal_err};
use datafusion::datasource::listing::{ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::logical_plan::{AsLogicalPlan, LogicalExtensionCodec};
use datafusion_proto::protobuf::LogicalPlanNode;

/// A table of files that a pattern names, as it is sent.
#[derive(Debug)]
pub(super) struct PatternTable(Arc<dyn TableProvider>);

/// Makes tables whose files are named by a pattern known as such.
pub(crate) fn with_patterns(plan: LogicalPlan) -> Result<LogicalPlan> {
    let changed = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::TableScan(mut scan) = plan else { return Ok(Transformed::no(plan)) };
        let Ok(table) = source_as_provider(&scan.source) else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let has_pattern = |table: &ListingTable| table.table_paths().iter().any(|path| path.get_glob().is_some());
        if !table.downcast_ref::<ListingTable>().is_some_and(has_pattern) {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        }
        scan.source = provider_as_source(Arc::new(PatternTable(table)));
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(changed.data)
}

impl PatternTable {
    fn listing(&self) -> Result<&ListingTable> {
        self.0.downcast_ref().ok_or_else(|| internal_datafusion_err!("a pattern names files of a ListingTable"))
    }

    /// Appends the patterns, and the table as DataFusion sends it.
    pub(super) fn encode(&self, codec: &dyn LogicalExtensionCodec, buf: &mut Vec<u8>) -> Result<()> {
        let paths = self.listing()?.table_paths().iter();
        let patterns: Vec<Option<&str>> =
            paths.map(|path| path.get_glob().as_ref().map(|pattern| pattern.as_str())).collect();
        let patterns = serde_json::to_vec(&patterns)
            .map_err(|error| internal_datafusion_err!("patterns can't be sent: {error}"))?;
        let plan = LogicalPlanBuilder::scan("files", provider_as_source(Arc::clone(&self.0)), None)?.build()?;
        buf.extend((patterns.len() as u64).to_le_bytes());
        buf.extend(patterns);
        LogicalPlanNode::try_from_logical_plan(&plan, codec)?.try_encode(buf)
    }
}

/// The table of an encoding.
///
/// # Errors
/// Bytes that are none.
pub(super) fn decode(
    bytes: &[u8],
    codec: &dyn LogicalExtensionCodec,
    ctx: &TaskContext,
) -> Result<Arc<dyn TableProvider>> {
    let cut = || internal_datafusion_err!("a table of files came incomplete");
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
    let (patterns, node) = rest.split_at_checked(length).ok_or_else(cut)?;
    let patterns: Vec<Option<String>> = serde_json::from_slice(patterns)
        .map_err(|error| internal_datafusion_err!("patterns can't be read: {error}"))?;
    let LogicalPlan::TableScan(scan) = LogicalPlanNode::try_decode(node)?.try_into_logical_plan(ctx, codec)? else {
        return internal_err!("a table of files came as something else");
    };
    let table = source_as_provider(&scan.source)?;
    let table = table.downcast_ref::<ListingTable>();
    let table = table.ok_or_else(|| internal_datafusion_err!("a table of files came as another table"))?;
    let with_pattern = |(path, pattern): (&ListingTableUrl, Option<String>)| match pattern {
        Some(pattern) => path.clone().with_glob(&pattern),
        None => Ok(path.clone()),
    };
    let paths = table.table_paths().iter().zip(patterns).map(with_pattern).collect::<Result<Vec<_>>>()?;
    let options = table.options().clone();
    // Columns of directories are behind those of the files.
    let schema = table.schema();
    let in_files = schema.fields().len() - options.table_partition_cols.len();
    let schema = Schema::new_with_metadata(schema.fields()[..in_files].to_vec(), schema.metadata().clone());
    let config =
        ListingTableConfig::new_with_multi_paths(paths).with_listing_options(options).with_schema(Arc::new(schema));
    let cache = ctx.runtime_env().cache_manager.get_file_statistic_cache();
    Ok(Arc::new(ListingTable::try_new(config)?.with_cache(cache)))
}

#[async_trait]
impl TableProvider for PatternTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        self.0.table_type()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.scan(session, projection, filters, limit).await
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.0.supports_filters_pushdown(filters)
    }
}
