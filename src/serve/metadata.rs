//! What there is: catalogs, schemas, tables, types, and what this server can do.

use std::sync::Arc;

use arrow_flight::error::Result;
use arrow_flight::sql::metadata::{
    SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder,
};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables, Nullable, Searchable, SqlInfo,
    SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity, SqlSupportedTransaction, XdbcDataType,
};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::logical_expr::TableType;
use datafusion::prelude::SessionContext;

use super::answer::plain_schema;

/// The version of Arrow that this is built with.
const ARROW_VERSION: &str = "59";

/// The kinds of table.
const TABLE_TYPES: [TableType; 3] = [TableType::Base, TableType::View, TableType::Temporary];

/// What is the same for all sessions.
pub(super) struct Metadata {
    pub(super) server: SqlInfoData,
    pub(super) types: XdbcTypeInfoData,
}

impl Metadata {
    /// Describes a server.
    ///
    /// # Errors
    /// None.
    pub(super) fn new(is_read_only: bool) -> Result<Self> {
        Ok(Self { server: server(is_read_only)?, types: types()? })
    }
}

/// The catalogs of a session.
///
/// # Errors
/// None.
pub(super) fn catalogs(ctx: &SessionContext, command: CommandGetCatalogs) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    for catalog in ctx.catalog_names() {
        builder.append(catalog);
    }
    builder.build()
}

/// The schemas of a session.
///
/// # Errors
/// A filter that is none.
pub(super) fn schemas(ctx: &SessionContext, command: CommandGetDbSchemas) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    for name in ctx.catalog_names() {
        for schema in ctx.catalog(&name).iter().flat_map(|catalog| catalog.schema_names()) {
            builder.append(&name, schema);
        }
    }
    builder.build()
}

/// The tables and views of a session.
///
/// # Errors
/// A filter that is none.
pub(super) async fn tables(ctx: &SessionContext, command: CommandGetTables) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    for catalog_name in ctx.catalog_names() {
        let Some(catalog) = ctx.catalog(&catalog_name) else { continue };
        for schema_name in catalog.schema_names() {
            let Some(schema) = catalog.schema(&schema_name) else { continue };
            for name in schema.table_names() {
                // One that was dropped meanwhile is none.
                let Ok(Some(table)) = schema.table(&name).await else { continue };
                let columns = plain_schema(&table.schema());
                builder.append(&catalog_name, &schema_name, &name, table_type(table.table_type()), &columns)?;
            }
        }
    }
    builder.build()
}

/// The kinds of table.
///
/// # Errors
/// None.
pub(super) fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    for kind in TABLE_TYPES {
        builder.append(table_type(kind));
    }
    builder.build()
}

/// A kind of table, in the words of JDBC and ODBC.
fn table_type(kind: TableType) -> &'static str {
    match kind {
        TableType::Base => "TABLE",
        TableType::View => "VIEW",
        TableType::Temporary => "LOCAL TEMPORARY",
    }
}

/// The columns that describe a primary key; no table has one.
pub(super) fn primary_keys() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, true),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("column_name", DataType::Utf8, false),
        Field::new("key_name", DataType::Utf8, true),
        Field::new("key_sequence", DataType::Int32, false),
    ]))
}

/// The columns that describe a foreign key; no table has one.
pub(super) fn foreign_keys() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("pk_catalog_name", DataType::Utf8, true),
        Field::new("pk_db_schema_name", DataType::Utf8, true),
        Field::new("pk_table_name", DataType::Utf8, false),
        Field::new("pk_column_name", DataType::Utf8, false),
        Field::new("fk_catalog_name", DataType::Utf8, true),
        Field::new("fk_db_schema_name", DataType::Utf8, true),
        Field::new("fk_table_name", DataType::Utf8, false),
        Field::new("fk_column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("fk_key_name", DataType::Utf8, true),
        Field::new("pk_key_name", DataType::Utf8, true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
}

fn server(is_read_only: bool) -> Result<SqlInfoData> {
    let mut server = SqlInfoDataBuilder::new();
    server.append(SqlInfo::FlightSqlServerName, "pixmill");
    server.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    server.append(SqlInfo::FlightSqlServerArrowVersion, ARROW_VERSION);
    server.append(SqlInfo::FlightSqlServerReadOnly, is_read_only);
    server.append(SqlInfo::FlightSqlServerSql, true);
    server.append(SqlInfo::FlightSqlServerSubstrait, false);
    server.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    server.append(SqlInfo::FlightSqlServerCancel, true);
    server.append(SqlInfo::FlightSqlServerBulkIngestion, true);
    server.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
    server.append(SqlInfo::FlightSqlServerStatementTimeout, 0);
    server.append(SqlInfo::FlightSqlServerTransactionTimeout, 0);
    server.append(SqlInfo::SqlDdlCatalog, false);
    server.append(SqlInfo::SqlDdlSchema, true);
    server.append(SqlInfo::SqlDdlTable, true);
    let lowercase = SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32;
    server.append(SqlInfo::SqlIdentifierCase, lowercase);
    server.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    let sensitive = SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32;
    server.append(SqlInfo::SqlQuotedIdentifierCase, sensitive);
    server.append(SqlInfo::SqlAllTablesAreSelectable, true);
    server.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    server.append(SqlInfo::SqlSearchStringEscape, "\\");
    server.append(SqlInfo::SqlSupportsColumnAliasing, true);
    server.append(SqlInfo::SqlNullPlusNullIsNull, true);
    server.append(SqlInfo::SqlSupportsTableCorrelationNames, true);
    server.append(SqlInfo::SqlSupportsExpressionsInOrderBy, true);
    server.append(SqlInfo::SqlSupportsOrderByUnrelated, true);
    server.append(SqlInfo::SqlSupportsLikeEscapeClause, true);
    server.append(SqlInfo::SqlOuterJoinsSupportLevel, SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32);
    server.append(SqlInfo::SqlSchemaTerm, "schema");
    server.append(SqlInfo::SqlCatalogTerm, "catalog");
    server.append(SqlInfo::SqlCatalogAtStart, true);
    server.append(SqlInfo::SqlSelectForUpdateSupported, false);
    server.append(SqlInfo::SqlStoredProceduresSupported, false);
    server.append(SqlInfo::SqlCorrelatedSubqueriesSupported, true);
    server.append(SqlInfo::SqlBatchUpdatesSupported, true);
    server.append(SqlInfo::SqlSavepointsSupported, false);
    server.append(SqlInfo::SqlNamedParametersSupported, false);
    server.build()
}

fn types() -> Result<XdbcTypeInfoData> {
    let mut types = XdbcTypeInfoDataBuilder::new();
    let number = |name: &str, data_type, digits| XdbcTypeInfo {
        type_name: name.to_string(),
        data_type,
        sql_data_type: data_type,
        column_size: Some(digits),
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        unsigned_attribute: Some(false),
        num_prec_radix: Some(10),
        ..XdbcTypeInfo::default()
    };
    let quoted = |name: &str, data_type| XdbcTypeInfo {
        type_name: name.to_string(),
        data_type,
        sql_data_type: data_type,
        literal_prefix: Some("'".to_string()),
        literal_suffix: Some("'".to_string()),
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        ..XdbcTypeInfo::default()
    };
    types.append(number("TINYINT", XdbcDataType::XdbcTinyint, 3));
    types.append(number("SMALLINT", XdbcDataType::XdbcSmallint, 5));
    types.append(number("INTEGER", XdbcDataType::XdbcInteger, 10));
    types.append(number("BIGINT", XdbcDataType::XdbcBigint, 19));
    types.append(number("REAL", XdbcDataType::XdbcReal, 7));
    types.append(number("DOUBLE", XdbcDataType::XdbcDouble, 15));
    types.append(number("DECIMAL", XdbcDataType::XdbcDecimal, 38));
    types.append(XdbcTypeInfo {
        literal_prefix: None,
        literal_suffix: None,
        ..quoted("BOOLEAN", XdbcDataType::XdbcBit)
    });
    types.append(XdbcTypeInfo { case_sensitive: true, ..quoted("VARCHAR", XdbcDataType::XdbcVarchar) });
    types.append(XdbcTypeInfo {
        literal_prefix: Some("X'".to_string()),
        ..quoted("BYTEA", XdbcDataType::XdbcVarbinary)
    });
    types.append(quoted("DATE", XdbcDataType::XdbcDate));
    types.append(quoted("TIME", XdbcDataType::XdbcTime));
    types.append(quoted("TIMESTAMP", XdbcDataType::XdbcTimestamp));
    types.append(quoted("INTERVAL", XdbcDataType::XdbcInterval));
    types.build()
}
