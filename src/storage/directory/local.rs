//! A directory of this machine.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::time::UNIX_EPOCH;

use walkdir::WalkDir;

use super::{Placed, Stamp};
use crate::storage::create_directories;

pub(super) fn make(directory: &Path, below: &str) -> io::Result<()> {
    match below {
        "" => create_directories(directory),
        below => fs::create_dir_all(directory.join(below)),
    }
}

pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    if_there(fs::read(path))
}

pub(super) fn read_range(path: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = Vec::new();
    file.take(range.end - range.start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn length(path: &Path) -> io::Result<Option<u64>> {
    Ok(if_there(fs::metadata(path))?.map(|metadata| metadata.len()))
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    if_there(fs::remove_file(path)).map(|_| ())
}

fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        // Below a file there is nothing.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        result => result.map(Some),
    }
}

pub(super) fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    let Some(metadata) = if_there(fs::metadata(path))? else { return Ok(None) };
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, nanoseconds) = (since.as_secs(), since.subsec_nanos());
    Ok(Some(Stamp { bytes: metadata.len(), seconds, nanoseconds, tag: None }))
}

pub(super) fn names(directory: &Path, is_it: &dyn Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let Some(entries) = if_there(fs::read_dir(directory))? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().to_str().filter(|name| is_it(name)).map(str::to_string));
    }
    Ok(names)
}

pub(super) fn walk(root: &Path, depth: usize, enters: &dyn Fn(usize, &str) -> bool) -> Vec<String> {
    let entries = WalkDir::new(root).min_depth(1).max_depth(depth).into_iter().filter_entry(|entry| {
        let is_entered = |name| enters(entry.depth() - 1, name);
        entry.depth() == 0 || !entry.file_type().is_dir() || entry.file_name().to_str().is_some_and(is_entered)
    });
    let files = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    files.filter_map(|entry| Some(entry.path().strip_prefix(root).ok()?.to_str()?.to_string())).collect()
}

pub(super) fn holds(directory: &Path, name: &str) -> io::Result<bool> {
    let path = directory.join(name);
    let root = directory.canonicalize()?;
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    Ok(path.is_file() && parent.is_some_and(|parent| parent.starts_with(&root)))
}

/// Gives a file a second name, where one may stand already: the first stays until the dataset is finished, so that a commit
/// that dies leaves what another run needs.
pub(super) fn place(directory: &Path, file: &str, place: &str) -> io::Result<Placed> {
    let (path, place) = (directory.join(file), directory.join(place));
    // A name that a commit sweeps, and nobody else's.
    let token = getrandom::u64().map_err(io::Error::other)?;
    let between = directory.join(format!(".unfinished-link-{token:016x}.tmp"));
    let placed = match fs::hard_link(&path, &between) {
        Ok(()) => {
            let placed = fs::rename(&between, place);
            // It is left where both names are of one file already.
            let _ = fs::remove_file(&between);
            placed
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        // A file system without second names.
        Err(_) => fs::rename(path, place),
    };
    placed.map(|()| Placed::default())
}

pub(super) fn is_placed(directory: &Path, file: &str, place: &str, bytes: u64) -> bool {
    match (fs::metadata(directory.join(file)), fs::metadata(directory.join(place))) {
        (Ok(file), Ok(place)) => is_same(&file, &place),
        (_, place) => place.is_ok_and(|place| place.is_file() && place.len() == bytes),
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
