//! What runs leave beside the shards of a dataset, and how it is told from what isn't theirs.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::{DirEntry, WalkDir};

use super::directory::{escaped, split};
use super::run::hidden_files;
use super::{Format, NameTemplate, Target, hidden};
use crate::format::INDEX_SUFFIX;
use crate::format::manifest::{MANIFEST, OLD_MANIFEST, REJECTS, Shard, UNFINISHED, read};

/// How a run names its shards, which its mark tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardNames {
    format: String,
    name_template: NameTemplate,
    prefix: String,
    prefix_by_directory: bool,
    partition_by: Vec<String>,
    compression: String,
}

impl ShardNames {
    pub(super) fn of(target: &Target) -> Self {
        let options = &target.options;
        Self {
            format: options.format().name().to_string(),
            name_template: options.name_template.clone(),
            prefix: options.prefix.clone(),
            prefix_by_directory: options.own().prefix_by_directory(),
            partition_by: target.partition_by.clone(),
            compression: options.own().file_compression().suffix().to_string(),
        }
    }

    fn name(&self, directory: &str, shard: usize, shards: usize, records: u64) -> String {
        let name = self.name_template.name(self.prefix(directory), shard, shards, records);
        format!("{name}{}", self.compression)
    }

    /// What shard names of a directory begin with.
    fn prefix<'a>(&'a self, directory: &'a str) -> &'a str {
        let value = directory.rsplit_once('=').map(|(_, value)| value).filter(|_| self.prefix_by_directory);
        let format = Format::of(&self.format);
        value.filter(|value| format.is_some_and(|format| format.is_directory_prefix(value))).unwrap_or(&self.prefix)
    }

    /// Files that this run may have written, by their paths below the dataset's directory: only those in directories that it
    /// makes, and in none that is a dataset of its own.
    fn files(&self, root: &Path) -> Vec<String> {
        let depth = self.partition_by.len() + 1;
        let walk = WalkDir::new(root).min_depth(1).max_depth(depth).into_iter();
        let entries = walk.filter_entry(|entry| !entry.file_type().is_dir() || self.makes(entry));
        let files =
            entries.filter_map(Result::ok).filter(|entry| entry.depth() == depth && entry.file_type().is_file());
        let paths = files.filter_map(|entry| Some(entry.path().strip_prefix(root).ok()?.to_str()?.to_string()));
        paths.filter(|path| self.is_shard(path)).collect()
    }

    /// Whether a directory is one of a value of `PARTITIONED BY`, or the dataset's own.
    fn makes(&self, directory: &DirEntry) -> bool {
        let Some(level) = directory.depth().checked_sub(1) else { return true };
        let name = directory.file_name().to_str().and_then(|name| name.split_once('='));
        let is_ours = name.is_some_and(|(name, _)| self.partition_by.get(level).is_some_and(|by| escaped(by) == name));
        let own = [MANIFEST, OLD_MANIFEST, UNFINISHED];
        is_ours && !own.iter().any(|file| directory.path().join(file).exists())
    }

    fn is_shard(&self, path: &str) -> bool {
        let (directory, name) = split(path);
        self.name_template.matches(self.prefix(directory), name)
    }
}

impl Target {
    /// The name of a shard in a directory; `shard` and `shards` count those of this directory.
    pub(super) fn shard_name(&self, directory: &str, shard: usize, shards: usize, records: u64) -> String {
        ShardNames::of(self).name(directory, shard, shards, records)
    }

    /// A file of the directory that the commit would sweep or replace, though nothing says that a run of ours has left it.
    pub(crate) fn foreign_file(&self) -> Option<String> {
        if self.options.overwrite {
            return None;
        }
        // A directory that can't be read fails when it is written to.
        let runs = self.runs().unwrap_or_default();
        let is_ours =
            |path: &str| runs.iter().any(|(_, names)| names.as_ref().is_some_and(|names| names.is_shard(path)));
        let mut foreign: Vec<String> = ShardNames::of(self).files(&self.directory);
        foreign.retain(|path| !is_ours(path));
        if runs.is_empty() {
            let mut written = vec![REJECTS.to_string()];
            written.extend(self.options.own().sidecar_names(self));
            foreign.extend(written.into_iter().filter(|name| self.directory.join(name).exists()));
        }
        foreign.into_iter().min()
    }

    /// Removes what runs whose commit died, or the dataset that this one replaces, left beside the shards. The runs are those
    /// with marks.
    pub(super) fn sweep(&self, shards: &[Shard], runs: &[(PathBuf, Option<ShardNames>)]) -> io::Result<()> {
        let mut parts: HashSet<String> = shards.iter().map(|shard| shard.path.clone()).collect();
        if self.options.own().has_index() {
            parts.extend(shards.iter().map(|shard| format!("{}{INDEX_SUFFIX}", shard.path)));
        }
        let mut left: Vec<String> = Vec::new();
        if let Some(old) = read(&self.directory.join(OLD_MANIFEST))? {
            left.extend(old.shards.iter().map(|shard| format!("{}{INDEX_SUFFIX}", shard.path)));
            left.extend(old.shards.into_iter().map(|shard| shard.path));
            // Those of this dataset are written behind the sweep.
            left.extend(old.sidecars.into_iter().filter(|name| !name.contains('/')));
        }
        let mut names = vec![ShardNames::of(self)];
        for run in runs.iter().filter_map(|(_, names)| names.as_ref()) {
            if !names.contains(run) {
                names.push(run.clone());
            }
        }
        left.extend(names.iter().flat_map(|run| run.files(&self.directory)));
        // A manifest is text that anybody can change: nothing above or beside the dataset is removed, nor where links lead.
        let root = self.directory.canonicalize()?;
        for path in left.iter().filter(|path| !parts.contains(*path) && is_below(path)) {
            let path = self.directory.join(path);
            let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
            if path.is_file() && parent.is_some_and(|parent| parent.starts_with(&root)) {
                if !self.is_marked() {
                    return Err(io::Error::other("another run has taken its place"));
                }
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }

    /// Removes what runs have written before their commits: all of it has its name by now, or nobody wants it.
    pub(super) fn sweep_hidden(&self) -> io::Result<()> {
        hidden_files(&self.directory, hidden::is_left)?.iter().try_for_each(|path| remove_if_there(path))
    }
}

/// Whether a path leads nowhere but down, and is written in the one way in which shards are listed.
pub(super) fn is_below(path: &str) -> bool {
    let names = Path::new(path).components().map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let names: Option<Vec<&str>> = names.collect();
    !path.is_empty() && names.is_some_and(|names| names.join("/") == path)
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_lead_down_are_below() {
        assert!(["a.tfrec", "label=x/a.tfrec", "a..b"].iter().all(|path| is_below(path)));
        assert!(["", "/a", "../a", "x/../a", "./a", "x//a", "x/"].iter().all(|path| !is_below(path)));
    }
}
