//! Rows that a client sends become a table of its session.

use std::sync::Arc;

use arrow_flight::sql::server::PeekableFlightDataStream;
use arrow_flight::sql::{CommandStatementIngest, TableExistsOption, TableNotExistOption};
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::catalog::MemTable;
use datafusion::common::TableReference;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use futures::future::BoxFuture;
use tonic::Status;

use super::clients::Client;
use super::{failure, upload};
use crate::source::stored::{Counted, StoredTable};

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
pub(super) fn ingest<'a>(
    client: &'a Client,
    command: &'a CommandStatementIngest,
    rows: PeekableFlightDataStream,
) -> BoxFuture<'a, Result<i64, Status>> {
    Box::pin(async move {
        let ctx = client.session.context();
        let table = reference(command);
        let change = change(command, ctx.table_exist(table.clone()).map_err(|error| failure::status(&error.into()))?)?;
        let (schema, batches, counted) = collect(ctx, &table, rows).await?;
        let count = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        match change {
            Change::Append => append(ctx, &table, batches, counted).await?,
            Change::Create | Change::Replace => {
                let made = MemTable::try_new(schema, vec![batches]).and_then(|rows| {
                    if change == Change::Replace {
                        ctx.deregister_table(table.clone())?;
                    }
                    ctx.register_table(table, Arc::new(StoredTable::new(rows, counted)))
                });
                made.map_err(|error| failure::status(&error.into()))?;
            }
        }
        Ok(count as i64)
    })
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
    table: &TableReference,
    rows: PeekableFlightDataStream,
) -> Result<(SchemaRef, Vec<RecordBatch>, Counted), Status> {
    let counted = Counted::new(table, &ctx.task_ctx());
    let mut rows = upload::batches(rows);
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(upload::unreadable)?;
        counted.add(&batch).map_err(|error| failure::status(&error.into()))?;
        batches.push(batch);
    }
    let schema = rows.schema().cloned();
    let schema =
        schema.ok_or_else(|| Status::invalid_argument("the rows to ingest have no columns: no schema was sent"))?;
    Ok((schema, batches, counted))
}

async fn append(
    ctx: &SessionContext,
    name: &TableReference,
    batches: Vec<RecordBatch>,
    counted: Counted,
) -> Result<(), Status> {
    let table = ctx.table_provider(name.clone()).await.map_err(|error| failure::status(&error.into()))?;
    let Some(rows) = table.downcast_ref::<StoredTable>().filter(|rows| rows.takes_rows()) else {
        return Err(Status::invalid_argument(format!(
            "rows can only be added to tables of rows that were ingested or created by CREATE TABLE, and '{name}' is none"
        )));
    };
    let batches: Result<Vec<RecordBatch>, Status> =
        batches.iter().map(|batch| as_columns_of(name, &table.schema(), batch)).collect();
    rows.append(batches?, counted).await;
    Ok(())
}

/// Rows as a table has them, whatever its client says of NULL.
fn as_columns_of(name: &TableReference, schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, Status> {
    let columns = |schema: &SchemaRef| -> Vec<(String, DataType)> {
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    let (has, sent) = (columns(schema), columns(&batch.schema()));
    if has != sent {
        let shown = |columns: &[(String, DataType)]| {
            let columns = columns.iter().map(|(name, data_type)| format!("{name} {data_type}"));
            columns.collect::<Vec<_>>().join(", ")
        };
        return Err(Status::invalid_argument(format!(
            "the rows for '{name}' have other columns than it has: {}, not {}",
            shown(&sent),
            shown(&has)
        )));
    }
    let refuses = |(field, column): &(&FieldRef, &ArrayRef)| !field.is_nullable() && column.null_count() > 0;
    if let Some((field, _)) = schema.fields().iter().zip(batch.columns()).find(refuses) {
        return Err(Status::invalid_argument(format!(
            "column '{}' of '{name}' takes no NULL, and a row has one there; send values, or make the table with a column that does",
            field.name()
        )));
    }
    let rows = RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec());
    rows.map_err(|error| failure::malformed(&error))
}
