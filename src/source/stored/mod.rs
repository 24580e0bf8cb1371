//! Tables of rows that are kept in this process's memory: `CREATE TABLE ... AS` and `CACHE TABLE`.

mod table;

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{Constraints, Result, TableReference, exec_datafusion_err, plan_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{CreateMemoryTable, Expr, LogicalPlan};
use datafusion::physical_plan::{ExecutionPlan, execute_stream_partitioned};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use tokio::task::JoinSet;

use crate::exec::LostRows;

pub(crate) use table::{Counted, StoredTable};

/// The most bytes of a table that stay together in one partition, and so in their order.
const ONE_PARTITION: usize = 1 << 20;

/// What is to become of the rows of a query: a table.
#[derive(Debug)]
pub(crate) struct Store {
    table: TableReference,
    constraints: Constraints,
    defaults: Vec<(String, Expr)>,
    or_replace: bool,
    is_cache: bool,
    of: Option<Arc<dyn TableProvider>>,
}

impl Store {
    /// `CREATE TABLE`: its query and what becomes of the rows; `None` where there is nothing to do.
    pub(crate) async fn create(ctx: &SessionContext, create: CreateMemoryTable) -> Result<Option<(LogicalPlan, Self)>> {
        let CreateMemoryTable {
            name, input, if_not_exists, or_replace, constraints, column_defaults, temporary, ..
        } = create;
        if temporary {
            return plan_err!(
                "CREATE TEMPORARY TABLE is not supported; leave TEMPORARY out: tables are gone with the session"
            );
        }
        if if_not_exists && or_replace {
            return plan_err!("CREATE TABLE takes OR REPLACE or IF NOT EXISTS, got both");
        }
        match (ctx.table_exist(name.clone())?, if_not_exists || or_replace) {
            (true, false) => return already(&name),
            (true, true) if if_not_exists => return Ok(None),
            _ => {}
        }
        check_names(&input)?;
        let store = Self { table: name, constraints, defaults: column_defaults, or_replace, is_cache: false, of: None };
        Ok(Some((Arc::unwrap_or_clone(input), store)))
    }

    /// `CACHE TABLE`: what becomes of the rows; `None` where they are in memory already.
    pub(crate) async fn cache(
        ctx: &SessionContext,
        table: TableReference,
        query: &LogicalPlan,
        is_own: bool,
    ) -> Result<Option<Self>> {
        check_names(query)?;
        let of = match (ctx.table_exist(table.clone())?, is_own) {
            (true, true) => Some(ctx.table_provider(table.clone()).await?),
            (true, false) => return already(&table),
            (false, true) => {
                return plan_err!(
                    "CACHE TABLE '{table}': a name of this session is needed; write CACHE TABLE name AS SELECT ..."
                );
            }
            (false, false) => None,
        };
        if of.as_ref().is_some_and(|table| table.is::<StoredTable>() || table.is::<MemTable>()) {
            return Ok(None);
        }
        let (constraints, defaults) = (Constraints::default(), Vec::new());
        Ok(Some(Self { table, constraints, defaults, or_replace: is_own, is_cache: true, of }))
    }

    /// Executes the query and makes its rows the table. Nothing is changed where that fails, or is given up.
    pub(crate) async fn run(
        self,
        ctx: &SessionContext,
        plan: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
    ) -> Result<()> {
        let schema = Arc::new(Schema::new(plan.schema().fields().clone()));
        let mut runs = 0;
        let (partitions, counted) = loop {
            match self.collect(Arc::clone(&plan), Arc::clone(&context)).await {
                Err(error) if LostRows::may_come_again(&error, &mut runs) => {}
                collected => break collected?,
            }
        };
        let partitions = spread(partitions, ctx.state().config().target_partitions());
        let defaults = self.defaults.into_iter().collect();
        let rows =
            MemTable::try_new(schema, partitions)?.with_constraints(self.constraints).with_column_defaults(defaults);
        let table = StoredTable::new(rows, counted);
        let table = if self.is_cache { table.in_place_of(self.of) } else { table };
        if self.or_replace {
            ctx.deregister_table(self.table.clone())?;
        } else if ctx.table_exist(self.table.clone())? {
            return already(&self.table);
        }
        ctx.register_table(self.table, Arc::new(table))?;
        Ok(())
    }

    /// The rows of each partition, in their order.
    async fn collect(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
    ) -> Result<(Vec<Vec<RecordBatch>>, Counted)> {
        let counted = Arc::new(Counted::new(&self.table, &context));
        let mut tasks: JoinSet<Result<_>> = JoinSet::new();
        for (index, mut rows) in execute_stream_partitioned(plan, Arc::clone(&context))?.into_iter().enumerate() {
            let counted = Arc::clone(&counted);
            tasks.spawn(async move {
                let mut batches = Vec::new();
                while let Some(batch) = rows.next().await {
                    let batch = batch?;
                    counted.add(&batch)?;
                    batches.push(batch);
                }
                Ok((index, batches))
            });
        }
        let mut done = Vec::new();
        while let Some(task) = tasks.join_next().await {
            done.push(task.map_err(|error| exec_datafusion_err!("internal error: a task stopped: {error}"))??);
        }
        done.sort_by_key(|(index, _)| *index);
        let batches = done.into_iter().map(|(_, batches)| batches).collect();
        Ok((batches, counted.take()))
    }
}

/// `UNCACHE TABLE`: what stood there before stands there again.
pub(crate) async fn uncache(ctx: &SessionContext, name: TableReference, if_exists: bool) -> Result<()> {
    if !ctx.table_exist(name.clone())? {
        return if if_exists { Ok(()) } else { plan_err!("UNCACHE TABLE: there is no table '{name}'") };
    }
    let table = ctx.table_provider(name.clone()).await?;
    match table.downcast_ref::<StoredTable>().and_then(StoredTable::cached) {
        Some(of) => {
            ctx.deregister_table(name.clone())?;
            if let Some(of) = of {
                ctx.register_table(name, Arc::clone(of))?;
            }
            Ok(())
        }
        None if if_exists => Ok(()),
        None => plan_err!("UNCACHE TABLE: '{name}' is not cached; drop it with DROP TABLE"),
    }
}

/// Counts the rows of all tables against a limit that has just been set.
pub(crate) async fn count_tables(ctx: &SessionContext) -> Result<()> {
    let runtime = ctx.runtime_env();
    for catalog in ctx.catalog_names().iter().filter_map(|name| ctx.catalog(name)) {
        for schema in catalog.schema_names().iter().filter_map(|name| catalog.schema(name)) {
            for name in schema.table_names() {
                if let Some(stored) =
                    schema.table(&name).await?.as_ref().and_then(|table| table.downcast_ref::<StoredTable>())
                {
                    stored.count_in(&runtime.memory_pool).await;
                }
            }
        }
    }
    Ok(())
}

fn already<T>(table: &TableReference) -> Result<T> {
    plan_err!("table '{table}' exists already; drop it, or write CREATE OR REPLACE TABLE")
}

/// Names of columns that a table can't have, because they are no longer told apart by the tables they are of.
fn check_names(query: &LogicalPlan) -> Result<()> {
    let fields = query.schema().fields();
    for (index, field) in fields.iter().enumerate() {
        if fields.iter().take(index).any(|other| other.name() == field.name()) {
            return plan_err!("a table can't have two columns named '{}'; name one with AS", field.name());
        }
    }
    Ok(())
}

/// Few rows in one partition, in their order, and many in as many as there are threads.
fn spread(partitions: Vec<Vec<RecordBatch>>, threads: usize) -> Vec<Vec<RecordBatch>> {
    let bytes: usize = partitions.iter().flatten().map(get_record_batch_memory_size).sum();
    if bytes <= ONE_PARTITION || threads <= 1 {
        return vec![partitions.into_iter().flatten().collect()];
    }
    if partitions.len() >= threads {
        return partitions;
    }
    let batches: Vec<RecordBatch> = partitions.into_iter().flatten().collect();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut spread = vec![Vec::new(); threads];
    let mut before = 0;
    for batch in batches {
        // Batches are small: 64 rows at most from any source of images.
        let partition = (before * threads / rows.max(1)).min(threads - 1);
        before += batch.num_rows();
        spread[partition].push(batch);
    }
    spread
}
