//! Manifests of the datasets that shards are in, beside files and beside objects.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::common::{DataFusionError, Result, exec_datafusion_err, plan_err};

use super::shards::{ShardKind, ShardPath};
use crate::format::manifest::{MANIFEST, MOST_ABOVE, Manifest, UNFINISHED};
use crate::storage::{Reach, Version};

/// A manifest of a million shards has less.
const MOST_BYTES: usize = 1 << 30;

/// A location in a store.
pub(super) struct Objects {
    /// The URL of the bucket: nothing is above it.
    pub(super) bucket: PathBuf,
    pub(super) listed: Listed,
}

/// What a listing tells of manifests and indexes.
#[derive(Debug, Clone)]
pub(super) enum Listed {
    /// An object was named, and nothing was listed.
    Nothing,
    /// All that are below a folder.
    Below(PathBuf, HashMap<String, Version>),
}

impl Listed {
    /// Whether an object is there; `None` where the listing doesn't tell.
    pub(super) fn has(&self, url: &Path) -> Option<bool> {
        match self {
            Self::Below(base, objects) if url.starts_with(base) => {
                Some(url.to_str().is_some_and(|url| objects.contains_key(url)))
            }
            _ => None,
        }
    }
}

/// What a manifest says of a dataset: its files' records and bytes, its features and its classes.
pub(super) struct Dataset {
    format: String,
    pub(super) shards: HashMap<PathBuf, (u64, u64)>,
    pub(super) features: BTreeMap<String, String>,
    pub(super) classes: Option<Vec<String>>,
}

/// Manifests that have been looked for, by directory; a folder of objects has the parents and the name that its URL as a path has.
pub(super) struct Manifests {
    kind: ShardKind,
    read: HashMap<PathBuf, Option<Arc<Dataset>>>,
    reach: Reach,
    objects: Option<Objects>,
}

impl Manifests {
    /// None has been looked for.
    pub(super) fn new(kind: ShardKind, reach: Reach, objects: Option<Objects>) -> Self {
        Self { kind, read: HashMap::new(), reach, objects }
    }

    /// What was listed of objects.
    pub(super) fn into_listed(self) -> Option<Listed> {
        self.objects.map(|objects| objects.listed)
    }

    /// The dataset that a file is in: one that lists it, or any of a directory that is searched.
    pub(super) fn of(&mut self, file: &Path, base: &Path) -> Result<Option<Arc<Dataset>>> {
        for directory in file.ancestors().skip(1).take(MOST_ABOVE) {
            if self.objects.as_ref().is_some_and(|objects| !directory.starts_with(&objects.bucket)) {
                break;
            }
            let Some(dataset) = self.at(directory)? else { continue };
            if !directory.starts_with(base) && !dataset.shards.contains_key(file) {
                continue;
            }
            if dataset.format != self.kind.format {
                return plan_err!(
                    "'{}' holds shards of the format {}, which is not read as {}",
                    directory.display(),
                    dataset.format,
                    self.kind.format.to_uppercase()
                );
            }
            return Ok(Some(dataset));
        }
        Ok(None)
    }

    fn at(&mut self, directory: &Path) -> Result<Option<Arc<Dataset>>> {
        if let Some(known) = self.read.get(directory) {
            return Ok(known.clone());
        }
        let manifest = match &self.objects {
            Some(objects) => self.of_folder(objects, directory)?,
            None => self.of_directory(directory)?,
        };
        let dataset = manifest.map(|manifest| {
            let shards = manifest.shards.iter();
            let shards = shards.map(|shard| (directory.join(&shard.path), (shard.records, shard.bytes))).collect();
            let Manifest { format, features, classes, .. } = manifest;
            Arc::new(Dataset { format, shards, features, classes })
        });
        self.read.insert(directory.to_path_buf(), dataset.clone());
        Ok(dataset)
    }

    /// The manifest of a local directory.
    fn of_directory(&self, directory: &Path) -> Result<Option<Manifest>> {
        // Above the files that were asked for there may be directories that nobody may look into.
        let allow = &self.reach.allow;
        if allow.check_path(directory).is_err() {
            return Ok(None);
        }
        let place = directory.join(MANIFEST);
        allow.check_path(&place)?;
        let manifest = Manifest::read(directory)
            .map_err(|error| exec_datafusion_err!("cannot read '{}': {error}", place.display()))?;
        if manifest.is_none() && directory.join(UNFINISHED).exists() {
            tell_unfinished(directory);
        }
        Ok(manifest)
    }

    /// The manifest of a folder of objects. One that was listed is asked for, and one above what was listed.
    fn of_folder(&self, objects: &Objects, folder: &Path) -> Result<Option<Manifest>> {
        let place = folder.join(MANIFEST).to_string_lossy().into_owned();
        let has = |name: &str| objects.listed.has(&folder.join(name));
        if has(MANIFEST) == Some(false) {
            if has(UNFINISHED) == Some(true) {
                tell_unfinished(folder);
            }
            return Ok(None);
        }
        if self.reach.check(&place).is_err() {
            return Ok(None);
        }
        let text = match self.reach.read_small(&place, MOST_BYTES) {
            // Whoever may read a folder may not be allowed to look above it.
            Err(error) if has(MANIFEST).is_none() && is_refusal(&error) => None,
            text => text?,
        };
        let manifest = text.map(|text| Manifest::parse(&text)).transpose();
        manifest.map_err(|error| exec_datafusion_err!("cannot read '{place}': {error}"))
    }

    /// Refuses a dataset that lacks shards of its manifest, of which these were found.
    pub(super) fn check_whole(&mut self, directory: &Path, found: &[ShardPath]) -> Result<()> {
        let Some(dataset) = self.at(directory)? else {
            return Ok(());
        };
        let objects: Option<HashSet<&Path>> =
            self.objects.is_some().then(|| found.iter().map(|file| Path::new(&file.shown)).collect());
        let is_there = |path: &Path| match &objects {
            Some(objects) => objects.contains(path),
            // Whether something is there that nobody may reach is not told.
            None => self.reach.allow.check_path(path).is_ok() && path.exists(),
        };
        match dataset.shards.keys().filter(|path| !is_there(path)).min() {
            Some(first) => plan_err!(
                "'{}' is not whole: its manifest lists '{}', which isn't there; name the shards by a glob to read the others",
                directory.display(),
                first.display()
            ),
            None => Ok(()),
        }
    }
}

fn is_refusal(error: &DataFusionError) -> bool {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    matches!(error, DataFusionError::ObjectStore(error) if matches!(**error, PermissionDenied { .. } | Unauthenticated { .. }))
}

fn tell_unfinished(directory: &Path) {
    tracing::warn!("'{}' is not finished: the run that writes it goes on, or it failed", directory.display());
}
