//! The source `WEBDATASET`: tar shards, whoever wrote them, as a table with a column for each extension.

mod columns;
mod options;
mod read;

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{CreateExternalTable, Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};

pub use options::{OnCorrupt, WebDatasetReadOptions};

use self::columns::{Column, HIDDEN, infer};
use self::read::{Reading, SampleReader, SampleReaderMessage, items_schema, to_batch};
use super::format::{FileTable, Function, SourceTable, called_at};
use super::node::{ReadExec, Reader};
use super::shards::{ShardKind, ShardPath, find, pushed_down, with_hidden_columns};
use super::work::group;
use super::{Hidden, PartitionedTable, Partitions};
use crate::exec::boxed_scan;
use crate::format::kind::FileKind;
use crate::storage::Reach;

/// The type name in `STORED AS`.
pub const FORMAT: &str = "WEBDATASET";

/// The files that are read.
const SHARDS: ShardKind = ShardKind {
    format: "webdataset",
    files: FileKind::Tar,
    missing: |location| {
        format!(
            "tar files match '{location}': of a directory those are taken whose name ends in .tar, .tar.gz or .tgz; name others by a glob \
             such as '{}/*'",
            location.trim_end_matches(['/', '*'])
        )
    },
};

/// Bytes of archives that are worth a partition of their own.
const LEAST_PARTITION_BYTES: u64 = 4 << 20;

/// A table with one row for each sample of the tar files under a location.
#[derive(Debug, Clone)]
pub struct WebDatasetTable {
    location: String,
    options: WebDatasetReadOptions,
    /// What each column of the schema is made of.
    columns: Vec<Column>,
    schema: SchemaRef,
    /// The statement that it was made by.
    definition: Option<String>,
}

/// A [`WebDatasetTable`] on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WebDatasetTableMessage {
    location: String,
    options: WebDatasetReadOptions,
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl WebDatasetTable {
    fn directory_columns(&self) -> Vec<String> {
        let name = |column: &Column| match column {
            Column::Directory(name) => Some(name.clone()),
            _ => None,
        };
        self.columns.iter().filter_map(name).collect()
    }

    /// Whether a query's column of class numbers is read.
    fn has_classes(columns: &[Column]) -> bool {
        columns.iter().any(|column| matches!(column, Column::Member { extension, .. } if extension == "cls"))
    }

    async fn planned_scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (location, has_directories) = (self.location.clone(), self.options.directories);
        let reach = Reach::of(session.config());
        let found = tokio::task::spawn_blocking(move || find(SHARDS, &location, has_directories, &reach)).await;
        let found = found.map_err(|error| exec_datafusion_err!("listing '{}' stopped: {error}", self.location))??;
        let directory_columns = self.directory_columns();
        let found = found.filtered(&directory_columns, session, filters)?;
        let bytes: u64 = found.files.iter().map(|file| file.version.bytes).sum();
        let worth = usize::try_from(bytes / LEAST_PARTITION_BYTES).unwrap_or(usize::MAX);
        let most = found.files.len();
        let dealt = |files, count: usize| group(files, |file: &ShardPath| file.version.bytes, count.min(most).max(1));
        let parts = match self.options.partitions {
            Partitions::Auto => dealt(found.files, session.config().target_partitions().min(worth)),
            Partitions::Exactly(count) => dealt(found.files, count),
            Partitions::BySize if most > 0 => found.files.into_iter().map(|file| vec![file]).collect(),
            Partitions::BySize => vec![Vec::new()],
        };
        let parts: Result<Vec<_>> = parts.iter().map(|part| Ok(vec![to_batch(part, &directory_columns)?])).collect();
        let leaf = MemorySourceConfig::try_new_exec(&parts?, items_schema(&directory_columns), None)?;
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let projection = projection.unwrap_or(&all);
        let columns: Vec<Column> = projection.iter().map(|index| self.columns[*index].clone()).collect();
        let reading = Reading {
            classes: found.classes.filter(|_| Self::has_classes(&columns)),
            columns,
            schema: Arc::new(self.schema.project(projection)?),
            on_corrupt: self.options.on_corrupt,
            directory_columns,
        };
        Ok(Arc::new(ReadExec::try_new(leaf, Arc::new(SampleReader::new(reading)), limit)?))
    }
}

impl TableProvider for WebDatasetTable {
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

    boxed_scan!(WebDatasetTable::planned_scan);
}

impl PartitionedTable for WebDatasetTable {
    fn partitions(&self) -> Partitions {
        self.options.partitions
    }

    /// A file isn't cut: whoever wants so many parts cuts the rows itself, and gets them in their order.
    fn with_partitions(&self, partitions: Partitions) -> Arc<dyn TableProvider> {
        let partitions = match partitions {
            Partitions::Exactly(_) => Partitions::Exactly(1),
            other => other,
        };
        let options = WebDatasetReadOptions { partitions, ..self.options.clone() };
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

impl SourceTable for WebDatasetTable {
    const FUNCTION: Function = Function {
        name: "read_webdataset",
        syntax: "read_webdataset('shards/*.tar', on_corrupt => 'skip_record')",
        description: "Samples of WebDataset tar files as rows: the key, and a column for each extension. Takes a directory, a file or a glob.",
        columns: None,
    };
    const PAGE: (&'static str, &'static str) = (
        "WebDataset tables",
        "`CREATE EXTERNAL TABLE ... STORED AS WEBDATASET LOCATION '...' OPTIONS (text 'caption')` and `read_webdataset('...', text => \
         'caption')`. A sample is what neighbouring members with one key hold: the column `__key__`, and one for each extension, NULL where \
         a sample has no such member. `cls` and its like are BIGINT where all that were looked at are whole numbers.",
    );
    type Options = WebDatasetReadOptions;
    type Message = WebDatasetTableMessage;
    type ReaderMessage = SampleReaderMessage;

    fn called(locations: Vec<String>, options: WebDatasetReadOptions, reach: &Reach) -> Result<Self> {
        called_at(&locations, options, reach)
    }

    fn to_message(&self) -> WebDatasetTableMessage {
        WebDatasetTableMessage {
            location: self.location.clone(),
            options: self.options.clone(),
            columns: self.columns.clone(),
            schema: Arc::clone(&self.schema),
        }
    }

    fn from_message(message: WebDatasetTableMessage) -> Result<Self> {
        let schema = message.schema;
        let WebDatasetTableMessage { location, options, columns, .. } = message;
        Ok(Self { location, options, columns, schema, definition: None })
    }

    fn locations(message: &mut WebDatasetTableMessage) -> &mut [String] {
        std::slice::from_mut(&mut message.location)
    }

    fn reader(message: SampleReaderMessage) -> Result<Arc<dyn Reader>> {
        Ok(Arc::new(SampleReader::from_message(message)?))
    }
}

impl FileTable for WebDatasetTable {
    const FORMAT: &'static str = FORMAT;
    const FILES: Option<FileKind> = Some(FileKind::Tar);

    fn at(location: String, options: WebDatasetReadOptions, reach: &Reach) -> Result<Self> {
        let found = find(SHARDS, &location, options.directories, reach)?;
        let mut columns = infer(&location, &found, &options)?;
        // A member of the same name says as much.
        let is_member = |name: &String| columns.iter().any(|column| column.field().name() == name);
        let directories: Vec<String> =
            found.directory_columns.iter().filter(|name| !is_member(name)).cloned().collect();
        columns.extend(directories.into_iter().map(Column::Directory));
        let schema = Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()));
        Ok(Self { location, options, columns, schema, definition: None })
    }

    fn declared(
        location: String,
        options: WebDatasetReadOptions,
        command: &CreateExternalTable,
        reach: &Reach,
    ) -> Result<Self> {
        let schema = command.schema.as_arrow();
        if schema.fields().is_empty() {
            return Self::at(location, options, reach);
        }
        if !options.text.is_empty() {
            return plan_err!("text: the table declares its columns, whose types say what is text; leave it out");
        }
        let found = find(SHARDS, &location, options.directories, reach)?;
        let directories = &command.table_partition_cols;
        if let Some(unknown) = directories.iter().find(|name| schema.index_of(name).is_err()) {
            return plan_err!("PARTITIONED BY: there is no column '{unknown}'; declare it: {unknown} VARCHAR");
        }
        let column = |field: &Arc<Field>| match directories.contains(field.name()) {
            true => Ok(Column::Directory(field.name().clone())),
            false if found.directory_columns.contains(field.name()) => {
                let name = field.name();
                plan_err!("column '{name}' is named by directories; say so: PARTITIONED BY ({name})")
            }
            false => Column::declared(field),
        };
        let columns: Result<Vec<Column>> = schema.fields().iter().map(column).collect();
        Ok(Self { location, options, columns: columns?, schema: Arc::new(schema.clone()), definition: None })
    }

    fn defined(self, definition: Option<String>) -> Self {
        Self { definition, ..self }
    }
}
