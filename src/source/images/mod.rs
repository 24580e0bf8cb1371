//! The source `IMAGES`: folders and globs of image files as a table.

mod files;
mod list;
mod load;
mod options;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{CreateExternalTable, Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};

pub(super) use files::{ImageFiles, image_paths, images_at};
use load::{ImageReader, ImageReaderMessage};
pub use options::ImagesOptions;

use super::format::{FileTable, Function, SourceTable, called_at};
use super::node::{ReadExec, Reader};
use super::{Hidden, PartitionedTable, Partitions, Sample};
use crate::exec::boxed_scan;
use crate::format::kind::FileKind;
use crate::storage::{AllowList, Location, ObjectLocation, Reach, is_object_url, while_others_go_on};

/// The type name in `STORED AS`.
pub const FORMAT: &str = "IMAGES";

/// The column that holds the bytes of the files.
const CONTENT: &str = "content";
/// The column that names the file.
const PATH: &str = "path";
/// A hidden column: why a file could not be read. Sinks list it; `SELECT *` doesn't show it.
const READ_ERROR: &str = "read_error";

/// A table with one row for each image file under a location.
///
/// Planning a scan lists the files; everything that can be decided without their bytes is decided there.
#[derive(Debug, Clone)]
pub struct ImagesTable {
    location: String,
    options: ImagesOptions,
    schema: SchemaRef,
    /// The statement that it was made by.
    definition: Option<String>,
}

impl ImagesTable {
    /// A table of the images at `location`: a directory, a file or a glob.
    ///
    /// # Errors
    /// A location that can't be one, or that may not be reached.
    pub fn try_new(location: impl Into<String>, options: ImagesOptions, allow: &Arc<AllowList>) -> Result<Self> {
        let location = location.into();
        let is_pattern = match is_object_url(&location) {
            true => ObjectLocation::parse_within(&location, allow)?.is_pattern(),
            false => while_others_go_on(|| Location::parse_within(&location, allow))?.is_pattern(),
        };
        if is_pattern && options.is_recursive.is_some() {
            return plan_err!(
                "recursive: a pattern says itself how deep it goes, '*' one folder and '**' any, got '{location}'; leave recursive out"
            );
        }
        Ok(Self { location, options, schema: columns(), definition: None })
    }

    /// The same table with other options.
    pub fn with_options(&self, options: ImagesOptions) -> Self {
        Self { options, ..self.clone() }
    }

    /// How the files are listed and cut into partitions.
    pub fn options(&self) -> &ImagesOptions {
        &self.options
    }
}

/// An [`ImagesTable`] on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImagesTableMessage {
    pub(super) location: String,
    options: ImagesOptions,
    has_read_error: bool,
}

/// The columns that need no file to be opened.
fn metadata_fields() -> Vec<Field> {
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    vec![
        Field::new(PATH, DataType::Utf8, false),
        Field::new("modification_time", timestamp, true),
        Field::new("length", DataType::Int64, false),
        Field::new("label", DataType::Utf8, true),
        Field::new("class", DataType::Int64, true),
    ]
}

/// The columns of every table of images.
pub(super) fn columns() -> SchemaRef {
    schema(false)
}

fn schema(has_read_error: bool) -> SchemaRef {
    let mut fields = metadata_fields();
    fields.push(Field::new(CONTENT, DataType::Binary, true));
    if has_read_error {
        fields.push(Field::new(READ_ERROR, DataType::Utf8, true));
    }
    Arc::new(Schema::new(fields))
}

/// Whether a filter can be decided from the listing.
fn is_about_metadata(filter: &Expr) -> bool {
    let fields = metadata_fields();
    let is_metadata = |name: &str| fields.iter().any(|field| field.name() == name);
    !filter.is_volatile() && filter.column_refs().iter().all(|column| is_metadata(&column.name))
}

impl ImagesTable {
    async fn planned_scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let request = list::Request::try_new(self, session, projection, filters, limit)?;
        let listing = tokio::task::spawn_blocking(move || request.list());
        let listing =
            listing.await.map_err(|error| exec_datafusion_err!("listing '{}' stopped: {error}", self.location))?;
        let listing = listing?;
        let projection = match projection {
            Some(projection) => self.schema.project(projection)?,
            None => self.schema.as_ref().clone(),
        };
        let reader = ImageReader::new(Arc::new(projection), listing.classes, self.options.is_headers_only);
        Ok(Arc::new(ReadExec::try_new(listing.leaf, Arc::new(reader), None)?))
    }
}

impl TableProvider for ImagesTable {
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
        let support = |filter: &&Expr| match is_about_metadata(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    boxed_scan!(ImagesTable::planned_scan);
}

impl PartitionedTable for ImagesTable {
    fn partitions(&self) -> Partitions {
        self.options.partitions
    }

    fn with_partitions(&self, partitions: Partitions) -> Arc<dyn TableProvider> {
        Arc::new(self.with_options(ImagesOptions { partitions, ..self.options.clone() }))
    }

    fn shuffle_seed(&self) -> Option<u64> {
        self.options.shuffle_seed
    }

    fn with_hidden(&self, _: Option<&[usize]>) -> Result<Option<Hidden>> {
        let table = Self { schema: schema(true), ..self.clone() };
        Ok(Some(Hidden { table: Arc::new(table), columns: [PATH, CONTENT, READ_ERROR].map(str::to_string) }))
    }

    fn sampled(&self, sample: Sample) -> Option<Arc<dyn TableProvider>> {
        Some(Arc::new(self.with_options(ImagesOptions { sample: Some(sample), ..self.options.clone() })))
    }

    fn with_headers_only(&self) -> Option<Arc<dyn TableProvider>> {
        Some(Arc::new(self.with_options(ImagesOptions { is_headers_only: true, ..self.options.clone() })))
    }
}

impl SourceTable for ImagesTable {
    const FUNCTION: Function = Function {
        name: "read_images",
        syntax: "read_images('photos/**/*.jpg', shuffle_seed => 1)",
        description: "Image files as rows: path, time, length, label, class and bytes. Takes a directory, a file or a glob.",
        columns: Some(columns),
    };
    const PAGE: (&'static str, &'static str) = (
        "Images",
        "`CREATE EXTERNAL TABLE ... STORED AS IMAGES LOCATION '...' OPTIONS (partitions 16)` and `read_images('...', partitions => 16)`.",
    );
    type Options = ImagesOptions;
    type Message = ImagesTableMessage;
    type ReaderMessage = ImageReaderMessage;

    fn called(locations: Vec<String>, options: ImagesOptions, reach: &Reach) -> Result<Self> {
        called_at(&locations, options, reach)
    }

    fn to_message(&self) -> ImagesTableMessage {
        let has_read_error = self.schema.index_of(READ_ERROR).is_ok();
        ImagesTableMessage { location: self.location.clone(), options: self.options.clone(), has_read_error }
    }

    fn from_message(message: ImagesTableMessage) -> Result<Self> {
        let schema = schema(message.has_read_error);
        Ok(Self { location: message.location, options: message.options, schema, definition: None })
    }

    fn locations(message: &mut ImagesTableMessage) -> &mut [String] {
        std::slice::from_mut(&mut message.location)
    }

    fn reader(message: ImageReaderMessage) -> Result<Arc<dyn Reader>> {
        Ok(Arc::new(ImageReader::from_message(message)?))
    }
}

impl FileTable for ImagesTable {
    const FORMAT: &'static str = FORMAT;
    const FILES: Option<FileKind> = Some(FileKind::Image);

    fn at(location: String, options: ImagesOptions, reach: &Reach) -> Result<Self> {
        Self::try_new(location, options, &reach.allow)
    }

    fn declared(
        location: String,
        options: ImagesOptions,
        command: &CreateExternalTable,
        reach: &Reach,
    ) -> Result<Self> {
        if !command.schema.fields().is_empty() {
            let columns = columns();
            let names: Vec<&str> = columns.fields().iter().map(|field| field.name().as_str()).collect();
            return plan_err!(
                "a table STORED AS {FORMAT} has columns of its own ({}); leave the column list out",
                names.join(", ")
            );
        }
        if !command.table_partition_cols.is_empty() {
            return plan_err!("a table STORED AS {FORMAT} takes no PARTITIONED BY; its label is the directory name");
        }
        Self::at(location, options, reach)
    }

    fn defined(self, definition: Option<String>) -> Self {
        Self { definition, ..self }
    }
}
