//! The source `IMAGES`: folders and globs of image files as a table.

mod extent;
mod file_list;
mod files;
mod list;
mod load;
mod options;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, exec_datafusion_err, internal_err, plan_err};
use datafusion::datasource::TableType;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{CreateExternalTable, Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};

pub(crate) use extent::Extent;
use file_list::{ListColumns, ListLoader, check_list};
pub(super) use files::{ImageFiles, image_paths, images_at};
use load::{ImageReader, ImageReaderMessage};
pub use options::ImagesOptions;

use super::format::{FileTable, Function, SourceTable, called_at};
use super::node::{ReadExec, Reader};
use super::{Hidden, PartitionedTable, Partitions, Sample};
use crate::exec::boxed_scan;
use crate::format::kind::FileKind;
use crate::storage::{
    AllowList, Location, ObjectLocation, Reach, check_web_location, is_object_url, is_web_url, while_others_go_on,
};

/// The type name in `STORED AS`.
pub const FORMAT: &str = "IMAGES";

/// The column that holds the bytes of the files.
pub(crate) const CONTENT: &str = "content";
/// The column that names the file.
const PATH: &str = "path";
/// A hidden column: why a file could not be read. Sinks list it; `SELECT *` doesn't show it. Of lists it is an ordinary one.
const READ_ERROR: &str = "read_error";
/// A hidden column of lists: where an image is, without secrets.
const READ_FROM: &str = "__read_from";

/// A table with one row for each image file under a location.
///
/// Planning a scan lists the files; everything that can be decided without their bytes is decided there.
#[derive(Debug, Clone)]
pub struct ImagesTable {
    location: String,
    options: ImagesOptions,
    schema: SchemaRef,
    /// The columns of a list, where the location is one whose rows are the table's.
    list: Option<Arc<ListColumns>>,
    /// What relative places of a list start from, where it isn't the process's directory.
    base: String,
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
        if options.is_list() || is_web_url(&location) {
            return Self::of_list(location, options, allow);
        }
        let is_pattern = match is_object_url(&location) {
            true => ObjectLocation::parse_within(&location, allow)?.is_pattern(),
            false => while_others_go_on(|| Location::parse_within(&location, allow))?.is_pattern(),
        };
        if is_pattern && options.is_recursive.is_some() {
            return plan_err!(
                "recursive: a pattern says itself how deep it goes, '*' one folder and '**' any, got '{location}'; leave recursive out"
            );
        }
        Ok(Self { schema: columns(), ..Self::bare(location, options) })
    }

    /// A table of the images that a list names, whose columns are still to be looked up, or of one image of the web.
    fn of_list(location: String, options: ImagesOptions, allow: &AllowList) -> Result<Self> {
        if let Some(option) = options.only_of_folders() {
            return plan_err!(
                "{option}: it is about images in folders, and here they are named one by one; leave {option} out"
            );
        }
        if options.is_list() {
            check_list(&location)?;
            return Ok(Self::bare(location, options));
        }
        check_web_location(&location, allow)?;
        let table = Self::bare(location, options);
        Ok(table.with_list(ListColumns::of_one()))
    }

    fn bare(location: String, options: ImagesOptions) -> Self {
        let (schema, base) = (Arc::new(Schema::empty()), String::new());
        Self { location, options, schema, list: None, base, definition: None }
    }

    fn with_list(self, list: ListColumns) -> Self {
        Self { schema: list.table_schema(false), list: Some(Arc::new(list)), ..self }
    }

    /// The same table, which knows the columns of its list.
    async fn looked_up(&self, state: &SessionState) -> Result<Self> {
        let list = file_list::columns_of(&self.location, &self.options, state).await?;
        Ok(self.clone().with_list(list))
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
    /// The location, and what relative places of a list start from.
    places: [String; 2],
    options: Box<ImagesOptions>,
    has_read_error: bool,
    #[serde(default)]
    list: Option<ListColumns>,
}

/// Whether a table is one of a list whose columns are still to be looked up.
pub(super) fn lacks_list_columns(table: &dyn TableProvider) -> bool {
    let images = table.downcast_ref::<ImagesTable>();
    images.is_some_and(|images| images.options.is_list() && images.list.is_none())
}

/// The table, with the columns of its list where it is one of a list.
///
/// # Errors
/// A list that can't be read.
pub(super) async fn with_list_columns(
    table: Arc<dyn TableProvider>,
    state: &SessionState,
) -> Result<Arc<dyn TableProvider>> {
    match table.downcast_ref::<ImagesTable>() {
        Some(images) if lacks_list_columns(images) => Ok(Arc::new(images.looked_up(state).await?)),
        _ => Ok(table),
    }
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

/// Whether a filter can be decided from the listing, or from the list.
fn is_about_metadata(filter: &Expr, list: Option<&ListColumns>) -> bool {
    let fields = metadata_fields();
    let is_metadata = |name: &str| match list {
        Some(list) => list.has(name),
        None => fields.iter().any(|field| field.name() == name),
    };
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
        if let Some(list) = &self.list {
            return self.scan_of_list(list, session, projection, filters, limit).await;
        }
        if self.options.is_list() {
            return internal_err!("the columns of the list '{}' were not looked up", self.location);
        }
        let request = list::Request::try_new(self, session, projection, filters, limit)?;
        let listing = tokio::task::spawn_blocking(move || request.list());
        let listing =
            listing.await.map_err(|error| exec_datafusion_err!("listing '{}' stopped: {error}", self.location))?;
        let listing = listing?;
        let projection = match projection {
            Some(projection) => self.schema.project(projection)?,
            None => self.schema.as_ref().clone(),
        };
        let reader = ImageReader::new(Arc::new(projection), listing.classes, self.options.extent);
        Ok(Arc::new(ReadExec::try_new(listing.leaf, Arc::new(reader), None)?))
    }

    async fn scan_of_list(
        &self,
        list: &ListColumns,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => Arc::clone(&self.schema),
        };
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let leaf = file_list::scan((&self.location, list, &self.options), session, &names, filters, limit).await?;
        let web = self.options.web.clone();
        let loader = ListLoader::new(leaf.schema(), list.clone(), self.base.clone(), web);
        let reader = ImageReader::of_list(schema, Arc::new(loader));
        Ok(Arc::new(ReadExec::try_new(leaf, Arc::new(reader), None)?))
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
        let support = |filter: &&Expr| match is_about_metadata(filter, self.list.as_deref()) {
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
        if let Some(list) = &self.list {
            let table = Self { schema: list.table_schema(true), ..self.clone() };
            let columns = [READ_FROM, CONTENT, READ_ERROR].map(str::to_string);
            return Ok(Some(Hidden { table: Arc::new(table), columns }));
        }
        let table = Self { schema: schema(true), ..self.clone() };
        Ok(Some(Hidden { table: Arc::new(table), columns: [PATH, CONTENT, READ_ERROR].map(str::to_string) }))
    }

    fn sampled(&self, sample: Sample) -> Option<Arc<dyn TableProvider>> {
        Some(Arc::new(self.with_options(ImagesOptions { sample: Some(sample), ..self.options.clone() })))
    }

    fn with_extent(&self, extent: Extent) -> Option<Arc<dyn TableProvider>> {
        // Hosts of the web are asked for whole images.
        if self.list.is_some() || self.options.is_list() || self.options.extent != Extent::Whole {
            return None;
        }
        Some(Arc::new(self.with_options(ImagesOptions { extent, ..self.options.clone() })))
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
        if let Some(files) = options.files.clone() {
            return match locations.as_slice() {
                [] => Self::at(files, options, reach),
                [location, ..] => plan_err!(
                    "read_images takes a location or a list, got '{location}' and files => '{files}'; leave one of them out"
                ),
            };
        }
        called_at(&locations, options, reach)
    }

    fn to_message(&self) -> ImagesTableMessage {
        let hidden = if self.list.is_some() { READ_FROM } else { READ_ERROR };
        ImagesTableMessage {
            places: [self.location.clone(), self.base.clone()],
            options: Box::new(self.options.clone()),
            has_read_error: self.schema.index_of(hidden).is_ok(),
            list: self.list.as_deref().cloned(),
        }
    }

    fn from_message(message: ImagesTableMessage) -> Result<Self> {
        let schema = match &message.list {
            Some(list) => list.table_schema(message.has_read_error),
            None => schema(message.has_read_error),
        };
        let [location, base] = message.places;
        let list = message.list.map(Arc::new);
        Ok(Self { schema, list, base, ..Self::bare(location, *message.options) })
    }

    fn locations(message: &mut ImagesTableMessage) -> &mut [String] {
        &mut message.places
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
