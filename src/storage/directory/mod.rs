//! A directory that a dataset is written to: one of this machine, or what begins with a key in a bucket.

mod local;
mod objects;
mod upload;

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use datafusion::common::Result;
use datafusion::prelude::SessionConfig;
use serde::{Deserialize, Serialize, Serializer};

use super::objects::Stores;
use super::{AllowList, is_object_url, local_path};
use objects::ObjectDirectory;
use upload::Upload;

/// Where the files of a dataset are.
///
/// Its methods wait for the disk or the store: they are for threads that may. Names are relative, with `/` between their parts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) enum Directory {
    Local(PathBuf),
    /// Behind a message it has to be opened first.
    Objects(ObjectDirectory),
}

/// By what a file is known to be the same as before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    bytes: u64,
    seconds: u64,
    nanoseconds: u32,
    /// A store's name for what an object holds.
    tag: Option<String>,
}

impl Stamp {
    /// That of a local file; `None` where there is none, or none can be had.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        local::stamp(path).ok().flatten()
    }
}

/// A file that gets its name when it is whole.
#[derive(Debug)]
pub(crate) enum NewFile {
    Local(std::fs::File),
    Object(Upload),
}

impl Directory {
    /// The directory of a path or a URL.
    pub(crate) fn at(location: &str) -> Option<Self> {
        match local_path(location) {
            Some(path) => Some(Self::Local(path.into_owned())),
            None => is_object_url(location).then(|| Self::Objects(ObjectDirectory::at(location))),
        }
    }

    /// The directory with what a process reaches it by.
    ///
    /// # Errors
    /// A URL that is none, or whose store can't be opened.
    pub(crate) fn opened(&self, config: &SessionConfig) -> Result<Self> {
        match self {
            Self::Local(_) => Ok(self.clone()),
            Self::Objects(directory) => Ok(Self::Objects(directory.opened(Stores::of(config))?)),
        }
    }

    /// Checks that it, and a file of it, may be reached.
    ///
    /// # Errors
    /// It is not on the list.
    pub(crate) fn check(&self, name: &str, allow: &AllowList) -> Result<()> {
        match self {
            Self::Local(path) => allow.check_path(&path.join(name)),
            Self::Objects(directory) => allow.check(&directory.url(name)),
        }
    }

    /// The path, of a directory of this machine.
    pub(crate) fn local(&self) -> Option<&Path> {
        match self {
            Self::Local(path) => Some(path),
            Self::Objects(_) => None,
        }
    }

    /// Makes it where it isn't there; `below` is a directory in it.
    pub(crate) fn make(&self, below: &str) -> io::Result<()> {
        match self {
            Self::Local(path) => local::make(path, below),
            // Keys need no directories.
            Self::Objects(_) => Ok(()),
        }
    }

    /// The bytes of a small file; `None` where there is none.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Local(path) => local::read(&path.join(name)),
            Self::Objects(directory) => directory.read(name),
        }
    }

    /// Some bytes of a file that is there.
    pub(crate) fn read_range(&self, name: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
        match self {
            Self::Local(path) => local::read_range(&path.join(name), range),
            Self::Objects(directory) => directory.read_range(name, range),
        }
    }

    /// As [`Self::write_synced`], of a file that memory has no room for. `write` gives all of it, and may be asked again.
    pub(crate) fn write_large(&self, name: &str, write: &dyn Fn(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::Local(path) => super::write_large_synced(&path.join(name), write),
            Self::Objects(directory) => {
                let mut file = NewFile::Object(directory.upload(name, &Arc::default())?);
                write(&mut file)?;
                self.finish(file, name, name)
            }
        }
    }

    /// Writes a small file so that it is there whole or not at all.
    pub(crate) fn write(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Local(path) => super::write_whole(&path.join(name), &bytes),
            Self::Objects(directory) => directory.write(name, bytes),
        }
    }

    /// As [`Self::write`]; also when the power fails behind it. Its name is for the caller to make sure of.
    pub(crate) fn write_synced(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Local(path) => super::write_whole_synced(&path.join(name), &bytes),
            Self::Objects(directory) => directory.write(name, bytes),
        }
    }

    /// As [`Self::write_synced`], where no other process may have written it meanwhile, as far as that can be known.
    ///
    /// # Errors
    /// `AlreadyExists`, where a store has something else there.
    pub(crate) fn write_new(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Local(path) => super::write_whole_synced(&path.join(name), &bytes),
            Self::Objects(directory) => directory.write_new(name, bytes),
        }
    }

    /// Writes a small file under a name that is nobody else's.
    pub(crate) fn write_hidden(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Local(path) => super::write_synced(&path.join(name), &bytes),
            Self::Objects(directory) => directory.write(name, bytes),
        }
    }

    /// Gives a small file another name.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        match self {
            Self::Local(path) => std::fs::rename(path.join(from), path.join(to)),
            Self::Objects(directory) => directory.rename(from, to),
        }
    }

    /// Renames a file that is known by its stamp, and says whether it was that.
    pub(crate) fn rename_known(&self, from: &str, to: &str, stamp: &Stamp) -> io::Result<bool> {
        match self {
            Self::Local(_) => {
                self.rename(from, to)?;
                Ok(self.stamp(to)?.as_ref() == Some(stamp))
            }
            // A copy has a stamp of its own.
            Self::Objects(_) if self.stamp(from)?.as_ref() == Some(stamp) => self.rename(from, to).map(|()| true),
            Self::Objects(_) => Ok(false),
        }
    }

    /// Removes files, as far as they are there.
    pub(crate) fn remove(&self, names: &[String]) -> io::Result<()> {
        match self {
            Self::Local(path) => names.iter().try_for_each(|name| local::remove(&path.join(name))),
            Self::Objects(directory) => directory.remove(names),
        }
    }

    /// Removes the directory itself, if nothing is in it.
    pub(crate) fn remove_empty(&self) {
        if let Self::Local(path) = self {
            // It stays where anything is in it.
            let _ = std::fs::remove_dir(path);
        }
    }

    /// The length of a file; `None` where there is none.
    pub(crate) fn length(&self, name: &str) -> io::Result<Option<u64>> {
        match self {
            Self::Local(path) => local::length(&path.join(name)),
            Self::Objects(directory) => Ok(directory.head(name)?.map(|meta| meta.size)),
        }
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, name: &str) -> io::Result<bool> {
        Ok(self.length(name)?.is_some())
    }

    /// By what a file is known to be the same as before; `None` where there is none.
    ///
    /// # Errors
    /// Nobody can tell: whoever goes on would write over what is there.
    pub(crate) fn stamp(&self, name: &str) -> io::Result<Option<Stamp>> {
        match self {
            Self::Local(path) => local::stamp(&path.join(name)),
            Self::Objects(directory) => Ok(directory.head(name)?.map(|meta| {
                let seconds = u64::try_from(meta.last_modified.timestamp()).unwrap_or_default();
                Stamp { bytes: meta.size, seconds, nanoseconds: 0, tag: meta.e_tag }
            })),
        }
    }

    /// How many files are placed or removed between two looks whether that is still wanted: a look at a store takes as long as the work.
    pub(crate) fn at_once(&self) -> usize {
        match self {
            Self::Local(_) => 1,
            Self::Objects(_) => objects::AT_ONCE,
        }
    }

    /// The names of the files in it, those of directories below left out; none where there is no directory.
    pub(crate) fn names(&self, is_it: &dyn Fn(&str) -> bool) -> io::Result<Vec<String>> {
        match self {
            Self::Local(path) => local::names(path, is_it),
            Self::Objects(directory) => directory.names(is_it),
        }
    }

    /// The files that are so many names below it at most, in those directories that are entered: `enters` is asked with a
    /// directory's name and how many names it stands below.
    pub(crate) fn walk(&self, depth: usize, enters: &dyn Fn(usize, &str) -> bool) -> io::Result<Vec<String>> {
        match self {
            Self::Local(path) => Ok(local::walk(path, depth, enters)),
            Self::Objects(directory) => directory.walk(depth, enters),
        }
    }

    /// Whether there is nothing in it, however deep.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        match self {
            Self::Local(path) => match std::fs::read_dir(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
                entries => Ok(entries?.next().is_none()),
            },
            Self::Objects(directory) => directory.is_empty(),
        }
    }

    /// Whether what a name leads to is in the directory, links followed, and a file.
    pub(crate) fn holds(&self, name: &str) -> io::Result<bool> {
        match self {
            Self::Local(path) => local::holds(path, name),
            Self::Objects(_) => Ok(true),
        }
    }

    /// Makes sure of the names in a directory below.
    pub(crate) fn sync(&self, below: &str) -> io::Result<()> {
        match self {
            Self::Local(path) => super::sync_directory(&path.join(below)),
            // Stores make sure of all that they have confirmed.
            Self::Objects(_) => Ok(()),
        }
    }

    /// Begins a file that will be `finished`; until then one of this machine is `unfinished`. What waits in memory is added to `held`.
    pub(crate) fn begin(&self, unfinished: &str, finished: &str, held: &Arc<AtomicUsize>) -> io::Result<NewFile> {
        match self {
            Self::Local(path) => Ok(NewFile::Local(std::fs::File::create_new(path.join(unfinished))?)),
            Self::Objects(directory) => Ok(NewFile::Object(directory.upload(finished, held)?)),
        }
    }

    /// Gives a whole file its name.
    pub(crate) fn finish(&self, file: NewFile, unfinished: &str, finished: &str) -> io::Result<()> {
        match (self, file) {
            (Self::Local(path), _) => std::fs::rename(path.join(unfinished), path.join(finished)),
            (Self::Objects(_), NewFile::Object(upload)) => upload.finish(),
            (Self::Objects(_), NewFile::Local(_)) => Err(io::Error::other("a local file is no object")),
        }
    }

    /// Has a store forget what it was sent of files that nobody finishes.
    pub(crate) fn abort_uploads(&self, is_it: &dyn Fn(&str) -> bool) -> io::Result<()> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Objects(directory) => directory.abort_uploads(is_it),
        }
    }

    /// Gives files second names, where others may stand already, and tells of each what is there now.
    ///
    /// # Errors
    /// That of a file which isn't there any more is `NotFound`.
    pub(crate) fn place(&self, files: &[(&str, &str)]) -> Vec<io::Result<Placed>> {
        match self {
            Self::Local(path) => files.iter().map(|(file, place)| local::place(path, file, place)).collect(),
            Self::Objects(directory) => directory.place(files),
        }
    }

    /// Of files that have got second names, whether what stands there is what was given; where that can't be told, by the length.
    pub(crate) fn are_placed(&self, files: &[(&str, &str, u64, &Placed)]) -> io::Result<Vec<bool>> {
        match self {
            Self::Local(path) => {
                Ok(files.iter().map(|(file, place, bytes, _)| local::is_placed(path, file, place, *bytes)).collect())
            }
            Self::Objects(directory) => directory.are_placed(files),
        }
    }
}

/// What stands under a name that a file was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Placed {
    /// A store's name for what the object holds.
    tag: Option<String>,
}

impl NewFile {
    /// Makes sure of what was written.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self {
            // A full or failing disk is often told only now.
            Self::Local(file) => file.sync_data(),
            Self::Object(_) => Ok(()),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Local(file) => file.write(bytes),
            Self::Object(upload) => upload.write(bytes).map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Objects(directory) => f.write_str(directory.url("").trim_end_matches('/')),
        }
    }
}

impl From<String> for Directory {
    fn from(location: String) -> Self {
        match is_object_url(&location) {
            true => Self::Objects(ObjectDirectory::at(&location)),
            false => Self::Local(location.into()),
        }
    }
}

impl Serialize for Directory {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            // Of a path that isn't UTF-8 it is an error.
            Self::Local(path) => path.serialize(serializer),
            Self::Objects(directory) => directory.url("").serialize(serializer),
        }
    }
}
