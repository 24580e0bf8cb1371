//! The index beside a TFRecord file, compared with where its records are.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::places::Places;
use super::report::{FaultKind, FaultPlace};
use super::shard::ShardCheck;
use crate::format::tfrecord::index::paths_beside;
use crate::storage::Input;

/// Indexes whose lines are compared while the records are read. The first difference is told.
pub(super) struct IndexCheck(Vec<OneIndex>);

struct OneIndex {
    path: PathBuf,
    lines: BufReader<Input>,
    line: String,
    /// What is wrong, and with which record.
    fault: Option<(Option<FaultPlace>, String)>,
    /// Whether the records behind can't be read.
    is_stopped: bool,
}

/// A line of an index: two numbers of at most 20 digits.
const MOST_BYTES: u64 = 64;

impl IndexCheck {
    pub(super) fn beside(path: &Path, places: &Places) -> Self {
        // A directory is no index.
        let is_there = |path: &PathBuf| places.exists(path) && !path.is_dir();
        let mut paths: Vec<PathBuf> = paths_beside(path).into_iter().filter(is_there).collect();
        paths.dedup();
        let opened = paths.into_iter().filter_map(|path| {
            let lines = BufReader::new(places.open(&path).ok()?);
            Some(OneIndex { path, lines, line: String::new(), fault: None, is_stopped: false })
        });
        Self(opened.collect())
    }

    /// The next record is at `place` and takes so many bytes with its frame.
    pub(super) fn compare(&mut self, place: FaultPlace, size: u64) {
        for index in &mut self.0 {
            if index.fault.is_none() {
                index.compare(place, size);
            }
        }
    }

    /// The records behind can't be read: the lines behind can't be compared.
    pub(super) fn stop(&mut self) {
        self.0.iter_mut().for_each(|index| index.is_stopped = true);
    }

    pub(super) fn finish(self, shard: &mut ShardCheck<'_>) {
        for mut index in self.0 {
            if index.fault.is_none() && !index.is_stopped && index.next() {
                let message = format!("it goes on with '{}' behind the last record", index.line.trim_end());
                index.fault = Some((None, message));
            }
            if let Some((place, message)) = index.fault {
                let message = format!("the index '{}' isn't this file's: {message}", index.path.display());
                shard.fault(FaultKind::Index, place, message);
            }
        }
    }
}

impl OneIndex {
    fn compare(&mut self, place: FaultPlace, size: u64) {
        let offset = place.offset.unwrap_or_default();
        if !self.next() {
            self.fault = Some((Some(place), "it ends before this record".to_string()));
            return;
        }
        let text = self.line.trim_end();
        let numbers = text.split_once(' ').and_then(|(o, s)| Some((o.parse().ok()?, s.trim().parse().ok()?)));
        if numbers != Some((offset, size)) {
            let message = format!("line {} is '{text}', the record is '{offset} {size}'", place.record + 1);
            self.fault = Some((Some(place), message));
        }
    }

    /// Reads a line; whether there was one.
    fn next(&mut self) -> bool {
        let mut line = Vec::new();
        let read = std::io::Read::take(&mut self.lines, MOST_BYTES).read_until(b'\n', &mut line);
        self.line = String::from_utf8_lossy(&line).into_owned();
        read.is_ok_and(|read| read > 0)
    }
}
