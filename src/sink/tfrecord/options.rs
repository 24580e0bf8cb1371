//! Options that only TFRecord has.

use std::collections::BTreeMap;
use std::io;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

use super::features::{check_schema, feature_kinds};
use super::{TFDS_TEMPLATE, tfds};
use crate::config::value;
use crate::format::manifest::Shard;
use crate::sink::format::OwnOptions;
use crate::sink::options::column_names;
use crate::sink::{Compression, SinkOptions, Target};

/// How records are laid out in files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
pub struct TfRecordOptions {
    /// Whole-file compression.
    pub compression: Compression,
    /// Whether a DALI index stands beside each shard.
    pub index: bool,
    /// Columns that are images to TensorFlow Datasets; every binary column where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
}

impl Default for TfRecordOptions {
    fn default() -> Self {
        Self { compression: Compression::None, index: false, images: None }
    }
}

impl TfRecordOptions {
    /// Checks what options have to do with each other.
    fn check(&self, is_tfds: bool) -> Result<()> {
        if self.images.is_some() && !is_tfds {
            return plan_err!(
                "images: only TensorFlow Datasets is told which columns are images; add name_template 'tfds', or leave it out"
            );
        }
        if self.index && self.compression != Compression::None {
            return plan_err!(
                "index: an index holds byte offsets, which a compressed shard doesn't have; leave one of index and compression out"
            );
        }
        Ok(())
    }

    /// The dataset and split that TensorFlow Datasets finds in a shard's name.
    fn tfds_prefix(&self, prefix: &str, partition_by: &[String]) -> Result<String> {
        if self.compression != Compression::None {
            return plan_err!("name_template 'tfds': its reader takes plain files; leave compression out");
        }
        if !partition_by.is_empty() {
            return plan_err!(
                "name_template 'tfds': PARTITIONED BY ({}) makes directories, in which its reader finds nothing; write each \
                 split by a COPY of its own to a directory of its own: WHERE {0} = 'train', prefix 'flowers-train'",
                partition_by.join(", ")
            );
        }
        let (dataset, split) = prefix.split_once('-').unwrap_or((prefix, "train"));
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if !is_name(dataset) || !is_name(split) {
            return plan_err!(
                "prefix: with name_template 'tfds' it must be a dataset and a split of letters, digits and '_', such as \
                 'flowers-train', got '{prefix}'"
            );
        }
        Ok(format!("{dataset}-{split}"))
    }
}

/// Whether the names and the files beside the shards are those of TensorFlow Datasets.
pub(super) fn is_tfds(options: &SinkOptions) -> bool {
    options.name_template.is(TFDS_TEMPLATE)
}

impl OwnOptions for TfRecordOptions {
    fn set(&mut self, name: &str, value: &str) -> Result<bool> {
        let compressions = [("none", Compression::None), ("gzip", Compression::Gzip), ("zlib", Compression::Zlib)];
        match name {
            "compression" => self.compression = value::one_of(name, value, &compressions)?,
            "index" => self.index = value::boolean(name, value)?,
            "images" => self.images = Some(column_names(value)),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn checked_prefix(&self, options: &SinkOptions, partition_by: &[String]) -> Result<String> {
        let is_tfds = is_tfds(options);
        self.check(is_tfds)?;
        if is_tfds { self.tfds_prefix(&options.prefix, partition_by) } else { Ok(options.prefix.clone()) }
    }

    fn check_schema(&self, schema: &Schema) -> Result<()> {
        check_schema(self, schema)
    }

    fn features(&self, target: &Target) -> BTreeMap<String, String> {
        feature_kinds(&target.schema)
    }

    fn names_classes(&self, target: &Target, _column: &str) -> bool {
        is_tfds(&target.options)
    }

    fn sidecar_names(&self, target: &Target) -> Vec<String> {
        if is_tfds(&target.options) { tfds::file_names(target) } else { Vec::new() }
    }

    fn sidecars(&self, target: &Target, shards: &[Shard]) -> io::Result<BTreeMap<String, String>> {
        if is_tfds(&target.options) { Ok(tfds::files(self, target, shards)?) } else { Ok(BTreeMap::new()) }
    }

    fn takes_more_shards(&self, options: &SinkOptions) -> bool {
        !is_tfds(options)
    }

    fn has_index(&self) -> bool {
        self.index
    }

    fn file_compression(&self) -> Compression {
        self.compression
    }
}
