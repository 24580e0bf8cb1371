//! Local files and objects of stores, as the checks look at them.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::format::manifest::{MANIFEST, Manifest};
use crate::storage::{FoundFile, Input, ObjectParts, Ranges, Reach, Version, is_object_url};

/// More than the manifest of a million shards has.
const MOST_MANIFEST_BYTES: usize = 1 << 30;

/// What can be reached, and what was listed of it. Objects are named by their URLs, which have the parents and the names of paths.
#[derive(Default)]
pub(super) struct Places {
    reach: Reach,
    /// Objects that were listed.
    objects: HashMap<PathBuf, Version>,
    /// Folders of objects that were listed whole.
    folders: Vec<PathBuf>,
    /// The directories with a manifest above files, by the directories that those are in.
    above: Mutex<HashMap<PathBuf, Option<PathBuf>>>,
}

impl Places {
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach, ..Self::default() }
    }

    /// What can be reached.
    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Remembers objects that were listed, and the folder that they are all of.
    pub(super) fn add(&mut self, found: &[FoundFile], folder: Option<PathBuf>) {
        let objects = found.iter().filter(|found| is_object(&found.path));
        self.objects.extend(objects.map(|found| (found.path.clone(), found.version.clone())));
        self.folders.extend(folder);
    }

    /// Whether a file or an object is there.
    pub(super) fn exists(&self, path: &Path) -> bool {
        if !is_object(path) {
            return path.exists();
        }
        if self.objects.contains_key(path) || self.folders.iter().any(|folder| path.starts_with(folder)) {
            return self.objects.contains_key(path);
        }
        self.version(path).is_ok()
    }

    /// How many bytes a file has.
    pub(super) fn bytes(&self, path: &Path) -> io::Result<u64> {
        if is_object(path) { Ok(self.version(path)?.bytes) } else { Ok(std::fs::metadata(path)?.len()) }
    }

    /// Opens a file at its start.
    pub(super) fn open(&self, path: &Path) -> io::Result<Input> {
        self.open_as(path, Ranges::WHOLE)
    }

    /// The first bytes of a file, at most so many.
    pub(super) fn beginning(&self, path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
        let mut beginning = Vec::new();
        self.open_as(path, Ranges::PLACES)?.take(bytes).read_to_end(&mut beginning)?;
        Ok(beginning)
    }

    /// An object whose parts are read; `None` of a local file.
    pub(super) fn parts(&self, path: &Path) -> io::Result<Option<ObjectParts>> {
        match is_object(path) {
            true => Ok(Some(ObjectParts::new(&self.reach, &path.to_string_lossy(), self.version(path)?))),
            false => Ok(None),
        }
    }

    /// The directory with a manifest that is the nearest above a file.
    pub(super) fn manifest_above(&self, path: &Path) -> Option<PathBuf> {
        let directory = path.parent()?.to_path_buf();
        let mut above = self.above.lock().unwrap_or_else(PoisonError::into_inner);
        let find = || Manifest::directories_above(path).find(|above| self.exists(&above.join(MANIFEST)));
        above.entry(directory).or_insert_with(|| find().map(Path::to_path_buf)).clone()
    }

    /// The manifest of a directory; `None` where there is none.
    pub(super) fn manifest(&self, directory: &Path) -> io::Result<Option<Manifest>> {
        if !is_object(directory) {
            return Manifest::read(directory);
        }
        let place = directory.join(MANIFEST).to_string_lossy().into_owned();
        let text = self.reach.read_small(&place, MOST_MANIFEST_BYTES);
        let text = text.map_err(|error| io::Error::other(error.strip_backtrace()))?;
        text.map(|text| Manifest::parse(&text)).transpose()
    }

    fn open_as(&self, path: &Path, ranges: Ranges) -> io::Result<Input> {
        match is_object(path) {
            true => self.reach.open(&path.to_string_lossy(), &self.version(path)?, ranges),
            false => std::fs::File::open(path).map(Input::File),
        }
    }

    /// An object as it was listed, or as it is where it wasn't.
    fn version(&self, path: &Path) -> io::Result<Version> {
        if let Some(version) = self.objects.get(path) {
            return Ok(version.clone());
        }
        let found = self.reach.look_at(&path.to_string_lossy());
        let found = found.map_err(|error| io::Error::other(error.strip_backtrace()))?;
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such object"))
    }
}

fn is_object(path: &Path) -> bool {
    path.to_str().is_some_and(is_object_url)
}
