//! Options that only Parquet has.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use serde::{Deserialize, Serialize};

use super::features::{check_schema, feature_kinds};
use crate::config::value;
use crate::format::manifest::MANIFEST;
use crate::sink::format::OwnOptions;
use crate::sink::options::column_names;
use crate::sink::{SinkOptions, Target};

/// How rows are laid out in Parquet files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
pub struct ParquetOptions {
    /// Columns that become images; every binary column where not given.
    pub images: Option<Vec<String>>,
    /// Compression of columns.
    pub compression: ParquetCompression,
    /// Most bytes of a row group.
    pub row_group_bytes: u64,
    /// Whether shard names in directories begin with the directory's value.
    pub prefix_by_directory: bool,
}

/// Compression of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParquetCompression {
    /// As `datasets` writes: Snappy, and images as they are.
    Default,
    /// No column.
    None,
    /// Every column with Snappy.
    Snappy,
    /// Every column with Zstandard.
    Zstd,
}

impl ParquetCompression {
    /// The codec of columns that hold no image, and that of images.
    pub(super) fn codecs(self) -> [Compression; 2] {
        match self {
            Self::Default => [Compression::SNAPPY, Compression::UNCOMPRESSED],
            Self::None => [Compression::UNCOMPRESSED; 2],
            Self::Snappy => [Compression::SNAPPY; 2],
            Self::Zstd => [Compression::ZSTD(ZstdLevel::default()); 2],
        }
    }
}

impl Default for ParquetOptions {
    fn default() -> Self {
        Self {
            images: None,
            compression: ParquetCompression::Default,
            row_group_bytes: 100_000_000,
            prefix_by_directory: true,
        }
    }
}

impl OwnOptions for ParquetOptions {
    fn set(&mut self, name: &str, value: &str) -> Result<bool> {
        let compressions = [
            ("none", ParquetCompression::None),
            ("snappy", ParquetCompression::Snappy),
            ("zstd", ParquetCompression::Zstd),
        ];
        match name {
            "compression" => self.compression = value::one_of(name, value, &compressions)?,
            "images" => self.images = Some(column_names(value)),
            "row_group_bytes" => {
                self.row_group_bytes = value::whole_number(name, value, 1024..=1_073_741_824, " of bytes")?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn prefix_is_given(&mut self) {
        self.prefix_by_directory = false;
    }

    fn check_schema(&self, schema: &Schema) -> Result<()> {
        check_schema(self, schema)
    }

    fn features(&self, target: &Target) -> BTreeMap<String, String> {
        feature_kinds(self, target)
    }

    fn names_classes(&self, target: &Target, column: &str) -> bool {
        // What came from a dataset of Hugging Face goes into one as it was: -1 is no class there.
        !target.carried.contains_key(column)
    }

    fn prefix_by_directory(&self) -> bool {
        self.prefix_by_directory
    }

    fn warning(&self, options: &SinkOptions) -> Option<String> {
        let separates = |c: char| "-._ ".contains(c) || c.is_ascii_digit();
        // Others may be anything.
        let names_split = options.prefix.split(separates).any(is_split);
        (!names_split).then(|| {
            format!(
                "prefix '{}' names no split, without which load_dataset('parquet', data_dir=...) takes '{MANIFEST}' for data, too; \
                 use a prefix such as '{0}-train', or load the directory by load_dataset(dir)",
                options.prefix
            )
        })
    }
}

/// Whether a word names a split to `datasets`.
pub(super) fn is_split(word: &str) -> bool {
    let splits = ["train", "training", "validation", "valid", "dev", "val", "test", "testing", "eval", "evaluation"];
    splits.contains(&word)
}
