//! What is at a location: image files or shards, told by names.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::format::kind::FileKind;
use crate::format::manifest::Manifest;
use crate::storage::Location;
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
        paths: Vec<PathBuf>,
        /// As of other shards.
        classes: Option<Vec<String>>,
    },
}

/// The table of Parquet shards.
const TABLE: &str = "contact_sheet_source";

impl Source {
    /// Looks at what a location names, and opens nothing but a manifest.
    pub(super) fn at(location: &str) -> Result<Self> {
        let parsed = Location::parse(location)?;
        let mut shard = None;
        let mut files = parsed.files(true);
        for found in files.by_ref() {
            let found = found?;
            if let Some(kind) = FileKind::of_data(&found.path) {
                shard = (kind != FileKind::Image).then_some((kind, found.path));
                break;
            }
        }
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
                let classes = classes(&path);
                let mut paths = vec![path];
                for found in files {
                    let found = found?;
                    paths.extend((FileKind::of_data(&found.path) == Some(FileKind::Tar)).then_some(found.path));
                }
                return Ok(Self::Tar { paths, classes });
            }
            FileKind::Image => return Ok(Self::Images),
        };
        Ok(Self::Shards { prepare, relation, classes: classes(&path) })
    }
}

/// The class list of the manifest that is above a shard.
fn classes(shard: &Path) -> Option<Vec<String>> {
    let directory = Manifest::above(shard)?;
    match Manifest::read(directory) {
        Ok(manifest) => manifest?.classes,
        Err(error) => {
            tracing::warn!("class names are not known: manifest in '{}': {error}", directory.display());
            None
        }
    }
}
