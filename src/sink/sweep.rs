//! What runs leave beside the shards of a dataset, and how it is told from what isn't theirs.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use super::directory::{escaped, split};
use super::run::{Run, runs};
use super::{Format, NameTemplate, Target, hidden};
use crate::format::INDEX_SUFFIX;
use crate::format::manifest::{MANIFEST, Manifest, NEXT_REJECTS, OLD_MANIFEST, REJECTS, Shard, UNFINISHED};
use crate::storage::Directory;

/// How a run names its shards, which its mark tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardNames {
    format: String,
    name_template: NameTemplate,
    prefix: String,
    prefix_by_directory: bool,
    partition_by: Vec<String>,
    compression: String,
    /// The series that shards which come to those of a dataset are, where names tell how many there are.
    #[serde(default)]
    series: Option<String>,
    /// What makes a statement the same one; none where the run replaces what is there, which may be a dataset of the same statement.
    #[serde(default)]
    statement: Option<String>,
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
            series: target.series(),
            statement: (!options.overwrite).then(|| target.statement.clone()),
        }
    }

    fn name(&self, directory: &str, shard: usize, shards: usize, records: u64) -> String {
        let name = self.name_template.name(&self.prefix(directory), shard, shards, records);
        format!("{name}{}", self.compression)
    }

    /// What shard names of a directory begin with.
    fn prefix<'a>(&'a self, directory: &'a str) -> Cow<'a, str> {
        let value = directory.rsplit_once('=').map(|(_, value)| value).filter(|_| self.prefix_by_directory);
        let format = Format::of(&self.format);
        let value = value.filter(|value| format.is_some_and(|format| format.is_directory_prefix(value)));
        let prefix = value.unwrap_or(&self.prefix);
        self.series.as_ref().map_or(prefix.into(), |series| format!("{prefix}-{series}").into())
    }

    /// Files that this run may have written, by their paths below the dataset's directory: only those in directories that it
    /// makes, and in none that is a dataset of its own.
    fn files(&self, directory: &Directory) -> io::Result<Vec<String>> {
        let depth = self.partition_by.len();
        let mut files = directory.walk(depth + 1, &|level, name| self.makes(level, name))?;
        let own = [MANIFEST, OLD_MANIFEST, UNFINISHED];
        let datasets = files
            .iter()
            .map(|path| split(path))
            .filter(|(directory, name)| !directory.is_empty() && own.contains(name));
        let datasets: HashSet<String> = datasets.map(|(directory, _)| directory.to_string()).collect();
        let is_of_another = |path: &str| {
            Path::new(path).ancestors().any(|above| above.to_str().is_some_and(|above| datasets.contains(above)))
        };
        files.retain(|path| path.matches('/').count() == depth && !is_of_another(path) && self.is_shard(path));
        Ok(files)
    }

    /// Whether a directory is one of a value of `PARTITIONED BY`.
    fn makes(&self, level: usize, name: &str) -> bool {
        let by = name.split_once('=').map(|(by, _)| by);
        by.is_some_and(|name| self.partition_by.get(level).is_some_and(|by| escaped(by) == name))
    }

    fn is_shard(&self, path: &str) -> bool {
        let (directory, name) = split(path);
        self.name_template.matches(&self.prefix(directory), name)
    }
}

/// Sweeps what a commit has left that was killed behind its manifest, which is the finished dataset of this statement.
///
/// # Errors
/// The directory can't be looked into or changed.
pub(crate) fn sweep_behind_manifest(directory: &Directory, statement: &str) -> io::Result<()> {
    // A list of rejects that still gets its name is finished by who retries them, and a dataset that was set aside by who replaces it.
    if !directory.has(UNFINISHED)? || directory.has(NEXT_REJECTS)? || directory.has(OLD_MANIFEST)? {
        return Ok(());
    }
    // Of a run that begins from here on nothing is among them.
    let left = directory.names(&hidden::is_left)?;
    let is_own =
        |names: &Option<ShardNames>| names.as_ref().is_some_and(|names| names.statement.as_deref() == Some(statement));
    let (own, others): (Vec<Run>, Vec<Run>) = runs(directory)?.into_iter().partition(|(_, names)| is_own(names));
    directory.remove(&own.into_iter().map(|(mark, _)| mark).collect::<Vec<_>>())?;
    // One that isn't of this statement may be under way.
    if !others.is_empty() {
        return Ok(());
    }
    directory.remove(&left)?;
    directory.remove(&[UNFINISHED.to_string()])?;
    directory.abort_uploads(&|name| left.iter().any(|known| known == name))
}

impl Target {
    /// The series that its shards are beside others of a dataset.
    pub(super) fn series(&self) -> Option<String> {
        let retry = self.retry.filter(|_| self.options.name_template.has_number_of_shards());
        retry.map(|retry| format!("retry{retry}"))
    }

    /// The name of a shard in a directory; `shard` and `shards` count those of this directory.
    pub(super) fn shard_name(&self, directory: &str, shard: usize, shards: usize, records: u64) -> String {
        ShardNames::of(self).name(directory, shard, shards, records)
    }

    /// A file of the directory that the commit would sweep or replace, though nothing says that a run of ours has left it. `dataset` is
    /// the one to which shards are added.
    ///
    /// # Errors
    /// The directory can't be looked into.
    pub(crate) fn foreign_file(&self, dataset: Option<&Manifest>) -> io::Result<Option<String>> {
        if self.options.overwrite && dataset.is_none() {
            return Ok(None);
        }
        let runs = self.runs()?;
        let is_ours =
            |path: &str| runs.iter().any(|(_, names)| names.as_ref().is_some_and(|names| names.is_shard(path)));
        let mut foreign: Vec<String> = ShardNames::of(self).files(&self.directory)?;
        foreign.retain(|path| !is_ours(path));
        if let Some(dataset) = dataset {
            let parts = self.parts(&dataset.shards);
            foreign.retain(|path| !parts.contains(path));
        } else if runs.is_empty() {
            let mut written = vec![REJECTS.to_string()];
            written.extend(self.options.own().sidecar_names(self));
            for name in written {
                foreign.extend(self.directory.has(&name)?.then_some(name));
            }
        }
        Ok(foreign.into_iter().min())
    }

    /// The files of shards, and their indexes.
    fn parts(&self, shards: &[Shard]) -> HashSet<String> {
        let mut parts: HashSet<String> = shards.iter().map(|shard| shard.path.clone()).collect();
        if self.options.own().has_index() {
            parts.extend(shards.iter().map(|shard| format!("{}{INDEX_SUFFIX}", shard.path)));
        }
        parts
    }

    /// Removes what runs whose commit died, or the dataset that this one replaces, left beside the shards. The runs are those
    /// with marks.
    pub(super) fn sweep(&self, shards: &[Shard], runs: &[Run]) -> io::Result<()> {
        let parts = self.parts(shards);
        let mut left: Vec<String> = Vec::new();
        if let Some(old) = self.directory.read(OLD_MANIFEST)?.map(|old| Manifest::parse(&old)).transpose()? {
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
        for names in &names {
            left.extend(names.files(&self.directory)?);
        }
        // A manifest is text that anybody can change: nothing above or beside the dataset is removed, nor where links lead.
        left.retain(|path| !parts.contains(path) && is_below(path));
        for some in left.chunks(self.directory.at_once()) {
            if !self.is_marked() {
                return Err(io::Error::other("another run has taken its place"));
            }
            let mut held = Vec::new();
            for path in some {
                held.extend(self.directory.holds(path)?.then(|| path.clone()));
            }
            self.directory.remove(&held)?;
        }
        Ok(())
    }

    /// Removes what runs have written before their commits: all of it has its name by now, or nobody wants it.
    pub(super) fn sweep_hidden(&self) -> io::Result<()> {
        let left = self.directory.names(&hidden::is_left)?;
        self.directory.remove(&left)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_lead_down_are_below() {
        assert!(["a.tfrec", "label=x/a.tfrec", "a..b"].iter().all(|path| is_below(path)));
        assert!(["", "/a", "../a", "x/../a", "./a", "x//a", "x/"].iter().all(|path| !is_below(path)));
    }
}
