//! Shards get their names: in each directory numbered without gaps, because partitions that wrote nothing leave none.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::directory::join;
use super::report::{Finished, HiddenFile, Report, has_size};
use super::{Target, hidden};
use crate::format::INDEX_SUFFIX;
use crate::format::manifest::Shard;

/// A shard and the name that the commit gives to it.
#[derive(Debug)]
pub(super) struct Placement<'a> {
    pub(super) partition: usize,
    finished: &'a Finished,
    pub(super) shard: Shard,
}

impl Target {
    /// The names of all shards, in the order of partitions; `{shards}` is how many there are in a directory.
    pub(super) fn placements<'a>(&self, reports: &'a BTreeMap<usize, Report>) -> Vec<Placement<'a>> {
        let mut all: BTreeMap<&str, usize> = BTreeMap::new();
        for finished in reports.values().flat_map(|report| &report.shards) {
            *all.entry(&finished.directory).or_default() += 1;
        }
        let mut next: BTreeMap<&str, usize> = BTreeMap::new();
        let mut placements = Vec::new();
        for (partition, report) in reports {
            for finished in &report.shards {
                let directory = finished.directory.as_str();
                let shards = all.get(directory).copied().unwrap_or(0);
                let number = next.entry(directory).or_default();
                let name = self.shard_name(directory, *number, shards, finished.records);
                *number += 1;
                let shard = Shard {
                    path: join(directory, &name),
                    records: finished.records,
                    bytes: finished.file.bytes,
                    crc32c: finished.crc32c.clone(),
                };
                placements.push(Placement { partition: *partition, finished, shard });
            }
        }
        placements
    }

    /// Gives a shard its name, and its index. Where it has it already, another commit of the same run was here.
    pub(super) fn place(&self, placement: &Placement) -> io::Result<()> {
        let Placement { finished, shard, .. } = placement;
        fs::create_dir_all(self.directory.join(&finished.directory))?;
        if let Some(index) = &finished.index {
            self.place_file(index, &format!("{}{INDEX_SUFFIX}", shard.path))?;
        }
        self.place_file(&finished.file, &shard.path)
    }

    /// Whether what stands under a shard's name is what was given it; where its hidden file is gone, by size.
    pub(super) fn is_placed(&self, placement: &Placement) -> bool {
        let Placement { finished, shard, .. } = placement;
        let (hidden, place) = (self.directory.join(&finished.file.name), self.directory.join(&shard.path));
        match (fs::metadata(hidden), fs::metadata(&place)) {
            (Ok(hidden), Ok(place)) => is_same(&hidden, &place),
            _ => has_size(&place, finished.file.bytes),
        }
    }

    fn place_file(&self, file: &HiddenFile, path: &str) -> io::Result<()> {
        let (hidden, place) = (self.directory.join(&file.name), self.directory.join(path));
        match link(&hidden, &place, &self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && has_size(&place, file.bytes) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!("'{path}' is gone with the file that was to become it; run the statement again");
                Err(io::Error::new(io::ErrorKind::NotFound, message))
            }
            done => done,
        }
    }
}

/// Whether two names are of one file; copies, where files can't have two names, by size.
#[cfg(unix)]
fn is_same(left: &fs::Metadata, right: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (left.dev(), left.ino()) == (right.dev(), right.ino())
}

#[cfg(not(unix))]
fn is_same(left: &fs::Metadata, right: &fs::Metadata) -> bool {
    left.len() == right.len()
}

/// Gives a file a second name, where one may stand already: the first stays until the dataset is finished, so that a commit
/// that dies leaves what another run needs.
fn link(file: &Path, place: &Path, directory: &Path) -> io::Result<()> {
    let token = hidden::token().map_err(|error| io::Error::other(error.to_string()))?;
    let between = directory.join(hidden::unfinished("link", &token));
    match fs::hard_link(file, &between) {
        Ok(()) => {
            let placed = fs::rename(&between, place);
            // It is left where both names are of one file already.
            let _ = fs::remove_file(&between);
            placed
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        // A file system without second names.
        Err(_) => fs::rename(file, place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing;

    #[test]
    fn a_file_is_placed_once_or_twice_or_over_another() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = testing::target(directory.path());
        let file = HiddenFile { name: hidden::finished("00000", "0"), bytes: 3 };
        fs::write(directory.path().join(&file.name), "new").expect("written");
        fs::write(directory.path().join("a"), "older").expect("written");
        target.place_file(&file, "a").expect("placed");
        target.place_file(&file, "a").expect("placed");
        assert_eq!(testing::names(directory.path()), [file.name.as_str(), "a"]);
        fs::remove_file(directory.path().join(&file.name)).expect("swept");
        target.place_file(&file, "a").expect("placed");
        assert_eq!(fs::read(directory.path().join("a")).expect("a file"), b"new");
        let message = target.place_file(&file, "b").expect_err("gone").to_string();
        assert!(message.contains("'b' is gone"), "{message}");
    }
}
