//! The sink `TFRECORD`: `COPY (...) TO 'dir' STORED AS TFRECORD`.

mod commit;
mod features;
mod name;
mod node;
mod options;
mod shard;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

pub use commit::CommitExec;
pub use name::NameTemplate;
pub use node::TfRecordWriteNode;
pub use options::{Compression, OnReject, TfRecordOptions};
pub use write::TfRecordSinkExec;

pub(crate) use commit::result_schema;
pub(crate) use features::{check_schema, feature_kinds, holds_images};
pub(crate) use node::TfRecordFormatFactory;

use crate::format::manifest::UNFINISHED;

/// The type name in `STORED AS`, in lower case.
pub const FORMAT: &str = "tfrecord";

/// Where and how a dataset is written: what the sink's nodes share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) directory: PathBuf,
    pub(crate) options: TfRecordOptions,
    /// Columns that name directories instead of being features.
    pub(crate) partition_by: Vec<String>,
    /// Partitions of the whole input, which is the number of shards.
    pub(crate) partitions: usize,
    /// The input's columns before the hidden ones.
    pub(crate) visible: Vec<String>,
    /// Positions of the hidden columns path, content and read error.
    pub(crate) reject_columns: Option<[usize; 3]>,
    pub(crate) features: BTreeMap<String, String>,
    pub(crate) classes: Option<Vec<String>>,
    pub(crate) shuffle_seed: Option<u64>,
}

impl Target {
    /// Positions of the columns that are features.
    fn feature_columns(&self) -> impl Iterator<Item = usize> + '_ {
        let is_feature = |name: &String| !self.partition_by.contains(name);
        self.visible.iter().enumerate().filter(move |(_, name)| is_feature(name)).map(|(index, _)| index)
    }

    fn shard_name(&self, shard: usize, records: u64) -> String {
        let TfRecordOptions { prefix, name_template, compression, .. } = &self.options;
        let name = name_template.name(prefix, shard, self.partitions, records);
        format!("{name}{}", compression.suffix())
    }

    /// A file of the directory that the commit would sweep, though nothing says that a run of ours has left it.
    pub(crate) fn foreign_shard(&self) -> Option<String> {
        if self.options.overwrite || self.directory.join(UNFINISHED).exists() {
            return None;
        }
        let entries = std::fs::read_dir(&self.directory).ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| self.is_shard_name(name)).min()
    }

    fn is_shard_name(&self, name: &str) -> bool {
        self.options.name_template.matches(&self.options.prefix, name)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "directory={}, shards={}", self.directory.display(), self.partitions)?;
        if !self.partition_by.is_empty() {
            write!(f, ", partitioned_by=[{}]", self.partition_by.join(", "))?;
        }
        Ok(())
    }
}
