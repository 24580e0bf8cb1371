//! Parquet with the image columns of Hugging Face: `COPY (...) TO 'dir' STORED AS PARQUET OPTIONS (huggingface true)`.
//!
//! Without the option, DataFusion's own `COPY` writes plain Parquet.

mod encode;
mod features;
mod options;

pub use options::{ParquetCompression, ParquetOptions};

use encode::ParquetEncoder;

use super::format::ShardFormat;
use super::options::{MAX_REJECTS, ON_REJECT, OVERWRITE, SHARDS};
use crate::config::{OptionPage, option};
use options::is_split;

/// Names in which `datasets` finds the split, and from which it tells how many files there are.
const NAME_TEMPLATE: &str = "{prefix}-{shard:05}-of-{shards:05}.parquet";

impl ShardFormat for ParquetOptions {
    const NAME: &'static str = "parquet";
    const SHOWN: &'static str = "STORED AS PARQUET with huggingface";
    const ASKED_BY: Option<&'static str> = Some("huggingface");
    const PAGE: (&'static str, &'static str) = (
        "Parquet shards for Hugging Face",
        "`COPY (SELECT content AS image, class FROM ...) TO 'dir' STORED AS PARQUET OPTIONS (huggingface true)`.",
    );
    const OPTIONS: &'static [OptionPage] = &[
        option("huggingface", "false", "Whether these shards are written; without it `COPY` is DataFusion's own."),
        SHARDS,
        option(
            "prefix",
            "train",
            "What shard names begin with, from which `datasets` reads the split: 'train', 'validation', 'test' or one with it, \
             as in 'flowers-test'; in directories of `PARTITIONED BY` whose value is a split, that value where no prefix is given.",
        ),
        option(
            "name_template",
            NAME_TEMPLATE,
            "How shards are named: `{prefix}`, `{shard}`, `{shards}`, `{records}`, padded as in `{shard:05}`.",
        ),
        option(
            "images",
            "every binary column",
            "Columns that become images, separated by commas; other binary columns stay binary, and by default those that a file of Hugging \
             Face calls so.",
        ),
        option(
            "compression",
            "snappy, images as they are",
            "`none`, `snappy` or `zstd` for all columns. JPEGs don't get smaller.",
        ),
        option(
            "row_group_bytes",
            "100000000",
            "Most bytes of a row group, or one row, 1024 to 1073741824; a writer holds one to two of them in memory, and at most \
             10,000 rows.",
        ),
        OVERWRITE,
        ON_REJECT,
        MAX_REJECTS,
    ];
    const NAME_TEMPLATE: &'static str = NAME_TEMPLATE;
    /// The split, by which `datasets` tells shards from the files beside them.
    const PREFIX: &'static str = "train";
    /// `datasets` reads a file's split from its name: in the directory split=test they begin with 'test'.
    const DIRECTORY_PREFIX: fn(&str) -> bool = is_split;
    type Encoder = ParquetEncoder;
}
