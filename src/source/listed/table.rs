//! Tables whose files are found when they are scanned.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Constraints, Result, exec_datafusion_err, plan_err};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use url::Url;

use super::files::ListedPlace;
use crate::exec::{boxed_insert_into, boxed_scan};
use crate::storage::{Reach, literal_url};

/// A table of the files that are at its places when it is scanned.
///
/// DataFusion's own globs match other files than ours do, and are lost on the way to a cluster.
#[derive(Debug, Clone)]
pub(crate) struct FilesTable {
    places: Vec<ListedPlace>,
    options: ListingOptions,
    schema: SchemaRef,
    reach: Reach,
    /// What everything but the files is asked of.
    table: ListingTable,
}

impl FilesTable {
    pub(super) fn try_new(
        places: Vec<ListedPlace>,
        options: ListingOptions,
        schema: SchemaRef,
        reach: Reach,
    ) -> Result<Self> {
        let nowhere = ListingTableUrl::try_new(root()?, None)?;
        let table = listing(vec![nowhere], &options, &schema)?;
        Ok(Self { places, options, schema, reach, table })
    }

    /// The same table with what its statement says beside the files.
    pub(super) fn with_table(self, change: impl FnOnce(ListingTable) -> ListingTable) -> Self {
        Self { table: change(self.table), ..self }
    }

    /// How its files are read, the columns of directories among it.
    pub(crate) fn options(&self) -> &ListingOptions {
        &self.options
    }

    /// What the session could reach that it was made in.
    pub(crate) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The table of the files that are there now. It waits for disks and stores: it is for threads that may.
    pub(crate) fn of_now(&self, reach: &Reach) -> Result<ListingTable> {
        let mut urls = Vec::new();
        for place in &self.places {
            urls.extend(place.urls(&self.options, reach)?);
        }
        let table = listing(urls, &self.options, &self.schema)?;
        let constraints = self.table.constraints().cloned().unwrap_or_default();
        Ok(table.with_constraints(constraints).with_definition(self.table.get_table_definition().map(str::to_string)))
    }
}

/// DataFusion's table of what these URLs name.
pub(super) fn listing(
    urls: Vec<ListingTableUrl>,
    options: &ListingOptions,
    schema: &SchemaRef,
) -> Result<ListingTable> {
    let config = ListingTableConfig::new_with_multi_paths(urls);
    ListingTable::try_new(config.with_listing_options(options.clone()).with_schema(Arc::clone(schema)))
}

fn root() -> Result<Url> {
    literal_url("/")?.ok_or_else(|| exec_datafusion_err!("'/' is no local path"))
}

/// Columns of directories have the type that DataFusion gives them.
pub(super) fn dictionaries(names: Vec<String>) -> Vec<(String, DataType)> {
    let kind = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
    names.into_iter().map(|name| (name, kind.clone())).collect()
}

/// The plan with the files that are there now in place of tables that look for them, which another process can't know.
///
/// # Errors
/// Nothing is there, or what is there may not be read.
pub(crate) fn with_files_of_now(plan: &LogicalPlan, reach: &Reach) -> Result<LogicalPlan> {
    let changed = plan.clone().transform_down_with_subqueries(|plan| {
        let LogicalPlan::TableScan(mut scan) = plan else { return Ok(Transformed::no(plan)) };
        let provider = source_as_provider(&scan.source)?;
        let Some(files) = provider.downcast_ref::<FilesTable>() else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        scan.source = provider_as_source(Arc::new(files.of_now(reach)?));
        Ok(Transformed::new(LogicalPlan::TableScan(scan), true, TreeNodeRecursion::Continue))
    })?;
    Ok(changed.data)
}

impl FilesTable {
    async fn planned_scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (table, reach) = (self.clone(), Reach::of(session.config()));
        let find = tokio::task::spawn_blocking(move || table.of_now(&reach));
        let table = find.await.map_err(|error| exec_datafusion_err!("looking for files stopped: {error}"))??;
        let table = table.with_cache(session.runtime_env().cache_manager.get_file_statistic_cache());
        table.scan(session, projection, filters, limit).await
    }

    async fn planned_insert(
        &self,
        session: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        operation: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [ListedPlace::Found { location, .. }] = self.places.as_slice() else {
            return plan_err!("INSERT INTO takes a table of one directory; name one, as in LOCATION 'rows/'");
        };
        let url = literal_url(location)?.filter(|url| url.path().ends_with('/'));
        let Some(url) = url else {
            return plan_err!(
                "INSERT INTO '{location}': it is a glob, which rows can't be written to; name a directory"
            );
        };
        let table = listing(vec![ListingTableUrl::try_new(url, None)?], &self.options, &self.schema)?;
        table.insert_into(session, input, operation).await
    }
}

impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn constraints(&self) -> Option<&Constraints> {
        self.table.constraints()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_table_definition(&self) -> Option<&str> {
        self.table.get_table_definition()
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.table.get_column_default(column)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    boxed_scan!(FilesTable::planned_scan);

    boxed_insert_into!(FilesTable::planned_insert);
}
