//! The calls of Flight SQL, answered by the session of whoever calls.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionBeginTransactionRequest, ActionBeginTransactionResult, ActionCancelQueryRequest, ActionCancelQueryResult,
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    Any, CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
    CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo, CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementIngest,
    CommandStatementQuery, CommandStatementUpdate, DoPutPreparedStatementResult, ProstMessageExt, SqlInfo,
    TicketStatementQuery,
};
use arrow_flight::{
    Action, ActionType, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage,
    SchemaAsIpc, Ticket,
};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::ipc::writer::IpcWriteOptions;
use futures::StreamExt;
use futures::stream::BoxStream;
use prost::Message;
use prost::bytes::Bytes;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use super::access::Token;
use super::answer::{self, RowStream, plain_schema};
use super::clients::Client;
use super::metadata::{self, Metadata};
use super::statements::{Underway, Waiting};
use super::{actions, failure, ingest, run, upload};
use crate::error::{Error, Result as StartResult};

/// The service that all connections share.
pub(super) struct Service {
    token: Option<Token>,
    is_read_only: bool,
    metadata: Metadata,
}

type Answer<T> = Result<T, Status>;
type Info = Answer<Response<FlightInfo>>;

impl Service {
    /// A service that answers a handshake with a token.
    ///
    /// # Errors
    /// None.
    pub(super) fn new(token: Option<Token>, is_read_only: bool) -> StartResult<Self> {
        let metadata = Metadata::new(is_read_only);
        let metadata = metadata.map_err(|error| Error::Failed(format!("internal error: {error}")))?;
        Ok(Self { token, is_read_only, metadata })
    }
}

#[tonic::async_trait]
impl FlightSqlService for Service {
    type FlightService = Self;

    async fn do_handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Response<BoxStream<'static, Answer<HandshakeResponse>>>> {
        // Clients with user and password insist on a token, also where none is asked for.
        let bearer = self.token.as_ref().map_or_else(|| "Bearer none".to_string(), Token::bearer);
        let answer = HandshakeResponse { protocol_version: 0, payload: bearer.clone().into() };
        let mut response = Response::new(futures::stream::iter([Ok(answer)]).boxed());
        let value = MetadataValue::try_from(bearer).map_err(failure::internal)?;
        response.metadata_mut().insert("authorization", value);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let client = client(&request)?;
        let prepared = run::plan(&client, &query.query, self.is_read_only).await?;
        let (schema, handle) = run::answer(&client, prepared).await?;
        info(request, &plain_schema(&schema), &ticket(handle))
    }

    async fn do_get_statement(&self, ticket: TicketStatementQuery, request: Request<Ticket>) -> Answer<RowStream> {
        let client = client(&request)?;
        let handle = text(&ticket.statement_handle)?;
        match client.statements.take(&handle)? {
            Waiting::Rows(schema, rows) => Ok(answer::of_batches(&schema, rows)),
            Waiting::Query(prepared) => {
                let schema = prepared.schema();
                Ok(answer::of_statement(&schema, Underway::start(&client, &handle, *prepared).await?))
            }
        }
    }

    async fn do_put_statement_update(
        &self,
        update: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Answer<i64> {
        let client = client(&request)?;
        let prepared = run::plan(&client, &update.query, self.is_read_only).await?;
        run::count(&client, prepared).await
    }

    async fn do_put_statement_ingest(
        &self,
        command: CommandStatementIngest,
        request: Request<PeekableFlightDataStream>,
    ) -> Answer<i64> {
        let client = client(&request)?;
        ingest::ingest(&client, &command, request.into_inner()).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Answer<ActionCreatePreparedStatementResult> {
        let client = client(&request)?;
        let prepared = run::plan(&client, &query.query, self.is_read_only).await?;
        let parameters = prepared.parameters().map_err(|error| failure::status(&error))?;
        Ok(ActionCreatePreparedStatementResult {
            dataset_schema: encoded(&plain_schema(&prepared.schema()))?,
            parameter_schema: encoded(&plain_schema(&parameters))?,
            prepared_statement_handle: client.statements.prepare(prepared)?.into(),
        })
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Answer<()> {
        client(&request)?.statements.close(&text(&query.prepared_statement_handle)?);
        Ok(())
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Answer<DoPutPreparedStatementResult> {
        let client = client(&request)?;
        let rows = upload::rows(request.into_inner()).await?;
        client.statements.bind(&text(&query.prepared_statement_handle)?, rows)?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(query.prepared_statement_handle) })
    }

    async fn do_put_prepared_statement_update(
        &self,
        query: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Answer<i64> {
        let client = client(&request)?;
        let sent = upload::rows(request.into_inner()).await?;
        let statement = client.statements.prepared(&text(&query.prepared_statement_handle)?)?;
        let rows = if sent.is_empty() { statement.rows } else { sent };
        let rows = if rows.is_empty() { vec![Vec::new()] } else { rows };
        let mut count = 0;
        for row in rows {
            let prepared = statement.prepared.bind(row).map_err(|error| failure::status(&error))?;
            count += run::count(&client, prepared).await?;
        }
        Ok(count)
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let client = client(&request)?;
        let statement = client.statements.prepared(&text(&query.prepared_statement_handle)?)?;
        let (schema, handle) = run::answer(&client, run::bound(&statement)?).await?;
        info(request, &plain_schema(&schema), &ticket(handle))
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Answer<RowStream> {
        let client = client(&request)?;
        let statement = client.statements.prepared(&text(&query.prepared_statement_handle)?)?;
        let (_, handle) = run::answer(&client, run::bound(&statement)?).await?;
        self.do_get_statement(ticket(handle), request).await
    }

    async fn do_action_begin_transaction(
        &self,
        _: ActionBeginTransactionRequest,
        _: Request<Action>,
    ) -> Answer<ActionBeginTransactionResult> {
        Err(Status::unimplemented("there are no transactions: each statement takes effect when it is run"))
    }

    async fn do_action_cancel_query(
        &self,
        query: ActionCancelQueryRequest,
        request: Request<Action>,
    ) -> Answer<ActionCancelQueryResult> {
        let client = client(&request)?;
        let info = FlightInfo::decode(query.info).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let status = actions::cancel(&client, Some(&info));
        // The two enumerations have the same numbers.
        Ok(ActionCancelQueryResult { result: status as i32 })
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Answer<Response<<Self as FlightService>::DoActionStream>> {
        let client = client(&request)?;
        let body = actions::answer(&client, request.get_ref()).await?;
        Ok(Response::new(futures::stream::iter([Ok(arrow_flight::Result { body })]).boxed()))
    }

    async fn list_custom_actions(&self) -> Option<Vec<Answer<ActionType>>> {
        Some(actions::all().into_iter().map(Ok).collect())
    }

    async fn get_flight_info_catalogs(&self, query: CommandGetCatalogs, request: Request<FlightDescriptor>) -> Info {
        info(request, &query.into_builder().schema(), &query)
    }

    async fn do_get_catalogs(&self, query: CommandGetCatalogs, request: Request<Ticket>) -> Answer<RowStream> {
        described(metadata::catalogs(client(&request)?.session.context(), query))
    }

    async fn get_flight_info_schemas(&self, query: CommandGetDbSchemas, request: Request<FlightDescriptor>) -> Info {
        info(request, &query.clone().into_builder().schema(), &query)
    }

    async fn do_get_schemas(&self, query: CommandGetDbSchemas, request: Request<Ticket>) -> Answer<RowStream> {
        described(metadata::schemas(client(&request)?.session.context(), query))
    }

    async fn get_flight_info_tables(&self, query: CommandGetTables, request: Request<FlightDescriptor>) -> Info {
        info(request, &query.clone().into_builder().schema(), &query)
    }

    async fn do_get_tables(&self, query: CommandGetTables, request: Request<Ticket>) -> Answer<RowStream> {
        described(metadata::tables(client(&request)?.session.context(), query).await)
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Info {
        info(request, &query.into_builder().schema(), &query)
    }

    async fn do_get_table_types(&self, query: CommandGetTableTypes, _: Request<Ticket>) -> Answer<RowStream> {
        described(metadata::table_types(query))
    }

    async fn get_flight_info_sql_info(&self, query: CommandGetSqlInfo, request: Request<FlightDescriptor>) -> Info {
        info(request, &self.metadata.server.schema(), &query)
    }

    async fn do_get_sql_info(&self, query: CommandGetSqlInfo, _: Request<Ticket>) -> Answer<RowStream> {
        described(query.into_builder(&self.metadata.server).build())
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Info {
        info(request, &self.metadata.types.schema(), &query)
    }

    async fn do_get_xdbc_type_info(&self, query: CommandGetXdbcTypeInfo, _: Request<Ticket>) -> Answer<RowStream> {
        described(query.into_builder(&self.metadata.types).build())
    }

    async fn get_flight_info_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        info(request, &metadata::primary_keys(), &query)
    }

    async fn do_get_primary_keys(&self, _: CommandGetPrimaryKeys, _: Request<Ticket>) -> Answer<RowStream> {
        Ok(no_rows(metadata::primary_keys()))
    }

    async fn get_flight_info_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        info(request, &metadata::foreign_keys(), &query)
    }

    async fn do_get_exported_keys(&self, _: CommandGetExportedKeys, _: Request<Ticket>) -> Answer<RowStream> {
        Ok(no_rows(metadata::foreign_keys()))
    }

    async fn get_flight_info_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        info(request, &metadata::foreign_keys(), &query)
    }

    async fn do_get_imported_keys(&self, _: CommandGetImportedKeys, _: Request<Ticket>) -> Answer<RowStream> {
        Ok(no_rows(metadata::foreign_keys()))
    }

    async fn get_flight_info_cross_reference(
        &self,
        query: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> Info {
        info(request, &metadata::foreign_keys(), &query)
    }

    async fn do_get_cross_reference(&self, _: CommandGetCrossReference, _: Request<Ticket>) -> Answer<RowStream> {
        Ok(no_rows(metadata::foreign_keys()))
    }

    async fn do_get_fallback(&self, _: Request<Ticket>, message: Any) -> Answer<RowStream> {
        Err(Status::unimplemented(format!("tickets of {} are not known here", message.type_url)))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}

/// Whose request it is.
fn client<T>(request: &Request<T>) -> Answer<Arc<Client>> {
    let found = request.extensions().get::<Arc<Client>>().cloned();
    found.ok_or_else(|| failure::internal("a request without a session"))
}

/// Where the rows are: here, for this ticket.
fn info(request: Request<FlightDescriptor>, schema: &Schema, ticket: &impl ProstMessageExt) -> Info {
    let ticket = Ticket::new(ticket.as_any().encode_to_vec());
    let info = FlightInfo::new().try_with_schema(schema).map_err(failure::internal)?;
    let info = info.with_descriptor(request.into_inner());
    Ok(Response::new(info.with_endpoint(FlightEndpoint::new().with_ticket(ticket))))
}

fn ticket(handle: String) -> TicketStatementQuery {
    TicketStatementQuery { statement_handle: handle.into() }
}

fn text(handle: &Bytes) -> Answer<String> {
    let text = std::str::from_utf8(handle).map(str::to_string);
    text.map_err(|error| Status::invalid_argument(format!("a handle that is none of this server's: {error}")))
}

fn encoded(schema: &Schema) -> Answer<Bytes> {
    let options = IpcWriteOptions::default();
    let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &options)).map_err(failure::internal)?;
    Ok(message.0)
}

fn described(rows: Result<RecordBatch, arrow_flight::error::FlightError>) -> Answer<RowStream> {
    let rows = rows.map_err(Status::from)?;
    Ok(answer::of_batches(&rows.schema(), vec![rows]))
}

fn no_rows(schema: SchemaRef) -> RowStream {
    answer::of_batches(&schema, Vec::new())
}
