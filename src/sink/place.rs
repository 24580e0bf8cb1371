//! Shards get their names: in each directory numbered without gaps, because partitions that wrote nothing leave none.

use std::collections::BTreeMap;
use std::io;

use super::Target;
use super::directory::{join, split};
use super::report::{Finished, HiddenFile, Report};
use crate::format::INDEX_SUFFIX;
use crate::format::manifest::Shard;
use crate::storage::Placed;

/// A shard and the name that the commit gives to it.
#[derive(Debug)]
pub(super) struct Placement<'a> {
    pub(super) partition: usize,
    finished: &'a Finished,
    pub(super) shard: Shard,
}

impl Target {
    /// The names of all shards, in the order of partitions; `{shards}` is how many there are in a directory. Their numbers follow
    /// those of `old` shards, unless they are a series of their own.
    pub(super) fn placements<'a>(&self, reports: &'a BTreeMap<usize, Report>, old: &[Shard]) -> Vec<Placement<'a>> {
        let mut next: BTreeMap<&str, usize> = BTreeMap::new();
        for shard in old.iter().filter(|_| self.series().is_none()) {
            *next.entry(split(&shard.path).0).or_default() += 1;
        }
        let mut all = next.clone();
        for finished in reports.values().flat_map(|report| &report.shards) {
            *all.entry(&finished.directory).or_default() += 1;
        }
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

    /// Gives shards their names, and their indexes. Where they have them already, another commit of the same run was here.
    pub(super) fn place(&self, placements: &[Placement]) -> io::Result<Vec<Placed>> {
        for placement in placements {
            self.directory.make(&placement.finished.directory)?;
        }
        let indexes = placements.iter().filter_map(|Placement { finished, shard, .. }| {
            Some((finished.index.as_ref()?, format!("{}{INDEX_SUFFIX}", shard.path)))
        });
        self.place_files(&indexes.collect::<Vec<_>>())?;
        let shards = placements.iter().map(|placement| (&placement.finished.file, placement.shard.path.clone()));
        self.place_files(&shards.collect::<Vec<_>>())
    }

    /// The first of some shards under whose name something else stands than what was given it.
    pub(super) fn misplaced<'a, 'b>(
        &self,
        placements: &'a [Placement<'b>],
        placed: &[Placed],
    ) -> io::Result<Option<&'a Placement<'b>>> {
        let files = placements.iter().zip(placed).map(|(Placement { finished, shard, .. }, placed)| {
            (finished.file.name.as_str(), shard.path.as_str(), finished.file.bytes, placed)
        });
        let are_placed = self.directory.are_placed(&files.collect::<Vec<_>>())?;
        Ok(placements.iter().zip(are_placed).find(|(_, is_placed)| !is_placed).map(|(placement, _)| placement))
    }

    fn place_files(&self, files: &[(&HiddenFile, String)]) -> io::Result<Vec<Placed>> {
        let names: Vec<(&str, &str)> = files.iter().map(|(file, path)| (file.name.as_str(), path.as_str())).collect();
        let placed = self.directory.place(&names).into_iter().zip(files);
        placed
            .map(|(placed, (file, path))| match placed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => match self.directory.length(path)? {
                    Some(bytes) if bytes == file.bytes => Ok(Placed::default()),
                    _ => {
                        let message =
                            format!("'{path}' is gone with the file that was to become it; run the statement again");
                        Err(io::Error::new(io::ErrorKind::NotFound, message))
                    }
                },
                placed => placed,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sink::{hidden, testing};

    #[test]
    fn a_file_is_placed_once_or_twice_or_over_another() {
        let directory = tempfile::tempdir().expect("a directory");
        let target = testing::target(directory.path());
        let file = HiddenFile { name: hidden::finished("00000", "0"), bytes: 3 };
        let place = |path: &str| target.place_files(&[(&file, path.to_string())]);
        fs::write(directory.path().join(&file.name), "new").expect("written");
        fs::write(directory.path().join("a"), "older").expect("written");
        place("a").expect("placed");
        place("a").expect("placed");
        assert_eq!(testing::names(directory.path()), [file.name.as_str(), "a"]);
        fs::remove_file(directory.path().join(&file.name)).expect("swept");
        place("a").expect("placed");
        assert_eq!(fs::read(directory.path().join("a")).expect("a file"), b"new");
        let message = place("b").expect_err("gone").to_string();
        assert!(message.contains("'b' is gone"), "{message}");
    }
}
