//! Statements from text to rows: planned, run at once where they have an effect, kept for a fetch where they have none.
//!
//! What the methods of the service call is boxed, here and beside, for the reason that `exec::boxed_methods` tells.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::{cast, sum};
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef};
use futures::future::BoxFuture;
use tonic::Status;

use super::clients::{Client, random_name};
use super::failure;
use super::statements::{PreparedStatement, Underway, Waiting};
use crate::engine::{PlannedStatement, StatementKind};
use crate::error::Error;

/// Plans the one statement of a text.
///
/// # Errors
/// A text of none or several, and a statement that can't be planned, or mustn't be run here.
pub(super) fn plan<'a>(
    client: &'a Client,
    sql: &'a str,
    is_read_only: bool,
) -> BoxFuture<'a, Result<PlannedStatement, Status>> {
    Box::pin(async move {
        let failed = |error: Error| failure::status(&error.pointed(sql));
        let mut statements = client.session.parse(sql).map_err(failed)?;
        let statement = match (statements.pop(), statements.len()) {
            (Some(statement), 0) => statement,
            (None, _) => return Err(Status::invalid_argument("there is no statement in the text")),
            (Some(_), others) => {
                return Err(Status::invalid_argument(format!(
                    "one statement at a time: the text has {}; send them one after the other",
                    others + 1
                )));
            }
        };
        let prepared = client.session.prepare(statement).await.map_err(failed)?;
        match prepared.kind() {
            StatementKind::Write if is_read_only => Err(Status::permission_denied(format!(
                "this server is read-only, and '{}' writes; it was started with --read-only",
                prepared.name
            ))),
            _ => Ok(prepared),
        }
    })
}

/// Has a statement answered: one with an effect is run to its end, a query waits. The columns, and the handle of the rows.
///
/// # Errors
/// What stopped the statement.
pub(super) fn answer<'a>(
    client: &'a Arc<Client>,
    prepared: PlannedStatement,
) -> BoxFuture<'a, Result<(SchemaRef, String), Status>> {
    Box::pin(async move {
        let (schema, waiting) = match prepared.kind() {
            StatementKind::Query => (prepared.schema(), Waiting::Query(Box::new(prepared))),
            StatementKind::Write | StatementKind::Definition => {
                let mut underway = start(client, prepared).await?;
                let schema = underway.running().schema();
                (Arc::clone(&schema), Waiting::Rows(schema, underway.collect().await?))
            }
        };
        Ok((schema, client.statements.wait(waiting)?))
    })
}

/// Runs a statement to its end; how many records or rows it has written or, of a query, given.
///
/// # Errors
/// What stopped the statement.
pub(super) fn count<'a>(client: &'a Arc<Client>, prepared: PlannedStatement) -> BoxFuture<'a, Result<i64, Status>> {
    Box::pin(async move {
        let kind = prepared.kind();
        let mut underway = start(client, prepared).await?;
        let mut count = 0;
        while let Some(batch) = underway.next().await {
            let batch = batch?;
            count += match kind {
                StatementKind::Write => written(&batch).unwrap_or(0),
                StatementKind::Query => batch.num_rows() as i64,
                StatementKind::Definition => 0,
            };
        }
        Ok(count)
    })
}

/// A prepared statement with its row of parameters.
///
/// # Errors
/// None or several rows, or values that don't fit.
pub(super) fn bound(statement: &PreparedStatement) -> Result<PlannedStatement, Status> {
    let row = match statement.rows.as_slice() {
        [] => Vec::new(),
        [row] => row.clone(),
        rows => {
            return Err(Status::invalid_argument(format!(
                "a statement that gives rows takes one row of parameters, got {}; run it once for each, or as an update",
                rows.len()
            )));
        }
    };
    statement.prepared.bind(row).map_err(|error| failure::status(&error))
}

async fn start(client: &Arc<Client>, prepared: PlannedStatement) -> Result<Underway, Status> {
    let handle = random_name().map_err(|error| failure::status(&error))?;
    Underway::start(client, &handle, prepared).await
}

/// Records that the rows of a sink tell of; DataFusion's own call them count.
fn written(rows: &RecordBatch) -> Option<i64> {
    let column = rows.column_by_name("records").or_else(|| rows.column_by_name("count"))?;
    let numbers = cast(column, &DataType::Int64).ok()?;
    sum(numbers.as_primitive::<Int64Type>())
}
