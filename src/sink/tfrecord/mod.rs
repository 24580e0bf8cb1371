//! The format `TFRECORD`: `COPY (...) TO 'dir' STORED AS TFRECORD`.

mod encode;
mod features;
mod options;
mod tfds;

pub use options::TfRecordOptions;

use encode::TfRecordEncoder;

use super::format::ShardFormat;
use super::options::{MAX_REJECTS, ON_REJECT, OVERWRITE, SHARDS};
use crate::config::{OptionPage, option};

/// The name that Kaggle's and Google's notebooks read the record count from.
const NAME_TEMPLATE: &str = "{prefix}{shard:02}-{records}.tfrec";
/// The names that TensorFlow Datasets finds.
const TFDS_TEMPLATE: &str = "{prefix}.tfrecord-{shard:05}-of-{shards:05}";

impl ShardFormat for TfRecordOptions {
    const NAME: &'static str = "tfrecord";
    const SHOWN: &'static str = "STORED AS TFRECORD";
    const PAGE: (&'static str, &'static str) = (
        "TFRecord shards",
        "`COPY (SELECT ...) TO 'dir' STORED AS TFRECORD PARTITIONED BY (split) OPTIONS (shards 16)`.",
    );
    const OPTIONS: &'static [OptionPage] = &[
        SHARDS,
        option("prefix", "shard", "What shard names begin with."),
        option(
            "name_template",
            NAME_TEMPLATE,
            "How shards are named: `{prefix}`, `{shard}`, `{shards}`, `{records}`, padded as in `{shard:05}`; or `spark` for \
             its names, or `tfds` for a directory that `tfds.builder_from_directory` reads: prefix 'flowers-train' is the split \
             train of the dataset flowers, and a row with a NULL is rejected.",
        ),
        option(
            "compression",
            "none",
            "`none`, `gzip` or `zlib`: TensorFlow's whole-file compressions. JPEGs don't get smaller.",
        ),
        option("index", "false", "Whether each shard gets an index for NVIDIA DALI beside it, `<shard>.idx`."),
        option(
            "images",
            "every binary column",
            "With name_template `tfds`: columns that are images, separated by commas; other binary columns are bytes.",
        ),
        OVERWRITE,
        ON_REJECT,
        MAX_REJECTS,
    ];
    const NAME_TEMPLATE: &'static str = NAME_TEMPLATE;
    const NAMED_TEMPLATES: &'static [(&'static str, &'static str)] =
        &[("tfds", TFDS_TEMPLATE), ("spark", "part-{shard:05}.tfrecord")];
    const PREFIX: &'static str = "shard";
    type Encoder = TfRecordEncoder;
}
