//! File formats, as far as sources and sinks share them.

pub(crate) mod arrow_file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod hive;
pub(crate) mod kind;
pub(crate) mod listed;
pub(crate) mod looks;
pub mod manifest;
pub mod tfrecord;
pub(crate) mod webdataset;

pub(crate) use hive::{HIVE_NULL, check_value};

/// What the name of a shard's DALI index adds to that of the shard.
pub(crate) const INDEX_SUFFIX: &str = ".idx";
