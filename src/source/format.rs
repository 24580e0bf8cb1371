//! What a folder of `source/` says of its tables, and what the rest of the program makes of it.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::CreateExternalTable;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::sql::sqlparser::ast::FunctionArg;

use super::arguments::{SourceOptions, arguments, definition, from_command, only_location};
use super::images::with_list_columns;
use super::node::Reader;
use super::{PartitionedTable, SOURCES};
use crate::config::OptionPage;
use crate::exec::boxed_create;
use crate::format::kind::FileKind;
use crate::storage::Reach;

/// A table that a table function makes.
pub(crate) trait SourceTable: TableProvider + Sized {
    /// The table function.
    const FUNCTION: Function;
    /// The title of the options' page, and how they are given.
    const PAGE: (&'static str, &'static str);
    /// What it is told.
    type Options: SourceOptions;
    /// The table on the wire.
    type Message;
    /// The node that reads, on the wire.
    type ReaderMessage;

    /// The table of a call.
    ///
    /// # Errors
    /// Locations that can't be read or may not be reached, or options that exclude each other.
    fn called(locations: Vec<String>, options: Self::Options, reach: &Reach) -> Result<Self>;

    /// What a remote process needs to have the same table.
    fn to_message(&self) -> Self::Message;

    /// The table of a message.
    ///
    /// # Errors
    /// A message that makes none.
    fn from_message(message: Self::Message) -> Result<Self>;

    /// The locations of a message.
    fn locations(message: &mut Self::Message) -> &mut [String];

    /// What reads its work items.
    ///
    /// # Errors
    /// A message that makes none.
    fn reader(message: Self::ReaderMessage) -> Result<Arc<dyn Reader>>;
}

/// A table that is made of the files at a location.
pub(crate) trait FileTable: SourceTable + PartitionedTable {
    /// The type name in `STORED AS`.
    const FORMAT: &'static str;
    /// The files that are such a table where nobody has declared one.
    const FILES: Option<FileKind>;

    /// The table at a location: a directory, a file or a glob.
    ///
    /// # Errors
    /// A location that can't be read or may not be reached, or options that exclude each other.
    fn at(location: String, options: Self::Options, reach: &Reach) -> Result<Self>;

    /// The table that a statement declares.
    ///
    /// # Errors
    /// As [`Self::at`], and clauses that it doesn't take.
    fn declared(location: String, options: Self::Options, command: &CreateExternalTable, reach: &Reach)
    -> Result<Self>;

    /// The same table, which knows the statement that it was made by.
    fn defined(self, definition: Option<String>) -> Self;
}

/// A table function.
#[derive(Debug)]
pub(crate) struct Function {
    /// The name.
    pub(crate) name: &'static str,
    /// How it is called.
    pub(crate) syntax: &'static str,
    /// What its rows are.
    pub(crate) description: &'static str,
    /// Its columns, where they are the same for all locations.
    pub(crate) columns: Option<fn() -> SchemaRef>,
}

/// A source: all that the rest of the program asks of it.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its table function.
    pub(crate) function: Function,
    /// The title of the options' page, and how they are given.
    pub(crate) page: (&'static str, &'static str),
    /// What its tables are told.
    pub(crate) options: &'static [OptionPage],
    /// What `STORED AS` says, where it can.
    pub(crate) format: Option<Format>,
    call: MakeTable,
}

/// What a statement can declare.
#[derive(Debug)]
pub(crate) struct Format {
    /// The type name.
    pub(crate) name: &'static str,
    /// The files that are such a table where nobody has declared one.
    pub(super) files: Option<FileKind>,
    at: fn(&str, &Reach) -> MadeTable,
    declared: fn(&CreateExternalTable, &Reach) -> MadeTable,
    pub(super) partitioned: fn(&dyn TableProvider) -> Option<&dyn PartitionedTable>,
}

type MadeTable = Result<Arc<dyn TableProvider>>;
type MakeTable = fn(&[FunctionArg], &mut dyn RelationPlannerContext, &Reach) -> MadeTable;

impl Source {
    /// A source that is a table function alone.
    pub(super) const fn function<T: SourceTable>() -> Self {
        Self {
            function: T::FUNCTION,
            page: T::PAGE,
            options: T::Options::OPTIONS,
            format: None,
            call: |args, context, reach| {
                let (locations, options) = arguments(T::FUNCTION.name, args, context)?;
                Ok(Arc::new(T::called(locations, options, reach)?))
            },
        }
    }

    /// A source of files.
    pub(super) const fn files<T: FileTable>() -> Self {
        let format = Format {
            name: T::FORMAT,
            files: T::FILES,
            at: |name, reach| Ok(Arc::new(T::at(name.to_string(), T::Options::default(), reach)?)),
            declared: |command, reach| {
                let (location, options) = from_command(T::FORMAT, command)?;
                Ok(Arc::new(T::declared(location, options, command, reach)?.defined(definition(command))))
            },
            partitioned: |provider| provider.downcast_ref::<T>().map(|table| table as &dyn PartitionedTable),
        };
        Self { format: Some(format), ..Self::function::<T>() }
    }

    /// The table of a call.
    ///
    /// # Errors
    /// Arguments that make none.
    pub(super) fn called(
        &self,
        args: &[FunctionArg],
        context: &mut dyn RelationPlannerContext,
        reach: &Reach,
    ) -> Result<Arc<dyn TableProvider>> {
        (self.call)(args, context, reach)
    }
}

impl Format {
    /// The table of files that nobody has declared.
    ///
    /// # Errors
    /// Files that can't be read or may not be reached.
    pub(super) fn at(&self, name: &str, reach: &Reach) -> Result<Arc<dyn TableProvider>> {
        (self.at)(name, reach)
    }
}

/// A call of a function that takes one location, as in `read_images('photos', partitions => 16)`.
///
/// # Errors
/// None, several, or what [`FileTable::at`] says.
pub(super) fn called_at<T: FileTable>(locations: &[String], options: T::Options, reach: &Reach) -> Result<T> {
    T::at(only_location::<T::Options>(T::FUNCTION.name, locations)?, options, reach)
}

/// Makes tables of `CREATE EXTERNAL TABLE`, by the list of sources.
#[derive(Debug)]
struct SourceTableFactory(&'static Format);

impl SourceTableFactory {
    async fn made(&self, session: &dyn Session, command: &CreateExternalTable) -> Result<Arc<dyn TableProvider>> {
        let (declared, reach) = (self.0.declared, Reach::of(session.config()));
        let command = command.clone();
        let made = tokio::task::spawn_blocking(move || declared(&command, &reach)).await;
        let table = made.map_err(|error| exec_datafusion_err!("making the table stopped: {error}"))??;
        match session.as_any().downcast_ref::<SessionState>() {
            Some(state) => with_list_columns(table, state).await,
            None => Ok(table),
        }
    }
}

impl TableProviderFactory for SourceTableFactory {
    boxed_create!(SourceTableFactory::made);
}

/// What makes tables of each type name.
pub(crate) fn table_factories() -> impl Iterator<Item = (String, Arc<dyn TableProviderFactory>)> {
    let formats = SOURCES.iter().filter_map(|source| source.format.as_ref());
    formats.map(|format| (format.name.to_string(), Arc::new(SourceTableFactory(format)) as _))
}

/// The table, as far as it is cut into partitions while planning.
pub(crate) fn partitioned_table(provider: &dyn TableProvider) -> Option<&dyn PartitionedTable> {
    SOURCES.iter().filter_map(|source| source.format.as_ref()).find_map(|format| (format.partitioned)(provider))
}
