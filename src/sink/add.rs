//! Shards that come to those of a finished dataset: its manifest is replaced in one step, so that it is whole at any moment.

use std::io;

use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::error::DataFusionError;

use super::Target;
use super::commit::{another_was_first, cannot_finish};
use super::failure::io_failure;
use super::rejects::{count_listed, open_list};
use crate::format::manifest::{MANIFEST, Manifest, NEXT_REJECTS, REJECTS, Reject, rejects};
use crate::storage::Directory;

impl Target {
    /// The dataset as it is before something is added, also where another commit of the same run has done it.
    pub(super) fn dataset_that_is_there(&self) -> Result<Manifest> {
        let directory = &self.directory;
        let there = || -> io::Result<_> {
            let stamp = directory.stamp(MANIFEST)?;
            let manifest = directory.read(MANIFEST)?.map(|text| Manifest::parse(&text)).transpose()?;
            Ok(stamp.zip(manifest))
        };
        let dataset = match there().map_err(|error| io_failure(cannot_finish(self), &error))? {
            Some((stamp, manifest)) if self.replaces.as_ref() == Some(&stamp) => Some(manifest),
            Some((_, manifest)) => manifest.before_last_retry(),
            None => None,
        };
        dataset.map_or_else(|| another_was_first(self), Ok)
    }

    /// Whether a manifest stands in its place.
    pub(super) fn has_manifest(&self, manifest: &Manifest) -> bool {
        let there = self.directory.read(MANIFEST).ok().flatten();
        there.and_then(|text| Manifest::parse(&text).ok()).as_ref() == Some(manifest)
    }

    /// Checks that the dataset is the one that was found, or has become the new one already.
    pub(super) fn check_dataset(&self, new: &Manifest) -> Result<()> {
        let stamp = self.directory.stamp(MANIFEST).map_err(|error| io_failure(cannot_finish(self), &error))?;
        match (stamp.is_some() && stamp == self.replaces) || self.has_manifest(new) {
            true => Ok(()),
            false => another_was_first(self),
        }
    }

    /// Puts a manifest in the place of the one that was found.
    ///
    /// # Errors
    /// `AlreadyExists`, where another one stands there.
    pub(super) fn replace_manifest(&self, text: Vec<u8>) -> io::Result<()> {
        match self.directory.stamp(MANIFEST)? == self.replaces {
            true => self.directory.write_synced(MANIFEST, text),
            false => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    /// Gives the new list of rejected rows the name of the old one, behind the manifest that counts them.
    pub(super) fn replace_rejects(&self, count: u64) -> io::Result<()> {
        if count == 0 {
            return self.directory.remove(&[REJECTS.to_string(), NEXT_REJECTS.to_string()]);
        }
        match self.directory.rename(NEXT_REJECTS, REJECTS) {
            // Another commit of the same run has done it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            renamed => renamed.and_then(|()| self.directory.sync("")),
        }
    }
}

/// The list of the rows that a dataset counts as rejected.
pub(crate) struct RejectsOf<'a> {
    directory: &'a Directory,
    name: &'static str,
}

impl<'a> RejectsOf<'a> {
    /// Finds the list of so many rows.
    ///
    /// # Errors
    /// There is none, or it can't be read.
    pub(crate) fn find(directory: &'a Directory, count: u64) -> Result<Self> {
        // A run that was interrupted behind its manifest has left the list beside its place.
        for name in [REJECTS, NEXT_REJECTS] {
            let list = Self { directory, name };
            if count_listed(directory, name).map_err(|error| list.unreadable(&error))? == Some(count) {
                return Ok(list);
            }
        }
        exec_err!(
            "'{directory}' has {count} rejected rows, and '{REJECTS}' doesn't list as many; write the dataset anew, with OPTIONS \
             (overwrite true)"
        )
    }

    /// Goes through its rows, in their order.
    ///
    /// # Errors
    /// A list that can't be read, or was written by a version that told no classes, and what `each` says.
    pub(crate) fn each(&self, each: &mut dyn FnMut(Reject) -> Result<()>) -> Result<()> {
        let unreadable = |error| self.unreadable(&error);
        let list = open_list(self.directory, self.name).map_err(unreadable)?;
        let rows = list.into_iter().flat_map(rejects);
        rows.map(|reject| reject.map_err(unreadable)).try_for_each(|reject| each(reject?))
    }

    fn unreadable(&self, error: &io::Error) -> DataFusionError {
        exec_datafusion_err!("cannot read '{}/{}': {error}", self.directory, self.name)
    }
}
