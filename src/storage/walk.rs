//! Walking over folders: only those that can hold what is looked for, each once on its way down, and on past what can't be read.

use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::vec;

use datafusion::common::{Result, exec_datafusion_err};

use super::AllowList;
use super::glob::{Glob, Wanted};
use crate::words::printable;

/// What is looked for.
pub(super) struct Search<'a> {
    /// Where it starts, and what an error names it by.
    pub(super) base: &'a Path,
    pub(super) text: &'a str,
    /// What paths below the base must match; all where there is none.
    pub(super) glob: Option<&'a Glob>,
    /// How far down folders are looked into.
    pub(super) most_depth: usize,
    /// Where links may lead.
    pub(super) allow: &'a AllowList,
}

/// Files, sorted by their whole paths. Links are followed, but not in a circle.
pub(super) struct Walk<'a> {
    search: Search<'a>,
    is_begun: bool,
    /// The folders from the base down to where it is.
    folders: Vec<Folder>,
    left_out: LeftOut,
    /// How many folders were listed.
    #[cfg(test)]
    pub(super) listed: usize,
}

/// A file that was found.
pub(super) struct Walked {
    pub(super) path: PathBuf,
    /// `None` for a link that leads nowhere.
    pub(super) metadata: Option<Metadata>,
}

/// A folder that is being walked over.
struct Folder {
    path: PathBuf,
    /// Where it is, links followed.
    real: Option<PathBuf>,
    entries: vec::IntoIter<Entry>,
}

/// What is in a folder.
struct Entry {
    name: OsString,
    is_folder: bool,
    is_link: bool,
}

/// What can't be read and wasn't asked for by its name.
#[derive(Default)]
struct LeftOut {
    count: usize,
    first: Option<(PathBuf, String)>,
}

impl LeftOut {
    fn add(&mut self, path: &Path, reason: impl ToString) {
        self.count += 1;
        self.first.get_or_insert_with(|| (path.to_path_buf(), reason.to_string()));
    }

    fn tell(&mut self, text: &str) {
        match (self.first.take(), self.count) {
            (Some((path, reason)), 1) => {
                tracing::warn!("'{text}': left out '{}', which can't be read: {reason}", shown(&path));
            }
            (Some((path, reason)), count) => tracing::warn!(
                "'{text}': left out {count} folders and files that can't be read, the first '{}': {reason}",
                shown(&path)
            ),
            (None, _) => {}
        }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(search: Search<'a>) -> Self {
        Self {
            search,
            is_begun: false,
            folders: Vec::new(),
            left_out: LeftOut::default(),
            #[cfg(test)]
            listed: 0,
        }
    }

    /// Looks at the base, which is a folder or the file itself.
    fn begin(&mut self) -> Result<Option<Walked>> {
        let base = self.search.base;
        match fs::metadata(base) {
            Ok(metadata) if metadata.is_dir() => {
                let real = base.canonicalize().ok();
                self.open(base.to_path_buf(), real, true)?;
                Ok(None)
            }
            Ok(metadata) if metadata.is_file() => {
                Ok(Some(Walked { path: base.to_path_buf(), metadata: Some(metadata) }))
            }
            Ok(_) => {
                Err(exec_datafusion_err!("cannot read '{}': it is neither a file nor a directory", self.search.text))
            }
            // A link that leads nowhere is a file that can't be read, which is told with its row.
            Err(_) if base.is_symlink() => Ok(Some(Walked { path: base.to_path_buf(), metadata: None })),
            Err(error) => Err(exec_datafusion_err!("cannot list '{}': {error}", self.search.text)),
        }
    }

    /// Lists a folder, of which the names are looked at next.
    fn open(&mut self, path: PathBuf, real: Option<PathBuf>, is_named: bool) -> Result<()> {
        #[cfg(test)]
        {
            self.listed += 1;
        }
        match self.entries(&path) {
            Ok(mut entries) => {
                entries.sort_by(|left, right| left.sort_key().cmp(right.sort_key()));
                self.folders.push(Folder { path, real, entries: entries.into_iter() });
                Ok(())
            }
            // What this process may not see is left out; what it can't see just now would be missing without a word.
            Err(error) if !is_named && (error.kind() == ErrorKind::PermissionDenied || is_absence(&error)) => {
                self.left_out.add(&path, error);
                Ok(())
            }
            Err(error) => {
                Err(exec_datafusion_err!("cannot list '{}': '{}': {error}", self.search.text, path.display()))
            }
        }
    }

    /// What of a folder may be wanted.
    fn entries(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let wanted = self.search.glob.map_or(Wanted::All, |glob| glob.wanted(self.folders.len()));
        if let Wanted::Literal(name) = wanted {
            // One name needs no listing.
            let found = match path.join(name).symlink_metadata() {
                Ok(metadata) => Some(entry(path, name.into(), metadata.file_type())),
                Err(error) if is_absence(&error) => None,
                Err(error) => return Err(error),
            };
            return Ok(found.into_iter().collect());
        }
        let mut entries = Vec::new();
        for found in fs::read_dir(path)? {
            let found = found?;
            let name = found.file_name();
            if wanted.holds(&name) {
                entries.push(entry(path, name, found.file_type()?));
            }
        }
        Ok(entries)
    }

    /// Goes into a folder, unless that leads round in a circle.
    fn enter(&mut self, path: PathBuf, is_link: bool) -> Result<()> {
        let depth = self.folders.len();
        let is_below = self.search.glob.is_none_or(|glob| glob.goes_below(depth - 1));
        if depth >= self.search.most_depth || !is_below {
            return Ok(());
        }
        let real = match is_link {
            true => {
                self.search.allow.check_path(&path)?;
                path.canonicalize().ok()
            }
            false => self.folders.last().and_then(|parent| Some(parent.real.as_ref()?.join(path.file_name()?))),
        };
        if real.is_some() && self.folders.iter().any(|above| above.real == real) {
            return Ok(());
        }
        let wanted = self.search.glob.map(|glob| glob.wanted(depth - 1));
        let is_named = matches!(wanted, Some(Wanted::Literal(_)));
        self.open(path, real, is_named)
    }

    /// A file, if it is one that is wanted and can be read.
    fn file(&mut self, path: PathBuf, is_link: bool) -> Result<Option<Walked>> {
        let below = path.strip_prefix(self.search.base).unwrap_or(&path);
        if self.search.glob.is_some_and(|glob| !glob.is_match(below)) {
            return Ok(None);
        }
        if is_link {
            self.search.allow.check_path(&path)?;
        }
        match fs::metadata(&path) {
            Ok(metadata) if !metadata.is_file() => {
                self.left_out.add(&path, "neither a file nor a directory");
                Ok(None)
            }
            metadata => Ok(Some(Walked { path, metadata: metadata.ok() })),
        }
    }

    fn step(&mut self) -> Result<Option<Walked>> {
        let Some(folder) = self.folders.last_mut() else { return Ok(None) };
        let Some(entry) = folder.entries.next() else {
            self.folders.pop();
            return Ok(None);
        };
        let path = folder.path.join(&entry.name);
        match entry.is_folder {
            true => self.enter(path, entry.is_link).map(|()| None),
            false => self.file(path, entry.is_link),
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Walked>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.is_begun {
            self.is_begun = true;
            if let Some(found) = self.begin().transpose() {
                return Some(found);
            }
        }
        while !self.folders.is_empty() {
            if let Some(found) = self.step().transpose() {
                return Some(found);
            }
        }
        self.left_out.tell(self.search.text);
        None
    }
}

impl Entry {
    /// A folder sorts as if its name ended in a slash, which gives the order of whole paths.
    fn sort_key(&self) -> impl Iterator<Item = &u8> {
        let end: &[u8] = if self.is_folder { b"/" } else { b"" };
        self.name.as_encoded_bytes().iter().chain(end)
    }
}

fn entry(folder: &Path, name: OsString, file_type: FileType) -> Entry {
    let is_link = file_type.is_symlink();
    let is_folder = file_type.is_dir() || (is_link && folder.join(&name).is_dir());
    Entry { name, is_folder, is_link }
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Whether nothing of that name can be there.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename)
}
