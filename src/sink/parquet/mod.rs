//! Parquet with the image columns of Hugging Face: `COPY (...) TO 'dir' STORED AS PARQUET OPTIONS (huggingface true)`.
//!
//! Without the option, DataFusion's own `COPY` writes plain Parquet.

mod encode;
mod features;
mod options;

pub use options::{ParquetCompression, ParquetOptions};

pub(crate) use encode::ParquetEncoder;
pub(crate) use features::{check_schema, feature_kinds};

use super::options::{MAX_REJECTS, ON_REJECT, OVERWRITE, SHARDS};
use crate::config::{OptionPage, option};

/// Names in which `datasets` finds the split, and from which it tells how many files there are.
pub(super) const NAME_TEMPLATE: &str = "{prefix}-{shard:05}-of-{shards:05}.parquet";

/// The title of the options' page, and how they are given.
pub(super) const PAGE: (&str, &str) = (
    "Parquet shards for Hugging Face",
    "`COPY (SELECT content AS image, class FROM ...) TO 'dir' STORED AS PARQUET OPTIONS (huggingface true)`.",
);

/// What `OPTIONS (...)` knows.
pub(super) const OPTIONS: [OptionPage; 10] = [
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
