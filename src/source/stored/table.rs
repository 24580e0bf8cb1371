//! A table of rows in memory: they count against the session's limit, whoever has brought them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{Constraints, Result, TableReference, resources_err};
use datafusion::datasource::TableType;
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::StreamExt;
use indicatif::HumanBytes;
use tokio::sync::{Mutex, RwLock};

use crate::config::PixmillOptions;
use crate::exec::{Planned, boxed_insert_into, boxed_scan};

/// Rows in memory.
///
/// Their bytes count against the session's memory until the table is dropped.
#[derive(Debug)]
pub(crate) struct StoredTable {
    name: TableReference,
    rows: MemTable,
    /// Locked while rows come or go, so that as many count as are there.
    memory: Arc<Mutex<MemoryReservation>>,
    /// Of a cache the table that these are the rows of, if they stand in the place of one.
    cached: Option<Option<Arc<dyn TableProvider>>>,
}

impl StoredTable {
    /// A table of rows that were counted on their way.
    pub(crate) fn new(rows: MemTable, counted: Counted) -> Self {
        let (name, memory) = (counted.table, Arc::new(Mutex::new(counted.memory)));
        Self { name, rows, memory, cached: None }
    }

    /// The rows as those of a cache, in the place of a table.
    pub(super) fn in_place_of(self, table: Option<Arc<dyn TableProvider>>) -> Self {
        Self { cached: Some(table), ..self }
    }

    /// Of a cache the table in whose place it stands, if it stands in the place of one.
    pub(super) fn cached(&self) -> Option<Option<&Arc<dyn TableProvider>>> {
        self.cached.as_ref().map(Option::as_ref)
    }

    /// Whether rows can be added that stay: a cache is gone with `UNCACHE TABLE`.
    pub(crate) fn takes_rows(&self) -> bool {
        self.cached.is_none()
    }

    /// Adds rows behind the others.
    pub(crate) async fn append(&self, rows: Vec<RecordBatch>, counted: Counted) {
        if let Some(partition) = self.rows.batches.last() {
            let mut memory = self.memory.lock().await;
            partition.write().await.extend(rows);
            add_up(&mut memory, counted.memory);
        }
    }

    /// Counts the rows in another pool: a session gets one with each new limit.
    pub(super) async fn count_in(&self, pool: &Arc<dyn MemoryPool>) {
        let mut memory = self.memory.lock().await;
        let name = memory.consumer().name().to_string();
        add_up(&mut memory, MemoryConsumer::new(name).register(pool));
    }

    /// Counts the rows anew when some are gone or have become others.
    async fn count(&self, memory: &MemoryReservation) {
        let mut bytes = 0;
        for partition in &self.rows.batches {
            bytes += partition.read().await.iter().map(get_record_batch_memory_size).sum::<usize>();
        }
        memory.resize(bytes);
    }

    /// The rows.
    pub(crate) fn rows(&self) -> &MemTable {
        &self.rows
    }
}

impl StoredTable {
    async fn planned_scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.rows.scan(session, projection, filters, limit).await
    }

    async fn planned_insert(
        &self,
        session: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        operation: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // MemTable checks the columns and the kind of statement.
        self.rows.insert_into(session, Arc::clone(&input), operation).await?;
        let (schema, partitions) = (self.rows.schema(), self.rows.batches.clone());
        let sink = StoredSink { name: self.name.clone(), schema, partitions, memory: Arc::clone(&self.memory) };
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }

    /// Counts anew what a change leaves.
    fn changed<'a>(&'a self, change: Planned<'a>) -> Planned<'a> {
        Box::pin(async move {
            let memory = self.memory.lock().await;
            let changed = change.await;
            self.count(&memory).await;
            changed
        })
    }
}

impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn constraints(&self) -> Option<&Constraints> {
        self.rows.constraints()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.rows.get_column_default(column)
    }

    boxed_scan!(StoredTable::planned_scan);

    boxed_insert_into!(StoredTable::planned_insert);

    // As `exec::boxed_methods` has it.
    fn delete_from<'a, 'b, 'f>(&'a self, session: &'b dyn Session, filters: Vec<Expr>) -> Planned<'f>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        fn boxed<'a>(table: &'a StoredTable, session: &'a dyn Session, filters: Vec<Expr>) -> Planned<'a> {
            table.changed(table.rows.delete_from(session, filters))
        }
        boxed(self, session, filters)
    }

    fn update<'a, 'b, 'f>(
        &'a self,
        session: &'b dyn Session,
        assignments: Vec<(String, Expr)>,
        filters: Vec<Expr>,
    ) -> Planned<'f>
    where
        'a: 'f,
        'b: 'f,
        Self: 'f,
    {
        fn boxed<'a>(
            table: &'a StoredTable,
            session: &'a dyn Session,
            assignments: Vec<(String, Expr)>,
            filters: Vec<Expr>,
        ) -> Planned<'a> {
            table.changed(table.rows.update(session, assignments, filters))
        }
        boxed(self, session, assignments, filters)
    }
}

/// Rows on their way into a table: they count from when they come.
pub(crate) struct Counted {
    table: TableReference,
    memory: MemoryReservation,
    /// The limit as it was set.
    limit: String,
}

impl Counted {
    /// None yet, for a table of this name.
    pub(crate) fn new(table: &TableReference, context: &TaskContext) -> Self {
        let limit = PixmillOptions::of(context.session_config().options()).memory_limit().to_string();
        let memory = MemoryConsumer::new(format!("table {table}")).register(context.memory_pool());
        Self { table: table.clone(), memory, limit }
    }

    /// All that was counted, apart from this.
    pub(super) fn take(&self) -> Self {
        let memory = self.memory.split(self.memory.size());
        Self { table: self.table.clone(), memory, limit: self.limit.clone() }
    }

    /// Counts some rows.
    ///
    /// # Errors
    /// There is no room for them.
    pub(crate) fn add(&self, batch: &RecordBatch) -> Result<()> {
        if self.memory.try_grow(get_record_batch_memory_size(batch)).is_ok() {
            return Ok(());
        }
        let (table, limit, held) = (&self.table, &self.limit, HumanBytes(self.memory.size() as u64));
        resources_err!(
            "table '{table}' doesn't fit in memory: {held} of new rows have come by now, of a pixmill.memory_limit of {limit} for all \
             that is in memory; raise that, or write the rows to files with COPY and read those"
        )
    }
}

/// Adds what rows count for that were there to what new ones do, in the pool of the latter.
fn add_up(memory: &mut MemoryReservation, new: MemoryReservation) {
    new.grow(memory.size());
    *memory = new;
}

/// The rows of a partition, as DataFusion's own table in memory has them.
type PartitionData = Arc<RwLock<Vec<RecordBatch>>>;

/// Adds rows to a table, whole or not at all.
#[derive(Debug)]
struct StoredSink {
    name: TableReference,
    schema: SchemaRef,
    partitions: Vec<PartitionData>,
    memory: Arc<Mutex<MemoryReservation>>,
}

impl DisplayAs for StoredSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "MemoryTable (partitions={})", self.partitions.len())
    }
}

#[async_trait]
impl DataSink for StoredSink {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn write_all(&self, mut rows: SendableRecordBatchStream, context: &Arc<TaskContext>) -> Result<u64> {
        let counted = Counted::new(&self.name, context);
        let mut new = vec![Vec::new(); self.partitions.len()];
        let mut count = 0;
        for partition in (0..self.partitions.len()).cycle() {
            let Some(batch) = rows.next().await.transpose()? else { break };
            counted.add(&batch)?;
            count += batch.num_rows() as u64;
            new[partition].push(batch);
        }
        let mut memory = self.memory.lock().await;
        for (partition, batches) in self.partitions.iter().zip(new) {
            partition.write().await.extend(batches);
        }
        add_up(&mut memory, counted.memory);
        Ok(count)
    }
}
