//! Where rows come from. Sources know no sink.

pub mod cifar10;
pub mod images;
mod listed;
pub mod speed_test;
pub(crate) mod stored;
pub mod tfrecord;
pub mod webdataset;

mod arguments;
mod batch;
mod by_name;
mod format;
mod list;
mod manifests;
mod node;
mod relation;
mod shards;
mod work;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use serde::{Deserialize, Serialize};

pub(crate) use by_name::FilesByName;
pub(crate) use listed::{FilesTable, ListedTableFactory, check_arrow_files, with_files_of_now};

pub use arguments::SourceOptions;
pub use node::ReadExec;
pub use relation::SourceRelationPlanner;

pub(crate) use format::{Source, partitioned_table, table_factories};
pub(crate) use images::{CONTENT, Extent};
pub(crate) use list::{ReaderMessage, SOURCES, TableMessage};

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

/// A part of a table's rows, chosen by a hash of seed and path below the location: the same ones whatever the order and the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Sample {
    /// Each row with this probability, 0 to 1.
    Fraction {
        /// The probability of each row, 0 to 1.
        fraction: f64,
        /// Another seed chooses other rows.
        seed: u64,
    },
    /// This many rows.
    Rows {
        /// The number of rows; all where there are fewer.
        rows: usize,
        /// Another seed chooses other rows.
        seed: u64,
    },
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

    /// A part of its rows, chosen before anything is read; `None` where that can't be.
    fn sampled(&self, _sample: Sample) -> Option<Arc<dyn TableProvider>> {
        None
    }

    /// The same table, whose images are no more of each file than is needed; `None` where that can't be, or is so already.
    fn with_extent(&self, _extent: Extent) -> Option<Arc<dyn TableProvider>> {
        None
    }
}

/// A table with hidden columns.
pub(crate) struct Hidden {
    /// The table.
    pub(crate) table: Arc<dyn TableProvider>,
    /// The columns that name the row's file, hold the image's bytes, and say why they could not be read.
    pub(crate) columns: [String; 3],
}
