//! The source `TFRECORD`: record files, whoever wrote them, as a table whose columns are the features.

mod beside;
mod columns;
mod exec;
mod images;
mod infer;
mod items;
mod options;
mod read;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{CreateExternalTable, Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};

use exec::{RecordsReader, RecordsReaderMessage};
pub(super) use images::{RecordImages, record_files, records_at};
pub use options::{OnCorrupt, RecordType, TfRecordReadOptions};

use super::format::{FileTable, Function, SourceTable, called_at};
use super::node::{ReadExec, Reader};
use super::shards::{ShardKind, find, pushed_down, with_hidden_columns};
use super::{Hidden, PartitionedTable, Partitions};
use crate::exec::boxed_scan;
use crate::format::kind::FileKind;
use crate::format::tfrecord::FeatureKind;
use crate::storage::Reach;
use columns::{Column, FeatureColumn, Shape};
use read::Reading;

/// The type name in `STORED AS`.
pub const FORMAT: &str = "TFRECORD";

/// The files that are read.
const SHARDS: ShardKind = ShardKind {
    format: "tfrecord",
    files: FileKind::TfRecord,
    missing: |location| {
        format!(
            "record files match '{location}': of a directory those are taken whose name contains 'tfrec' or '.record'; name others by a \
             glob such as '{}/*'",
            location.trim_end_matches(['/', '*'])
        )
    },
};

/// The column of records that are left as they are.
const RECORD: &str = "record";
/// Hidden columns: where a row comes from, and what there is to say of it.
const HIDDEN: [&str; 3] = ["__record_place", "__record_content", "__record_error"];

/// A table with one row for each record of the files under a location.
#[derive(Debug, Clone)]
pub struct TfRecordTable {
    location: String,
    options: TfRecordReadOptions,
    record_type: RecordType,
    /// What each column of the schema is made of.
    columns: Vec<Column>,
    schema: SchemaRef,
    /// The statement that it was made by.
    definition: Option<String>,
}

impl TfRecordTable {
    /// A table of the record files at `location`; its columns are found out from a sample of them.
    ///
    /// # Errors
    /// Nothing there, nothing that can or may be read, or features whose kinds don't agree.
    pub(crate) fn infer(location: impl Into<String>, options: TfRecordReadOptions, reach: &Reach) -> Result<Self> {
        let location = location.into();
        let found = find(SHARDS, &location, options.directories, reach)?;
        let inferred = infer::infer(&location, &found, &options)?;
        let mut fields: Vec<Field> = inferred.columns.iter().map(field).collect();
        let mut columns = inferred.columns;
        for name in found.directory_columns {
            // A feature of the same name says as much.
            if fields.iter().all(|field| *field.name() != name) {
                fields.push(Field::new(&name, DataType::Utf8, true));
                columns.push(Column::Directory(name));
            }
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { location, options, record_type: inferred.record_type, columns, schema, definition: None })
    }

    /// A table with the columns that its maker says.
    ///
    /// # Errors
    /// Columns that no feature can be read into, or a location that can't be one or may not be reached.
    pub(crate) fn with_schema(
        location: impl Into<String>,
        options: TfRecordReadOptions,
        schema: &Schema,
        directories: &[String],
        reach: &Reach,
    ) -> Result<Self> {
        let location = location.into();
        let found = find(SHARDS, &location, options.directories, reach)?;
        options.refuse_names("the table declares its columns, whose types say what is text and what is a list")?;
        let record_type = options.record_type.unwrap_or(RecordType::Example);
        let are_lists = match record_type {
            RecordType::SequenceExample => infer::are_feature_lists(&found, &options)?,
            RecordType::Example | RecordType::Bytes => BTreeMap::new(),
        };
        if let Some(unknown) = directories.iter().find(|name| schema.index_of(name).is_err()) {
            return plan_err!("PARTITIONED BY: there is no column '{unknown}'; declare it: {unknown} VARCHAR");
        }
        let mut columns = Vec::new();
        for field in schema.fields() {
            let name = field.name();
            let is_directory = directories.contains(name);
            if !is_directory && found.directory_columns.contains(name) {
                return plan_err!("column '{name}' is named by directories; say so: PARTITIONED BY ({name})");
            }
            columns.push(match record_type {
                _ if is_directory => Column::Directory(name.clone()),
                RecordType::Bytes if columns.contains(&Column::Record) => {
                    return plan_err!("column '{name}': with record_type 'bytes' there is one column, of type BYTEA");
                }
                RecordType::Bytes => bytes_column(field)?,
                RecordType::Example | RecordType::SequenceExample => {
                    Column::Feature(declared(field, record_type, are_lists.get(name).copied())?)
                }
            });
        }
        Ok(Self { location, options, record_type, columns, schema: Arc::new(schema.clone()), definition: None })
    }

    fn directory_columns(&self) -> Vec<String> {
        let name = |column: &Column| match column {
            Column::Directory(name) => Some(name.clone()),
            _ => None,
        };
        self.columns.iter().filter_map(name).collect()
    }
}

/// A [`TfRecordTable`] on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TfRecordTableMessage {
    pub(super) location: String,
    options: TfRecordReadOptions,
    record_type: RecordType,
    columns: Vec<Column>,
    schema: SchemaRef,
}

/// A column's field.
fn field(column: &Column) -> Field {
    match column {
        Column::Feature(feature) => Field::new(&feature.name, feature.data_type(), true),
        Column::Record => Field::new(RECORD, DataType::Binary, false),
        Column::Directory(name) => Field::new(name, DataType::Utf8, true),
        Column::Place => Field::new(HIDDEN[0], DataType::Utf8, true),
        Column::Nothing => Field::new(HIDDEN[1], DataType::Binary, true),
    }
}

fn bytes_column(field: &Field) -> Result<Column> {
    match field.data_type() {
        DataType::Binary => Ok(Column::Record),
        other => plan_err!(
            "column '{}': with record_type 'bytes' there is one column, of type BYTEA, got {other}",
            field.name()
        ),
    }
}

/// The feature that is read into a declared column.
fn declared(field: &Field, record_type: RecordType, is_feature_list: Option<bool>) -> Result<FeatureColumn> {
    let element = |data_type: &DataType| match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item.data_type().clone())
        }
        _ => None,
    };
    let outer = element(field.data_type());
    let inner = outer.as_ref().and_then(element);
    let is_sequence = record_type == RecordType::SequenceExample;
    let shape = match (&outer, &inner) {
        (Some(_), Some(_)) if is_sequence => Shape::StepLists,
        (Some(_), None) if is_sequence && is_feature_list == Some(false) => Shape::List,
        (Some(_), None) if is_sequence => Shape::Steps,
        (Some(_), None) => Shape::List,
        (None, _) => Shape::Scalar,
        (Some(_), Some(_)) => {
            return plan_err!(
                "column '{}' of type {}: a feature of tf.train.Example is a flat list; lists of lists are those of record_type \
                 'sequence_example'",
                field.name(),
                field.data_type()
            );
        }
    };
    let value = inner.or(outer).unwrap_or_else(|| field.data_type().clone());
    let (kind, is_text) = match &value {
        data_type if data_type.is_integer() => (FeatureKind::Int64, false),
        DataType::Boolean | DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            (FeatureKind::Int64, false)
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => (FeatureKind::Float, false),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => (FeatureKind::Bytes, true),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            (FeatureKind::Bytes, false)
        }
        _ => {
            return plan_err!(
                "column '{}' of type {}: a feature holds integers, floats or bytes; declare it BIGINT, REAL, VARCHAR, BYTEA or an array of \
                 one of these",
                field.name(),
                field.data_type()
            );
        }
    };
    let column = FeatureColumn { name: field.name().clone(), kind, shape, is_text, cast: None };
    let cast = (column.data_type() != *field.data_type()).then(|| field.data_type().clone());
    Ok(FeatureColumn { cast, ..column })
}

impl TfRecordTable {
    async fn planned_scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (location, has_directories) = (self.location.clone(), self.options.directories);
        let joined = |error| exec_datafusion_err!("listing '{}' stopped: {error}", self.location);
        let reach = Reach::of(session.config());
        let found = tokio::task::spawn_blocking(move || find(SHARDS, &location, has_directories, &reach))
            .await
            .map_err(joined)??;
        let directory_columns = self.directory_columns();
        let found = found.filtered(&directory_columns, session, filters)?;
        let (names, options, classes) = (directory_columns.clone(), self.options.clone(), found.classes.clone());
        let cores = session.config().target_partitions();
        let partitioned = tokio::task::spawn_blocking(move || {
            items::partition(&found, &names, options.partitions, cores, options.on_corrupt)
        });
        let partitions = partitioned.await.map_err(joined)??;
        let items_schema = items::items_schema(&directory_columns);
        let batches: Result<Vec<_>> =
            partitions.iter().map(|items| Ok(vec![items::to_batch(items, &items_schema)?])).collect();
        let leaf = MemorySourceConfig::try_new_exec(&batches?, items_schema, None)?;
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let projection = projection.unwrap_or(&all);
        let reading = Reading {
            columns: projection.iter().map(|index| self.columns[*index].clone()).collect(),
            schema: Arc::new(self.schema.project(projection)?),
            record_type: self.record_type,
            on_corrupt: self.options.on_corrupt,
            directory_columns,
            classes,
        };
        Ok(Arc::new(ReadExec::try_new(leaf, Arc::new(RecordsReader::new(reading)), limit)?))
    }
}

impl TableProvider for TfRecordTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_table_definition(&self) -> Option<&str> {
        self.definition.as_deref()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(pushed_down(&self.directory_columns(), &self.schema, filters))
    }

    boxed_scan!(TfRecordTable::planned_scan);
}

impl PartitionedTable for TfRecordTable {
    fn partitions(&self) -> Partitions {
        self.options.partitions
    }

    fn with_partitions(&self, partitions: Partitions) -> Arc<dyn TableProvider> {
        let options = TfRecordReadOptions { partitions, ..self.options.clone() };
        Arc::new(Self { options, ..self.clone() })
    }

    fn shuffle_seed(&self) -> Option<u64> {
        None
    }

    fn with_hidden(&self, projection: Option<&[usize]>) -> Result<Option<Hidden>> {
        let mut table = self.clone();
        let (schema, columns) = with_hidden_columns(&self.schema, HIDDEN, projection);
        table.schema = schema;
        table.columns.extend([Column::Place, Column::Nothing, Column::Nothing]);
        Ok(Some(Hidden { table: Arc::new(table), columns }))
    }
}

impl SourceTable for TfRecordTable {
    const FUNCTION: Function = Function {
        name: "read_tfrecord",
        syntax: "read_tfrecord('shards/*.tfrec', on_corrupt => 'skip_record')",
        description: "Records of TFRecord files as rows, with a column for each feature. Takes a directory, a file or a glob.",
        columns: None,
    };
    const PAGE: (&'static str, &'static str) = (
        "TFRecord tables",
        "`CREATE EXTERNAL TABLE ... STORED AS TFRECORD LOCATION '...' OPTIONS (on_corrupt 'skip_record')` and `read_tfrecord('...', on_corrupt \
         => 'skip_record')`.",
    );
    type Options = TfRecordReadOptions;
    type Message = TfRecordTableMessage;
    type ReaderMessage = RecordsReaderMessage;

    fn called(locations: Vec<String>, options: TfRecordReadOptions, reach: &Reach) -> Result<Self> {
        called_at(&locations, options, reach)
    }

    fn to_message(&self) -> TfRecordTableMessage {
        TfRecordTableMessage {
            location: self.location.clone(),
            options: self.options.clone(),
            record_type: self.record_type,
            columns: self.columns.clone(),
            schema: Arc::clone(&self.schema),
        }
    }

    fn from_message(message: TfRecordTableMessage) -> Result<Self> {
        Ok(Self {
            location: message.location,
            options: message.options,
            record_type: message.record_type,
            columns: message.columns,
            schema: message.schema,
            definition: None,
        })
    }

    fn locations(message: &mut TfRecordTableMessage) -> &mut [String] {
        std::slice::from_mut(&mut message.location)
    }

    fn reader(message: RecordsReaderMessage) -> Result<Arc<dyn Reader>> {
        Ok(Arc::new(RecordsReader::from_message(message)?))
    }
}

impl FileTable for TfRecordTable {
    const FORMAT: &'static str = FORMAT;
    const FILES: Option<FileKind> = Some(FileKind::TfRecord);

    fn at(location: String, options: TfRecordReadOptions, reach: &Reach) -> Result<Self> {
        Self::infer(location, options, reach)
    }

    fn declared(
        location: String,
        options: TfRecordReadOptions,
        command: &CreateExternalTable,
        reach: &Reach,
    ) -> Result<Self> {
        let schema = command.schema.as_arrow();
        match schema.fields().is_empty() {
            true => Self::at(location, options, reach),
            false => Self::with_schema(location, options, schema, &command.table_partition_cols, reach),
        }
    }

    fn defined(self, definition: Option<String>) -> Self {
        Self { definition, ..self }
    }
}
