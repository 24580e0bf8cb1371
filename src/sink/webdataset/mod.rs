//! The format `WEBDATASET`: tar files in which neighbouring members with one key are a sample.
//!
//! Specification: the reader of the `webdataset` package, which splits a member's name by
//! `^((?:.*/|)[^.]+)[.]([^/]*)$` into key and extension.

mod encode;
mod key;
mod member;

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::Result;
use serde::{Deserialize, Serialize};

use encode::WebDatasetEncoder;
use member::{check_schema, member_kinds};

use super::Target;
use super::format::{OwnOptions, ShardFormat};
use super::options::{MAX_REJECTS, OVERWRITE, SHARDS};
use crate::config::{OptionPage, option};

/// Names that brace lists such as `train-{000000..000015}.tar` give.
const NAME_TEMPLATE: &str = "{prefix}-{shard:06}.tar";

/// Tar files have no options of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
pub struct WebDatasetOptions {}

impl ShardFormat for WebDatasetOptions {
    const NAME: &'static str = "webdataset";
    const SHOWN: &'static str = "STORED AS WEBDATASET";
    const PAGE: (&'static str, &'static str) = (
        "WebDataset shards",
        "`COPY (SELECT path AS __key__, content AS jpg, class AS cls FROM ...) TO 'dir' STORED AS WEBDATASET`. The column `__key__`, else `key`, \
         names the samples; every other column is a member with the column's name as extension.",
    );
    const OPTIONS: &'static [OptionPage] = &[
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
    const NAME_TEMPLATE: &'static str = NAME_TEMPLATE;
    /// The split, by which `datasets` tells shards from the files beside them.
    const PREFIX: &'static str = "train";
    type Encoder = WebDatasetEncoder;
}

impl OwnOptions for WebDatasetOptions {
    fn set(&mut self, _: &str, _: &str) -> Result<bool> {
        Ok(false)
    }

    fn check_schema(&self, schema: &Schema) -> Result<()> {
        check_schema(schema)
    }

    fn features(&self, target: &Target) -> BTreeMap<String, String> {
        member_kinds(&target.schema)
    }
}
