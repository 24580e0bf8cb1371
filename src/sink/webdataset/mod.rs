//! The format `WEBDATASET`: tar files in which neighbouring members with one key are a sample.
//!
//! Specification: the reader of the `webdataset` package, which splits a member's name by
//! `^((?:.*/|)[^.]+)[.]([^/]*)$` into key and extension.

mod encode;
mod key;
mod member;

pub(crate) use encode::WebDatasetEncoder;
pub(crate) use member::{check_schema, member_kinds};

use super::options::{MAX_REJECTS, OVERWRITE, SHARDS};
use crate::config::{OptionPage, option};

/// Names that brace lists such as `train-{000000..000015}.tar` give.
pub(super) const NAME_TEMPLATE: &str = "{prefix}-{shard:06}.tar";

/// The title of the options' page, and how they are given.
pub(super) const PAGE: (&str, &str) = (
    "WebDataset shards",
    "`COPY (SELECT path AS __key__, content AS jpg, class AS cls FROM ...) TO 'dir' STORED AS WEBDATASET`. The column `__key__`, else `key`, \
     names the samples; every other column is a member with the column's name as extension.",
);

/// What `OPTIONS (...)` knows.
pub(super) const OPTIONS: [OptionPage; 6] = [
    SHARDS,
    option(
        "prefix",
        "train",
        "What shard names begin with; by the name of a split in it, as in 'flowers-train', Hugging Face's `datasets` tells \
         shards from the files beside them.",
    ),
    option(
        "name_template",
        NAME_TEMPLATE,
        "How shards are named: `{prefix}`, `{shard}`, `{shards}`, `{records}`, padded as in `{shard:05}`.",
    ),
    OVERWRITE,
    option(
        "on_reject",
        "skip",
        "A row without a key or one of its members is counted and listed (`skip`) or stops the run (`fail`).",
    ),
    MAX_REJECTS,
];
