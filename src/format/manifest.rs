//! `_manifest.json`, whose presence makes a dataset finished, and `_rejects.csv`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

/// The manifest's file name.
pub const MANIFEST: &str = "_manifest.json";
/// The file that lists rejected rows.
pub const REJECTS: &str = "_rejects.csv";
/// The list that becomes [`REJECTS`] as soon as its manifest is there.
pub(crate) const NEXT_REJECTS: &str = "_rejects.next.csv";
/// A file that says that runs which write here haven't finished.
pub(crate) const UNFINISHED: &str = "_unfinished";
/// A replaced dataset's manifest, until the new one is there.
pub(crate) const OLD_MANIFEST: &str = "_manifest.replaced.json";
/// How far above a shard the manifest of its dataset is looked for: columns that name directories are between them.
pub(crate) const MOST_ABOVE: usize = 5;

/// What a finished dataset is made of. It holds no time and no machine: equal datasets have equal manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What the shards are: `tfrecord`, `webdataset` or `parquet`.
    pub format: String,
    /// The version of pixmill that wrote it.
    pub pixmill_version: String,
    /// The JPEG codec that it was built with.
    pub jpeg_codec: String,
    /// The records of all shards together.
    pub records: u64,
    /// The bytes of all shards.
    pub bytes: u64,
    /// Rows without an image, listed in `_rejects.csv`.
    pub rejected: u64,
    /// Features and their kinds: `bytes_list`, `float_list` or `int64_list` of TFRecord; `bytes`, `text` or `json` of a
    /// WebDataset's members; those of Hugging Face's `datasets` for Parquet.
    pub features: BTreeMap<String, String>,
    /// The columns that name the directories, where there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitioned_by: Vec<String>,
    /// The labels in the order of their class numbers, where the query has classes.
    pub classes: Option<Vec<String>>,
    /// The seed that the images were shuffled with.
    pub shuffle_seed: Option<u64>,
    /// How it was written.
    pub options: serde_json::Value,
    /// A hash of the statement that wrote it, by which `--resume` knows that there is nothing left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// What was added by trying rejected rows again, the first time first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retries: Vec<Retry>,
    /// Files that describe the dataset to other tools, beside the shards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<String>,
    /// The shards, sorted by path.
    pub shards: Vec<Shard>,
}

/// What `--retry-rejects` has added to a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Rows that had been rejected before it.
    pub rejected_before: u64,
    /// Records of the shards that it added.
    pub records: u64,
    /// The paths of these shards.
    pub shards: Vec<String>,
}

/// A finished shard, as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Relative to the dataset's directory.
    pub path: String,
    /// Records in it.
    pub records: u64,
    /// Its size, compressed where it is.
    pub bytes: u64,
    /// CRC-32C of the file, in hexadecimal.
    pub crc32c: String,
}

impl Manifest {
    /// Reads the manifest of a dataset's directory; `None` where there is none.
    ///
    /// # Errors
    /// A manifest that can't be read.
    pub fn read(directory: &Path) -> io::Result<Option<Self>> {
        match fs::read(directory.join(MANIFEST)) {
            Ok(text) => Ok(Some(Self::parse(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The manifest of the dataset with more shards, and with so many rows that are rejected still.
    pub(crate) fn with_added(self, added: Vec<Shard>, rejected: u64, sidecars: Vec<String>) -> Self {
        let retry = Retry {
            rejected_before: self.rejected,
            records: added.iter().map(|shard| shard.records).sum(),
            shards: added.iter().map(|shard| shard.path.clone()).collect(),
        };
        let (mut shards, mut retries) = (self.shards, self.retries);
        shards.extend(added);
        shards.sort_by(|left, right| left.path.cmp(&right.path));
        retries.push(retry);
        Self { rejected, shards, retries, sidecars, ..self }.counted()
    }

    /// The manifest as it was before the last [`Retry`]; `None` where there was none.
    pub(crate) fn before_last_retry(mut self) -> Option<Self> {
        let Retry { rejected_before, shards, .. } = self.retries.pop()?;
        self.shards.retain(|shard| !shards.contains(&shard.path));
        Some(Self { rejected: rejected_before, ..self }.counted())
    }

    /// The manifest with the records and bytes of its shards.
    fn counted(self) -> Self {
        let sum = |part: fn(&Shard) -> u64| self.shards.iter().map(part).sum();
        let (records, bytes) = (sum(|shard| shard.records), sum(|shard| shard.bytes));
        Self { records, bytes, ..self }
    }

    /// The manifest that a text is.
    pub(crate) fn parse(text: &[u8]) -> io::Result<Self> {
        Ok(serde_json::from_slice(text)?)
    }

    /// The directory with a manifest that is the nearest above a local file.
    pub(crate) fn above(path: &Path) -> Option<&Path> {
        Self::directories_above(path).find(|directory| directory.join(MANIFEST).exists())
    }

    /// The directories above a file in which a manifest is looked for, the nearest first. A URL of an object has those that it has as
    /// a path, up to its bucket.
    pub(crate) fn directories_above(path: &Path) -> impl Iterator<Item = &Path> {
        // What is above a `..` isn't above the file.
        let is_above = move |directory: &&Path| {
            let below = path.strip_prefix(directory).unwrap_or(path);
            !below.components().any(|part| part == Component::ParentDir)
        };
        let least = if path.to_string_lossy().contains("://") { 2 } else { 0 };
        let directories = path.ancestors().skip(1).take(MOST_ABOVE);
        directories.take_while(move |directory| directory.components().count() >= least).filter(is_above)
    }
}

/// A row that was not written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reject {
    /// The file, where the query's rows come from files.
    pub path: Option<String>,
    /// How far the row has come: `read`, `decode` or `write`.
    pub stage: Cow<'static, str>,
    /// What kind of fault it is; docs/rejects.md has all that there are.
    pub class: Cow<'static, str>,
    /// What the sink could not write, in words.
    pub reason: String,
}

/// How many rows a list of rejected rows has.
pub(crate) fn count_rejects(list: impl io::Read) -> io::Result<u64> {
    let mut rows = 0;
    for row in csv::Reader::from_reader(list).into_records() {
        row?;
        rows += 1;
    }
    Ok(rows)
}

/// The rows of a list of rejected rows, in its order.
///
/// # Errors
/// A list that can't be read, or of a version that told no classes.
pub(crate) fn rejects(list: impl io::Read) -> impl Iterator<Item = io::Result<Reject>> {
    csv::Reader::from_reader(list).into_deserialize().map(|row| row.map_err(io::Error::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_retry_adds_can_be_taken_back() {
        let shard =
            |path: &str, records| Shard { path: path.into(), records, bytes: 10 * records, crc32c: String::new() };
        let text = r#"{"format": "tfrecord", "pixmill_version": "1", "jpeg_codec": "", "records": 3, "bytes": 30, "rejected": 5,
            "features": {}, "options": {}, "shards": [{"path": "b", "records": 3, "bytes": 30, "crc32c": ""}]}"#;
        let before = Manifest::parse(text.as_bytes()).expect("a manifest");
        let once = before.clone().with_added(vec![shard("c", 2)], 3, Vec::new());
        let twice = once.clone().with_added(vec![shard("a", 1)], 2, Vec::new());
        assert_eq!((twice.records, twice.bytes, twice.rejected), (6, 60, 2));
        assert_eq!(twice.shards.iter().map(|shard| shard.path.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(twice.retries[1], Retry { rejected_before: 3, records: 1, shards: vec!["a".into()] });
        assert_eq!(twice.before_last_retry(), Some(once.clone()));
        assert_eq!(once.before_last_retry(), Some(before.clone()));
        assert_eq!(before.before_last_retry(), None);
    }

    #[test]
    fn nothing_is_above_a_bucket() {
        let above: Vec<&Path> = Manifest::directories_above(Path::new("s3://bucket/a/b.tfrec")).collect();
        assert_eq!(above, [Path::new("s3://bucket/a"), Path::new("s3://bucket")]);
        let above: Vec<&Path> = Manifest::directories_above(Path::new("a/b.tfrec")).collect();
        assert_eq!(above, [Path::new("a"), Path::new("")]);
    }

    #[test]
    fn a_manifest_is_looked_for_five_directories_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        fs::write(root.join(MANIFEST), "{}").expect("a manifest");
        for (below, is_found) in [("x", true), ("a/b/c/d/x", true), ("a/b/c/d/e/x", false), ("../x", false)] {
            assert_eq!(Manifest::above(&root.join(below)), is_found.then_some(root), "{below}");
        }
    }
}
