//! What is at a location: image files or shards, told by names.

use std::path::Path;

use crate::error::{Error, Result};
use crate::format::kind::FileKind;
use crate::format::manifest::{MANIFEST, Manifest};
use crate::storage::{FoundFile, Reach, Version, is_object_url};
use crate::words::quoted;

/// What there is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Image files.
    Images,
    /// Shards that SQL can read.
    Shards {
        /// A statement that must be run first.
        prepare: Option<String>,
        /// What stands behind FROM.
        relation: String,
        /// The labels in the order of their class numbers, where a manifest tells.
        classes: Option<Vec<String>>,
    },
    /// WebDataset shards.
    Tar {
        files: Vec<(String, Version)>,
        /// As of other shards.
        classes: Option<Vec<String>>,
    },
}

/// The table of Parquet shards.
const TABLE: &str = "contact_sheet_source";

impl Source {
    /// Looks at what a location names, and opens nothing but a manifest.
    pub(super) fn at(location: &str, reach: &Reach) -> Result<Self> {
        let mut shard = None;
        reach.find(location, &mut |found| {
            shard = FileKind::of_data(&found.path).map(|kind| (kind, found.path));
            shard.is_none()
        })?;
        // Without a telling name it is for the source of images to say what is missing.
        let Some((kind, path)) = shard else { return Ok(Self::Images) };
        let quoted = quoted(location);
        let (prepare, relation) = match kind {
            FileKind::TfRecord => (None, format!("read_tfrecord({quoted})")),
            FileKind::Parquet => {
                let create = format!("CREATE EXTERNAL TABLE {TABLE} STORED AS PARQUET LOCATION {quoted}");
                (Some(create), TABLE.to_string())
            }
            FileKind::Tar => {
                let tar = |file: FoundFile| {
                    let is_tar = FileKind::of_data(&file.path) == Some(FileKind::Tar);
                    Some((file.shown.filter(|_| is_tar)?, file.version))
                };
                let files = reach.files(location)?.into_iter().filter_map(tar).collect();
                return Ok(Self::Tar { files, classes: classes(&path, reach)? });
            }
            FileKind::Image => return Ok(Self::Images),
        };
        Ok(Self::Shards { prepare, relation, classes: classes(&path, reach)? })
    }
}

/// The class list of the manifest that is above a shard.
fn classes(shard: &Path, reach: &Reach) -> Result<Option<Vec<String>>> {
    let text = shard.to_string_lossy();
    let (place, read) = match is_object_url(&text) {
        true => {
            let mut found = None;
            for folder in Manifest::directories_above(shard) {
                let place = folder.join(MANIFEST).to_string_lossy().into_owned();
                if let Some(text) = reach.read_small(&place, MOST_BYTES).map_err(Error::from)? {
                    found = Some((place, Manifest::parse(&text)));
                    break;
                }
            }
            let Some((place, read)) = found else { return Ok(None) };
            (place, read.map(Some))
        }
        false => {
            let Some(directory) = Manifest::above(shard) else { return Ok(None) };
            (directory.join(MANIFEST).display().to_string(), Manifest::read(directory))
        }
    };
    match read {
        Ok(manifest) => Ok(manifest.and_then(|manifest| manifest.classes)),
        Err(error) => {
            tracing::warn!("class names are not known: '{place}': {error}");
            Ok(None)
        }
    }
}

/// More than the manifest of a million shards has.
const MOST_BYTES: usize = 1 << 30;
