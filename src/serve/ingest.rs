//! Rows that a client sends become a table of its session.

use std::sync::Arc;

use arrow_flight::sql::server::PeekableFlightDataStream;
use arrow_flight::sql::{CommandStatementIngest, TableExistsOption, TableNotExistOption};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use tonic::Status;

use super::clients::Client;
use super::{failure, upload};

/// What becomes of the table that is there, or isn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Create,
    Replace,
    Append,
}

/// Makes a table of an upload, or adds to one; how many rows it had.
///
/// # Errors
/// A table that is there, or isn't, or has other columns; more rows than there is memory for.
pub(super) async fn ingest(
    client: &Client,
    command: &CommandStatementIngest,
    rows: PeekableFlightDataStream,
) -> Result<i64, Status> {
    let ctx = client.session.context();
    let table = reference(command);
    let change = change(command, ctx.table_exist(table.clone()).map_err(|error| failure::status(&error.into()))?)?;
    let (schema, batches) = collect(ctx, rows).await?;
    let count = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    match change {
        Change::Append => append(ctx, &table, &schema, batches).await?,
        Change::Create | Change::Replace => {
            let made = MemTable::try_new(schema, vec![batches]).and_then(|rows| {
                if change == Change::Replace {
                    ctx.deregister_table(table.clone())?;
                }
                ctx.register_table(table, Arc::new(rows))
            });
            made.map_err(|error| failure::status(&error.into()))?;
        }
    }
    Ok(count as i64)
}

fn reference(command: &CommandStatementIngest) -> TableReference {
    match (&command.catalog, &command.schema) {
        (Some(catalog), Some(schema)) => {
            TableReference::full(catalog.as_str(), schema.as_str(), command.table.as_str())
        }
        (_, Some(schema)) => TableReference::partial(schema.as_str(), command.table.as_str()),
        _ => TableReference::bare(command.table.as_str()),
    }
}

fn change(command: &CommandStatementIngest, is_there: bool) -> Result<Change, Status> {
    let options = command.table_definition_options.unwrap_or_default();
    let table = &command.table;
    match (is_there, options.if_exists(), options.if_not_exist()) {
        (true, TableExistsOption::Append, _) => Ok(Change::Append),
        (true, TableExistsOption::Replace, _) => Ok(Change::Replace),
        (true, _, _) => {
            Err(Status::already_exists(format!("table '{table}' is there already; append to it or replace it")))
        }
        (false, _, TableNotExistOption::Create) => Ok(Change::Create),
        (false, _, _) => Err(Status::not_found(format!("there is no table '{table}' to add rows to; create it"))),
    }
}

/// The rows of an upload, within the session's memory limit.
async fn collect(
    ctx: &SessionContext,
    rows: PeekableFlightDataStream,
) -> Result<(SchemaRef, Vec<RecordBatch>), Status> {
    let memory = MemoryConsumer::new("ingested rows").register(&ctx.runtime_env().memory_pool);
    let mut rows = upload::batches(rows);
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(upload::unreadable)?;
        memory.try_grow(batch.get_array_memory_size()).map_err(|error| failure::status(&error.into()))?;
        batches.push(batch);
    }
    let schema = rows.schema().cloned();
    let schema =
        schema.ok_or_else(|| Status::invalid_argument("the rows to ingest have no columns: no schema was sent"))?;
    Ok((schema, batches))
}

async fn append(
    ctx: &SessionContext,
    name: &TableReference,
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
) -> Result<(), Status> {
    let table = ctx.table_provider(name.clone()).await.map_err(|error| failure::status(&error.into()))?;
    let Some(rows) = table.downcast_ref::<MemTable>() else {
        return Err(Status::invalid_argument(format!(
            "rows can only be added to tables of rows that were ingested or created by CREATE TABLE, and '{name}' is none"
        )));
    };
    if !table.schema().contains(schema) {
        return Err(Status::invalid_argument(format!(
            "the rows for '{name}' have other columns than it has: {schema:?}, not {:?}",
            table.schema()
        )));
    }
    if let Some(partition) = rows.batches.first() {
        partition.write().await.extend(batches);
    }
    Ok(())
}
