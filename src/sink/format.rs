//! What a folder of `sink/` says of its format.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::Result;

use super::encode::Encoder;
use super::{Compression, SinkOptions, Target};
use crate::config::OptionPage;
use crate::format::manifest::Shard;

/// A format of shards.
pub(crate) trait ShardFormat: Default + OwnOptions {
    /// The type name in `STORED AS`, in lower case; the manifest's name, too.
    const NAME: &'static str;
    /// As a statement has it, for messages.
    const SHOWN: &'static str;
    /// The option by which a `COPY` asks for these shards, where DataFusion has a format of the same name.
    const ASKED_BY: Option<&'static str> = None;
    /// The title of the options' page, and how they are given.
    const PAGE: (&'static str, &'static str);
    /// What `OPTIONS (...)` knows.
    const OPTIONS: &'static [OptionPage];
    /// How shards are named where no `name_template` says otherwise.
    const NAME_TEMPLATE: &'static str;
    /// Names for other templates.
    const NAMED_TEMPLATES: &'static [(&'static str, &'static str)] = &[];
    /// What shard names begin with where no `prefix` says otherwise.
    const PREFIX: &'static str;
    /// Whether names of shards may begin with such a value of their directory.
    const DIRECTORY_PREFIX: fn(&str) -> bool = |_| false;
    /// What turns rows into bytes.
    type Encoder: Encoder;
}

/// A format's own options, and what follows from them.
pub(crate) trait OwnOptions: fmt::Debug {
    /// Sets an option; `false` where there is none of this name.
    ///
    /// # Errors
    /// A value that it doesn't take.
    fn set(&mut self, name: &str, value: &str) -> Result<bool>;

    /// Somebody says what shard names begin with.
    fn prefix_is_given(&mut self) {}

    /// Checks what options have to do with each other, and gives what shard names begin with.
    ///
    /// # Errors
    /// Options that exclude each other.
    fn checked_prefix(&self, options: &SinkOptions, _partition_by: &[String]) -> Result<String> {
        Ok(options.prefix.clone())
    }

    /// Checks that every column has a place in the format.
    ///
    /// # Errors
    /// Names the first column that has none and says what to do.
    fn check_schema(&self, schema: &Schema) -> Result<()>;

    /// The features and their kinds, for the manifest.
    fn features(&self, target: &Target) -> BTreeMap<String, String>;

    /// Whether readers take the numbers in a column of classes for those of names that are written beside them.
    fn names_classes(&self, _target: &Target, _column: &str) -> bool {
        false
    }

    /// The names of files that describe the dataset to other tools, as far as they are known before it is written.
    fn sidecar_names(&self, _target: &Target) -> Vec<String> {
        Vec::new()
    }

    /// Files that describe the finished dataset to other tools.
    fn sidecars(&self, _target: &Target, _shards: &[Shard]) -> io::Result<BTreeMap<String, String>> {
        Ok(BTreeMap::new())
    }

    /// Whether readers find shards of other names than those of one series.
    fn takes_more_shards(&self, _options: &SinkOptions) -> bool {
        true
    }

    /// Whether an index stands beside each shard.
    fn has_index(&self) -> bool {
        false
    }

    /// The compression of whole files.
    fn file_compression(&self) -> Compression {
        Compression::None
    }

    /// Whether names of shards begin with the value of their directory where [`ShardFormat::DIRECTORY_PREFIX`] allows it.
    fn prefix_by_directory(&self) -> bool {
        false
    }

    /// What a user should know before these shards are written.
    fn warning(&self, _options: &SinkOptions) -> Option<String> {
        None
    }
}

/// What is done with the encoder of a format.
pub(super) trait WithEncoder {
    /// What comes of it.
    type Output;

    /// Does it.
    fn with<E: Encoder>(self) -> Self::Output;
}
