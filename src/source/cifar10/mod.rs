//! The source `CIFAR10`: the binary batches of CIFAR-10 as a table.
//!
//! Format: "Binary version" of <https://www.cs.toronto.edu/~kriz/cifar.html>.

mod label_names;
mod list;
mod load;
mod options;
mod read;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{CreateExternalTable, Expr};
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};

use load::{Cifar10Reader, Cifar10ReaderMessage};
pub use options::Cifar10Options;

use super::format::{FileTable, Function, SourceTable, called_at};
use super::node::{ReadExec, Reader};
use super::{Hidden, PartitionedTable, Partitions};
use crate::exec::boxed_scan;
use crate::format::kind::FileKind;
use crate::storage::{Location, ObjectLocation, Reach, is_object_url, while_others_go_on};

/// The type name in `STORED AS`.
pub const FORMAT: &str = "CIFAR10";

/// The column that holds the label's number.
const LABEL: &str = "label";
/// The column that holds the label's name, where the batches come with names.
const LABEL_NAME: &str = "label_name";
/// The column that holds the pixels.
const IMAGE: &str = "image";

/// A table with one row for each image of CIFAR-10's binary batches under a location.
///
/// Planning a scan lists the files and checks their sizes; how many rows there are is known without opening one.
#[derive(Debug, Clone)]
pub struct Cifar10Table {
    location: String,
    options: Cifar10Options,
    schema: SchemaRef,
    /// The statement that it was made by.
    definition: Option<String>,
}

impl Cifar10Table {
    /// A table of the batches at `location`: a directory, a file or a glob.
    ///
    /// # Errors
    /// A location that can't be one, or that may not be reached.
    pub(crate) fn try_new(location: impl Into<String>, options: Cifar10Options, reach: &Reach) -> Result<Self> {
        let location = location.into();
        match is_object_url(&location) {
            true => ObjectLocation::parse_within(&location, &reach.allow).map(|_| ())?,
            false => while_others_go_on(|| Location::parse_within(&location, &reach.allow)).map(|_| ())?,
        }
        Ok(Self { location, options, schema: schema(), definition: None })
    }
}

/// A [`Cifar10Table`] on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cifar10TableMessage {
    pub(super) location: String,
    options: Cifar10Options,
}

/// The columns of every table of CIFAR-10.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(LABEL, DataType::Int64, false),
        Field::new(LABEL_NAME, DataType::Utf8, true),
        Field::new(IMAGE, pixmill_udfs::image_type(), false),
    ]))
}

impl Cifar10Table {
    async fn planned_scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => self.schema(),
        };
        let request = list::Request {
            location: self.location.clone(),
            reach: Reach::of(session.config()),
            partitions: self.options.partitions,
            limit,
            cores: session.config().target_partitions(),
            reads: read::Reads::of(&schema),
        };
        let listing = tokio::task::spawn_blocking(move || request.list());
        let listing =
            listing.await.map_err(|error| exec_datafusion_err!("listing '{}' stopped: {error}", self.location))?;
        let list::Listing { leaf, classes } = listing?;
        Ok(Arc::new(ReadExec::try_new(leaf, Arc::new(Cifar10Reader::new(schema, classes)), None)?))
    }
}

impl TableProvider for Cifar10Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_table_definition(&self) -> Option<&str> {
        self.definition.as_deref()
    }

    boxed_scan!(Cifar10Table::planned_scan);
}

impl PartitionedTable for Cifar10Table {
    fn partitions(&self) -> Partitions {
        self.options.partitions
    }

    fn with_partitions(&self, partitions: Partitions) -> Arc<dyn TableProvider> {
        Arc::new(Self { options: Cifar10Options { partitions }, ..self.clone() })
    }

    fn shuffle_seed(&self) -> Option<u64> {
        None
    }

    /// Pixels can't be bad: there is nothing to say of a row.
    fn with_hidden(&self, _: Option<&[usize]>) -> Result<Option<Hidden>> {
        Ok(None)
    }
}

impl SourceTable for Cifar10Table {
    const FUNCTION: Function = Function {
        name: "read_cifar10",
        syntax: "read_cifar10('cifar-10-batches-bin')",
        description: "The binary batches of CIFAR-10 as rows: label, its name and the image.",
        columns: Some(schema),
    };
    const PAGE: (&'static str, &'static str) = (
        "CIFAR-10",
        "`CREATE EXTERNAL TABLE ... STORED AS CIFAR10 LOCATION '...' OPTIONS (partitions 16)` and `read_cifar10('...', partitions => 16)`.",
    );
    type Options = Cifar10Options;
    type Message = Cifar10TableMessage;
    type ReaderMessage = Cifar10ReaderMessage;

    fn called(locations: Vec<String>, options: Cifar10Options, reach: &Reach) -> Result<Self> {
        called_at(&locations, options, reach)
    }

    fn to_message(&self) -> Cifar10TableMessage {
        Cifar10TableMessage { location: self.location.clone(), options: self.options.clone() }
    }

    fn from_message(message: Cifar10TableMessage) -> Result<Self> {
        Ok(Self { location: message.location, options: message.options, schema: schema(), definition: None })
    }

    fn locations(message: &mut Cifar10TableMessage) -> &mut [String] {
        std::slice::from_mut(&mut message.location)
    }

    fn reader(message: Cifar10ReaderMessage) -> Result<Arc<dyn Reader>> {
        Ok(Arc::new(Cifar10Reader::from_message(message)?))
    }
}

impl FileTable for Cifar10Table {
    const FORMAT: &'static str = FORMAT;
    /// Their names end in `.bin`, as those of many other files do.
    const FILES: Option<FileKind> = None;

    fn at(location: String, options: Cifar10Options, reach: &Reach) -> Result<Self> {
        Self::try_new(location, options, reach)
    }

    fn declared(
        location: String,
        options: Cifar10Options,
        command: &CreateExternalTable,
        reach: &Reach,
    ) -> Result<Self> {
        if !command.schema.fields().is_empty() || !command.table_partition_cols.is_empty() {
            return plan_err!(
                "a table STORED AS {FORMAT} has columns of its own ({LABEL}, {LABEL_NAME}, {IMAGE}); leave the column list and \
                 PARTITIONED BY out"
            );
        }
        Self::at(location, options, reach)
    }

    fn defined(self, definition: Option<String>) -> Self {
        Self { definition, ..self }
    }
}
