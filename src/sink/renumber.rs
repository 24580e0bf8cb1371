//! Shard numbers without gaps: partitions that wrote nothing leave none.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::Target;
use super::directory::{join, split};
use super::partition::Report;
use crate::format::INDEX_SUFFIX;

impl Target {
    /// Renames shards so that those of each directory are numbered from 0, and `{shards}` is how many there are.
    ///
    /// In ascending order: a shard's new name is its own or was that of one before it, which has left it.
    pub(super) fn renumber(&self, reports: &mut BTreeMap<i64, Report>) -> io::Result<()> {
        let mut shards: BTreeMap<String, usize> = BTreeMap::new();
        for shard in reports.values().flat_map(|report| &report.shards) {
            *shards.entry(split(&shard.path).0.to_string()).or_default() += 1;
        }
        let mut next: BTreeMap<String, usize> = BTreeMap::new();
        for shard in reports.values_mut().flat_map(|report| &mut report.shards) {
            let (directory, _) = split(&shard.path);
            let all = shards.get(directory).copied().unwrap_or(0);
            let number = next.entry(directory.to_string()).or_default();
            let path = join(directory, &self.shard_name(directory, *number, all, shard.records));
            *number += 1;
            if path != shard.path {
                fs::rename(self.directory.join(&shard.path), self.directory.join(&path))?;
                if self.options.has_index() {
                    let index = |path: &str| self.directory.join(format!("{path}{INDEX_SUFFIX}"));
                    fs::rename(index(&shard.path), index(&path))?;
                }
                shard.path = path;
            }
        }
        Ok(())
    }
}
