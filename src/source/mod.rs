//! Where rows come from. Sources know no sink.

pub mod cifar10;
pub mod images;
mod listed;
pub mod speed_test;
pub(crate) mod stored;
pub mod tfrecord;

mod arguments;
mod batch;
mod by_name;
mod node;
mod relation;
mod wire;
mod work;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use serde::{Deserialize, Serialize};

use crate::config::OptionPage;

pub(crate) use by_name::FilesByName;
pub(crate) use listed::{FilesTable, ListedTableFactory, with_files_of_now};

pub use arguments::SourceOptions;
pub use node::ReadExec;
pub use relation::SourceRelationPlanner;

pub(crate) use relation::TABLE_FUNCTIONS;
pub(crate) use wire::{ReaderMessage, TableMessage};

/// The number of partitions, which is the number of shards that a sink writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Partitions {
    /// By what there is to read, and at least one for each core.
    #[default]
    Auto,
    /// By what there is to read alone: the same on every machine.
    BySize,
    /// Exactly so many; their counts differ by one at most.
    Exactly(usize),
}

/// A table whose rows are cut into partitions while planning, so that a sink gets as many shards as it asks for.
pub(crate) trait PartitionedTable: TableProvider {
    /// How many partitions its own options ask for.
    fn partitions(&self) -> Partitions;

    /// The same table cut otherwise.
    fn with_partitions(&self, partitions: Partitions) -> Arc<dyn TableProvider>;

    /// The seed that its rows are shuffled with.
    fn shuffle_seed(&self) -> Option<u64>;

    /// The same table with what a sink needs to say which row it rejected and why, hidden from `SELECT *`.
    ///
    /// `projection` is what the query reads. Hidden columns stand behind the others, so that a projection by position stays what
    /// it was. `None` where no row can be bad.
    ///
    /// # Errors
    /// A projection of columns that aren't there.
    fn with_hidden(&self, projection: Option<&[usize]>) -> Result<Option<Hidden>>;
}

/// A table with hidden columns.
pub(crate) struct Hidden {
    /// The table.
    pub(crate) table: Arc<dyn TableProvider>,
    /// The columns that name the row's file, hold the image's bytes, and say why they could not be read.
    pub(crate) columns: [String; 3],
}

/// The one list of tables that are cut into partitions while planning.
pub(crate) fn partitioned_table(provider: &dyn TableProvider) -> Option<&dyn PartitionedTable> {
    let images = provider.downcast_ref::<images::ImagesTable>().map(|table| table as &dyn PartitionedTable);
    let records = || provider.downcast_ref::<tfrecord::TfRecordTable>().map(|table| table as &dyn PartitionedTable);
    let cifar10 = || provider.downcast_ref::<cifar10::Cifar10Table>().map(|table| table as &dyn PartitionedTable);
    images.or_else(records).or_else(cifar10)
}

/// What `OPTIONS (...)` of a table knows, by what it is stored as; `None` of formats that aren't ours.
pub(crate) fn table_options(format: &str) -> Option<&'static [OptionPage]> {
    match format {
        images::FORMAT => Some(images::ImagesOptions::OPTIONS),
        tfrecord::FORMAT => Some(tfrecord::TfRecordReadOptions::OPTIONS),
        cifar10::FORMAT => Some(cifar10::Cifar10Options::OPTIONS),
        _ => None,
    }
}
