//! What is at a location: image files or shards, told by names.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::format::manifest::Manifest;
use crate::storage::Location;

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
}

/// The table of Parquet shards.
const TABLE: &str = "contact_sheet_source";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Images,
    TfRecord,
    Parquet,
    Tar,
}

impl Source {
    /// Looks at what a location names, and opens nothing but a manifest.
    pub(super) fn at(location: &str) -> Result<Self> {
        let parsed = Location::parse(location)?;
        let mut shard = None;
        for found in parsed.files(true) {
            let found = found?;
            if let Some(kind) = found.path.file_name().and_then(|name| kind_of(name.to_str()?)) {
                shard = (kind != Kind::Images).then_some((kind, found.path));
                break;
            }
        }
        // Without a telling name it is for the source of images to say what is missing.
        let Some((kind, path)) = shard else { return Ok(Self::Images) };
        let quoted = quoted(location);
        let (prepare, relation) = match kind {
            Kind::TfRecord => (None, format!("read_tfrecord({quoted})")),
            Kind::Parquet => {
                let create = format!("CREATE EXTERNAL TABLE {TABLE} STORED AS PARQUET LOCATION {quoted}");
                (Some(create), TABLE.to_string())
            }
            Kind::Tar | Kind::Images => {
                return Err(Error::Usage(format!(
                    "'{}' is a tar file: contact-sheet reads image files, TFRecord and Parquet; unpack it first",
                    path.display()
                )));
            }
        };
        Ok(Self::Shards { prepare, relation, classes: classes(&path) })
    }
}

/// What a file's name says that it is; `None` where it says nothing.
fn kind_of(name: &str) -> Option<Kind> {
    let name = name.to_ascii_lowercase();
    let is_beside_the_data = name.starts_with(['_', '.']) || name.ends_with(".idx") || name.ends_with(".tfindex");
    if is_beside_the_data {
        return None;
    }
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if crate::source::images::EXTENSIONS.contains(&extension) {
        Some(Kind::Images)
    } else if extension == "parquet" {
        Some(Kind::Parquet)
    } else if extension == "tar" || name.ends_with(".tar.gz") || extension == "tgz" {
        Some(Kind::Tar)
    } else if name.contains("tfrec") || name.contains(".record") {
        Some(Kind::TfRecord)
    } else {
        None
    }
}

/// The class list of the manifest that stands beside a shard, or above it where directories are partitions.
fn classes(shard: &Path) -> Option<Vec<String>> {
    let directories = shard.ancestors().skip(1).take(5);
    // A relative path ends in an empty one, which is the working directory.
    let directories = directories.map(|directory| match directory.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => directory.to_path_buf(),
    });
    for directory in directories {
        match Manifest::read(&directory) {
            Ok(None) => {}
            Ok(Some(manifest)) => return manifest.classes,
            Err(error) => tracing::warn!("class names are not known: manifest in '{}': {error}", directory.display()),
        }
    }
    None
}

/// A text as an SQL constant.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A column's name as SQL has it.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_images_and_shards_apart() {
        let cases = [
            ("1.JPG", Some(Kind::Images)),
            ("my.recording.png", Some(Kind::Images)),
            ("flowers00-230.tfrec", Some(Kind::TfRecord)),
            ("flowers00-230.tfrec.gz", Some(Kind::TfRecord)),
            ("mnist-train.tfrecord-00000-of-00001", Some(Kind::TfRecord)),
            ("val.record", Some(Kind::TfRecord)),
            ("train-00000-of-00016.parquet", Some(Kind::Parquet)),
            ("name-000000.tar", Some(Kind::Tar)),
            ("flowers00-230.tfrec.idx", None),
            ("_manifest.json", None),
            ("LICENSE.txt", None),
        ];
        for (name, expected) in cases {
            assert_eq!(kind_of(name), expected, "{name}");
        }
    }

    #[test]
    fn quotes_in_names_stay_in_names() {
        assert_eq!(quoted("it's"), "'it''s'");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }
}
