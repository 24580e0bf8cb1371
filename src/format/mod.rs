//! File formats, as far as sources and sinks share them.

pub(crate) mod kind;
pub(crate) mod listed;
pub(crate) mod looks;
pub mod manifest;
pub mod tfrecord;
pub(crate) mod webdataset;

/// What Hive calls the directory of a value that is NULL or empty.
pub(crate) const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// What the name of a shard's DALI index adds to that of the shard.
pub(crate) const INDEX_SUFFIX: &str = ".idx";
