//! Where the records of a file are: told by an index beside it, or by walking over the file.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use datafusion::common::{Result, exec_err, internal_datafusion_err};

use super::options::{OnCorrupt, SKIP_ADVICE};
use super::read::Unread;
use crate::format::tfrecord::index::paths_beside;
use crate::format::tfrecord::{FramingError, Index, RecordFile};
use crate::source::manifests::Listed;
use crate::source::shards::{ShardPath, Shards};
use crate::storage::{Ranges, Reach, is_object_url, local_path};

/// Places of an index that are looked at before it is believed.
const MOST_CHECKED: usize = 1024;
/// As many of one in a store, where each is a request.
const MOST_CHECKED_OBJECTS: usize = 16;
/// Objects that are looked at at the same time.
const AT_ONCE: usize = 8;
/// How objects are walked over, several at the same time.
const WALKED: Ranges = Ranges { ahead: 1, ..Ranges::WHOLE };
/// An index has no more bytes.
const MOST_INDEX_BYTES: usize = i32::MAX as usize;

/// The indexes of all files, in their order: those beside them, or what walking over them shows if `walks`.
pub(super) fn indexes(files: &Shards, walks: bool, on_corrupt: OnCorrupt) -> Result<Vec<Option<Index>>> {
    let all = |part: &[ShardPath]| -> Result<Vec<_>> {
        part.iter().map(|file| index(file, files, walks, on_corrupt)).collect()
    };
    if files.files.iter().all(|file| !is_object_url(&file.shown)) {
        return all(&files.files);
    }
    // Of a store, answers are waited for most of the time.
    std::thread::scope(|scope| {
        let parts = files.files.chunks(files.files.len().div_ceil(AT_ONCE).max(1));
        let threads: Vec<_> = parts.map(|part| scope.spawn(|| all(part))).collect();
        let mut indexes = Vec::with_capacity(files.files.len());
        for thread in threads {
            let part = thread.join().map_err(|_| internal_datafusion_err!("looking for indexes panicked"))?;
            indexes.extend(part?);
        }
        Ok(indexes)
    })
}

/// The index beside a file, or what walking over it shows if `walks`.
fn index(file: &ShardPath, files: &Shards, walks: bool, on_corrupt: OnCorrupt) -> Result<Option<Index>> {
    let read = match is_object_url(&file.shown) {
        true => beside_object(file, files.listed.as_ref(), &files.reach)?,
        false => beside_file(file, &files.reach)?,
    };
    match read {
        Ok(Some(index)) => return Ok(Some(index)),
        Ok(None) => {}
        Err(reason) => tracing::warn!("{reason}; it is not used"),
    }
    if !walks {
        return Ok(None);
    }
    let opened = files.reach.open(&file.shown, &file.version, WALKED).and_then(RecordFile::new);
    let unopened = |source| (Index::default(), FramingError::Unreadable { offset: 0, source });
    match (opened.map_err(unopened).and_then(Index::walk), on_corrupt) {
        (Ok(index), _) => Ok(Some(index)),
        (Err((index, error)), on_corrupt) => match (Unread::of_record(index.records(), &error), on_corrupt) {
            (Unread::Unreachable(reason), _) => exec_err!("{}: {reason}", file.shown),
            // What comes before the fault is read, and reading meets the fault again and reports it.
            (_, OnCorrupt::SkipRecord | OnCorrupt::SkipFile) => Ok(Some(index)),
            (Unread::Fault(fault), OnCorrupt::Error) => exec_err!("{}: {fault}; {SKIP_ADVICE}", file.shown),
        },
    }
}

/// What an index holds, where there is one, or why it is none of this file's.
type Beside = Result<std::result::Result<Option<Index>, String>>;

fn beside_file(file: &ShardPath, reach: &Reach) -> Beside {
    let Some(path) = local_path(&file.shown) else { return Ok(Ok(None)) };
    let places = paths_beside(&path);
    places.iter().try_for_each(|place| reach.allow.check_path(place))?;
    let Some(place) = places.into_iter().find(|place| place.is_file()) else { return Ok(Ok(None)) };
    let open = |path: &Path| File::open(path).map_err(|error| error.to_string());
    let read =
        open(&place).and_then(|text| Index::read(BufReader::new(text), open(&path)?, file.version.bytes, MOST_CHECKED));
    Ok(read.map(Some).map_err(|reason| is_none(&place, &path, &reason)))
}

/// Of an object; an index that was not listed is asked for.
fn beside_object(file: &ShardPath, listed: Option<&Listed>, reach: &Reach) -> Beside {
    let path = Path::new(&file.shown);
    let may_be_there = |place: &&std::path::PathBuf| listed.and_then(|listed| listed.has(place)) != Some(false);
    for place in paths_beside(path).iter().filter(may_be_there) {
        let Some(text) = reach.read_small(&place.to_string_lossy(), MOST_INDEX_BYTES)? else { continue };
        let opened =
            reach.open(&file.shown, &file.version, Ranges::PLACES).map_err(|error: io::Error| error.to_string());
        let read = opened.and_then(|records| Index::read(&text[..], records, file.version.bytes, MOST_CHECKED_OBJECTS));
        return Ok(read.map(Some).map_err(|reason| is_none(place, path, &reason)));
    }
    Ok(Ok(None))
}

fn is_none(place: &Path, path: &Path, reason: &str) -> String {
    format!("'{}' is not the index of '{}': {reason}", place.display(), path.display())
}
