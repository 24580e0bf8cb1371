//! Compression of whole shards.

use serde::{Deserialize, Serialize};

/// Whole-file compression of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is: JPEGs don't get smaller.
    None,
    /// TensorFlow's `GZIP`.
    Gzip,
    /// TensorFlow's `ZLIB`.
    Zlib,
}

impl Compression {
    /// What is added to a shard's name.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zlib => ".zlib",
        }
    }
}
