//! Where rows go: one sink, one commit and one manifest for every format of shards. Sinks know no source.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod parquet;
pub mod tfrecord;
pub mod webdataset;

mod add;
mod attempt;
mod cast;
mod classes;
mod commit;
mod compression;
mod cut;
mod directory;
mod encode;
mod failure;
mod fingerprint;
mod format;
mod hidden;
mod list;
mod max_rejects;
mod name;
mod node;
#[cfg(test)]
mod open_shards;
mod options;
mod partition;
mod place;
mod rejects;
mod report;
mod run;
mod shard;
mod sweep;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wire;
mod write;

use std::collections::BTreeMap;
use std::fmt;

use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::Result;
use datafusion::prelude::SessionConfig;
use serde::{Deserialize, Serialize};

pub use commit::CommitExec;
pub use compression::Compression;
pub use list::{Format, FormatOptions};
pub use max_rejects::{MaxRejects, Share};
pub use name::NameTemplate;
pub use node::WriteShardsNode;
pub use options::{OnReject, SinkOptions};
pub use write::ShardSinkExec;

pub(crate) use add::RejectsOf;
pub(crate) use commit::{finished_rows, result_schema};
pub(crate) use fingerprint::{Fingerprint, has_scalar_subquery};
pub(crate) use node::ShardFormatFactory;
pub(crate) use options::is_asked_for;
pub(crate) use sweep::sweep_behind_manifest;

use crate::format::manifest::Shard;
use crate::storage::{AllowList, Directory, Stamp};

/// Whether a NULL in this column rejects the row: it holds images, as files or as tensors, or what models give for them.
pub(crate) fn is_of_an_image(field: &Field) -> bool {
    is_made_of_images(field) || holds_images(field)
}

/// Whether a column holds tensors, which are told from other lists by their items, which are not nullable, or what models give for images.
pub(crate) fn is_made_of_images(field: &Field) -> bool {
    let is_tensor = matches!(field.data_type(), DataType::FixedSizeList(item, _) if !item.is_nullable());
    is_tensor || pixmill_udfs::is_answer_to_an_image(field.data_type())
}

/// Whether a column holds image files: files are binary.
pub(crate) fn holds_images(field: &Field) -> bool {
    matches!(
        field.data_type(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    )
}

/// Where and how a dataset is written: what the sink's nodes share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub(crate) directory: Directory,
    pub(crate) options: SinkOptions,
    /// Columns that name directories instead of being features.
    pub(crate) partition_by: Vec<String>,
    /// The input's columns before the hidden ones.
    pub(crate) visible: Vec<String>,
    /// Positions of the hidden columns path, content and read error.
    pub(crate) reject_columns: Option<[usize; 3]>,
    /// The columns that are features, as the query has them.
    pub(crate) schema: SchemaRef,
    pub(crate) classes: Option<Vec<String>>,
    /// The column that holds the numbers of these classes as the source has them.
    pub(crate) class_column: Option<String>,
    /// Features of Hugging Face that columns have in the Parquet files that they come from.
    pub(crate) carried: BTreeMap<String, serde_json::Value>,
    pub(crate) shuffle_seed: Option<u64>,
    /// A name that no other run has.
    pub(crate) run: String,
    /// The fingerprint of the statement.
    pub(crate) statement: String,
    /// Whether shards that a run of the same statement has left are kept.
    pub(crate) resume: bool,
    /// Where the shards come to those of the dataset that is there, for which time its rejected rows are tried again, from 1.
    pub(crate) retry: Option<usize>,
    /// The manifest that was there when the run was planned.
    pub(crate) replaces: Option<Stamp>,
}

impl Target {
    /// The target as a process reaches it.
    ///
    /// # Errors
    /// A place that may not be reached, or whose store can't be opened.
    fn opened(&self, config: &SessionConfig) -> Result<Self> {
        self.directory.check("", &AllowList::of(config))?;
        Ok(Self { directory: self.directory.opened(config)?, ..self.clone() })
    }

    /// Positions of the columns that are features.
    fn feature_columns(&self) -> impl Iterator<Item = usize> + '_ {
        let is_feature = |name: &String| !self.partition_by.contains(name);
        self.visible.iter().enumerate().filter(move |(_, name)| is_feature(name)).map(|(index, _)| index)
    }

    /// The features and their kinds, for the manifest.
    fn features(&self) -> BTreeMap<String, String> {
        self.options.own().features(self)
    }

    /// How its shards are named.
    pub(crate) fn name_template(&self) -> &NameTemplate {
        &self.options.name_template
    }

    /// Whether more shards can have names that readers find.
    pub(crate) fn takes_more_shards(&self) -> bool {
        let names = &self.options.name_template;
        (names.has_prefix() || !names.has_number_of_shards()) && self.options.own().takes_more_shards(&self.options)
    }

    /// Files that describe the finished dataset to other tools.
    fn sidecars(&self, shards: &[Shard]) -> std::io::Result<BTreeMap<String, String>> {
        self.options.own().sidecars(self, shards)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, directory, .. } = self;
        write!(f, "format={}, directory={directory}", options.format().name())?;
        if !self.partition_by.is_empty() {
            write!(f, ", partitioned_by=[{}]", self.partition_by.join(", "))?;
        }
        Ok(())
    }
}
