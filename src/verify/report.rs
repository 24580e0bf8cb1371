//! What was found: the shape of the JSON that `pixmill verify --format json` prints.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::duplicates::Duplicates;
use super::features::FeatureReport;
use super::images::ImageSize;
use super::labels::Labels;

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) shards: Vec<ShardReport>,
    /// The features of all shards together.
    pub(crate) features: BTreeMap<String, FeatureReport>,
    /// `null` where no feature is taken for the label.
    pub(crate) labels: Option<Labels>,
    /// How often each format and size was seen, the most frequent first.
    pub(crate) image_sizes: Vec<ImageSize>,
    /// `null` where they weren't looked for.
    pub(crate) duplicates: Option<Duplicates>,
    /// Files of a directory that are no shards by name or content.
    pub(crate) passed_over: Vec<String>,
    /// At most [`MOST_LISTED`] of a file; `summary.faults` counts all.
    pub(crate) faults: Vec<Fault>,
    pub(crate) summary: Summary,
}

/// How many faults of one file are listed.
pub(crate) const MOST_LISTED: usize = 100;

/// A shard and what is in it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ShardReport {
    pub(crate) path: String,
    /// `tfrecord`, `webdataset` or `parquet`, by content; `null` where it is none of them.
    pub(crate) format: Option<&'static str>,
    /// `gzip` or `zlib`.
    pub(crate) compression: Option<&'static str>,
    /// What a TFRecord's records are: `example`, `sequence_example` or `bytes`.
    pub(crate) record_type: Option<&'static str>,
    /// Records, samples or rows, broken ones included.
    pub(crate) records: u64,
    /// The file's size.
    pub(crate) bytes: u64,
    pub(crate) features: BTreeMap<String, FeatureReport>,
    /// Values that are image files.
    pub(crate) images: u64,
    pub(crate) images_decoded: u64,
    /// What isn't wrong, and worth knowing.
    pub(crate) notes: Vec<String>,
    pub(crate) faults: u64,
}

/// Sums over the shards.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) shards: usize,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) images: u64,
    pub(crate) images_decoded: u64,
    pub(crate) faults: u64,
}

/// Where in a file something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct FaultPlace {
    /// Counted from 0.
    pub(crate) record: u64,
    /// Where the record starts in the uncompressed file; `None` in formats whose rows have no place of their own.
    pub(crate) offset: Option<u64>,
}

impl fmt::Display for FaultPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}", self.record)?;
        self.offset.map_or(Ok(()), |offset| write!(f, " at byte {offset}"))
    }
}

/// What a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// The file can't be read, or isn't a shard.
    File,
    /// Bytes are missing or changed: a checksum, a length, a header.
    Corrupted,
    /// A record isn't the message, or a sample not the members, that the others are.
    Record,
    /// A feature differs from what it is elsewhere.
    Feature,
    /// An image can't be decoded.
    Image,
    /// The file's name says something else.
    Name,
    /// The manifest says something else.
    Manifest,
    /// The index beside the file says something else.
    Index,
    /// An image is there twice.
    Duplicate,
}

/// Something wrong.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) record: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) kind: FaultKind,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(path: &str, place: Option<FaultPlace>, kind: FaultKind, message: String) -> Self {
        let (record, offset) = (place.map(|place| place.record), place.and_then(|place| place.offset));
        Self { path: path.to_string(), record, offset, kind, message }
    }

    /// What faults are sorted by.
    pub(super) fn place(&self) -> (&str, Option<u64>, Option<u64>) {
        (&self.path, self.record, self.offset)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        if let Some(record) = self.record {
            write!(f, "{}: ", FaultPlace { record, offset: self.offset })?;
        }
        f.write_str(&self.message)
    }
}
