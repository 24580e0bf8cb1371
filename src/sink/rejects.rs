//! Rows that no shard has taken: each partition lists its own in hidden files, in order, and the commit merges these into one list.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{self, BufRead, BufReader, Lines, Read};

use datafusion::execution::memory_pool::MemoryReservation;

use super::report::{HiddenFile, Report};
use super::{Target, hidden};
use crate::format::manifest::{NEXT_REJECTS, REJECTS, Reject, count_rejects};
use crate::storage::{Directory, token};

/// Bytes of rejected rows that a partition holds before it lists them in a file.
const LIST_BYTES: usize = 8 << 20;
/// Bytes below which they stay, however little memory there is: no file is made for a few rows.
pub(super) const LEAST_LIST_BYTES: usize = 256 << 10;
/// Bytes that all lists together are read ahead while they are merged, as far as each has its piece.
const MERGE_BYTES: usize = 8 << 20;
/// Bytes that are read at a time, at least and at most.
const LEAST_PIECE: usize = 4 << 10;
const MOST_PIECE: usize = 256 << 10;

/// Rejected rows of a partition that no file lists yet.
#[derive(Default)]
pub(super) struct RejectList {
    rejects: Vec<Reject>,
    text_bytes: usize,
    /// How many there were, those in files included, and the first of them.
    count: u64,
    first: Option<Reject>,
}

impl RejectList {
    pub(super) fn push(&mut self, reject: Reject) {
        self.text_bytes += reject.path.as_ref().map_or(0, String::capacity) + reject.reason.capacity();
        self.count += 1;
        if self.first.as_ref().is_none_or(|first| reject < *first) {
            self.first = Some(reject.clone());
        }
        self.rejects.push(reject);
    }

    /// Bytes of memory.
    pub(super) fn held(&self) -> usize {
        self.rejects.capacity() * size_of::<Reject>() + self.text_bytes
    }

    /// Whether it is time to list them in a file.
    pub(super) fn is_full(&self) -> bool {
        self.held() >= LIST_BYTES
    }

    /// Takes those that no file lists, in order.
    pub(super) fn take(&mut self) -> Vec<Reject> {
        self.text_bytes = 0;
        let mut rejects = std::mem::take(&mut self.rejects);
        rejects.sort();
        rejects
    }

    /// Tells how many there were, and the first.
    pub(super) fn report(&mut self, report: &mut Report) {
        report.rejected = self.count;
        report.first_reject = self.first.take();
    }
}

/// The rows that are rejected by all partitions, and those of a dataset that are rejected still.
pub(super) struct Rejects<'a> {
    reports: &'a BTreeMap<usize, Report>,
    still_rejected: &'a [Reject],
    pub(super) count: u64,
    /// Rows that have come, those that shards have taken included.
    pub(super) rows: u64,
}

impl<'a> Rejects<'a> {
    /// Besides, a dataset to which the reports add may have `records`.
    pub(super) fn of(reports: &'a BTreeMap<usize, Report>, still_rejected: &'a [Reject], records: u64) -> Self {
        let count = reports.values().map(|report| report.rejected).sum::<u64>() + still_rejected.len() as u64;
        let added = reports.values().flat_map(|report| &report.shards).map(|shard| shard.records).sum::<u64>();
        Self { reports, still_rejected, count, rows: count + records + added }
    }

    /// The first of them, in words.
    pub(super) fn first(&self) -> String {
        let of_reports = self.reports.values().filter_map(|report| report.first_reject.as_ref());
        let first = of_reports.chain(self.still_rejected).min();
        let first = first.map(|reject| (reject.path.as_deref().unwrap_or("a row"), reject.reason.as_str()));
        first.map_or_else(String::new, |(path, reason)| format!("'{path}': {reason}"))
    }

    /// Lists them in the dataset's directory, and removes an old list where there are none. A commit before this one may have come as
    /// far as to sweep the partitions' lists.
    pub(super) fn write(&self, target: &Target, memory: &MemoryReservation) -> io::Result<()> {
        let directory = &target.directory;
        // The list of a dataset to which is added is replaced behind its manifest.
        let to = if target.retry.is_some() { NEXT_REJECTS } else { REJECTS };
        if self.count == 0 {
            return directory.remove(&[to.to_string()]);
        }
        let own = match self.still_rejected {
            [] => None,
            rejects => {
                let token = token().map_err(io::Error::other)?;
                Some(target.save_rejects(hidden::rejects("0", &token), rejects)?)
            }
        };
        let lists = self.reports.values().flat_map(|report| &report.rejects).chain(&own);
        let lists: Vec<&HiddenFile> = lists.collect();
        for list in &lists {
            if directory.length(&list.name)? != Some(list.bytes) {
                let is_listed = |name| Ok::<_, io::Error>(count_listed(directory, name)? == Some(self.count));
                return match is_listed(to)? || is_listed(REJECTS)? {
                    true => Ok(()),
                    false => Err(io::Error::other("a list of rejected rows is gone; run the statement again")),
                };
            }
        }
        let count = lists.len().max(1);
        let mut piece = (MERGE_BYTES / count).clamp(LEAST_PIECE, MOST_PIECE);
        if memory.try_resize(piece * count).is_err() {
            piece = LEAST_PIECE;
            memory.resize(piece * count);
        }
        directory.write_large(to, &|out| {
            let mut table = csv::Writer::from_writer(out);
            let mut listed = 0;
            for reject in Merged::try_new(directory, &lists, piece)? {
                table.serialize(reject?)?;
                listed += 1;
            }
            if listed != self.count {
                let message = format!("{listed} rows are listed of {} that were rejected", self.count);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            table.flush()
        })?;
        memory.free();
        Ok(())
    }
}

/// How many rows a list of rejected rows has; `None` where there is none.
pub(super) fn count_listed(directory: &Directory, name: &str) -> io::Result<Option<u64>> {
    open_list(directory, name)?.map(count_rejects).transpose()
}

/// A list of rejected rows, where there is one.
pub(super) fn open_list<'a>(directory: &'a Directory, name: &'a str) -> io::Result<Option<impl Read + 'a>> {
    let bytes = directory.length(name)?;
    // Of an object each piece is a request.
    Ok(bytes.map(|bytes| BufReader::with_capacity(MOST_PIECE, Pieces { directory, name, bytes, at: 0 })))
}

impl Target {
    /// Lists rows that an attempt has rejected, which are in order.
    pub(super) fn save_rejects(&self, name: String, rejects: &[Reject]) -> io::Result<HiddenFile> {
        let mut lines = Vec::new();
        for reject in rejects {
            serde_json::to_writer(&mut lines, reject)?;
            lines.push(b'\n');
        }
        let bytes = lines.len() as u64;
        self.directory.write(&name, lines)?;
        Ok(HiddenFile { name, bytes })
    }
}

/// The rows of several lists that are each in order, in order.
struct Merged<'a> {
    lists: Vec<Lines<BufReader<Pieces<'a>>>>,
    /// The next row of each list.
    next: BinaryHeap<Reverse<(Reject, usize)>>,
}

impl<'a> Merged<'a> {
    fn try_new(directory: &'a Directory, lists: &[&'a HiddenFile], piece: usize) -> io::Result<Self> {
        let lines = |list: &&'a HiddenFile| {
            let HiddenFile { name, bytes } = *list;
            let piece = piece.min(usize::try_from(*bytes).unwrap_or(piece)).max(1);
            BufReader::with_capacity(piece, Pieces { directory, name, bytes: *bytes, at: 0 }).lines()
        };
        let mut merged = Self { lists: lists.iter().map(lines).collect(), next: BinaryHeap::new() };
        (0..lists.len()).try_for_each(|list| merged.read(list))?;
        Ok(merged)
    }

    /// Reads the next row of a list.
    fn read(&mut self, list: usize) -> io::Result<()> {
        if let Some(line) = self.lists[list].next() {
            self.next.push(Reverse((serde_json::from_str(&line?)?, list)));
        }
        Ok(())
    }
}

impl Iterator for Merged<'_> {
    type Item = io::Result<Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((reject, list)) = self.next.pop()?;
        Some(self.read(list).map(|()| reject))
    }
}

/// A file of a directory that is read in pieces, and not open between them: there may be many at a time.
struct Pieces<'a> {
    directory: &'a Directory,
    name: &'a str,
    bytes: u64,
    at: u64,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = (buffer.len() as u64).min(self.bytes - self.at);
        if wanted == 0 {
            return Ok(0);
        }
        let piece = self.directory.read_range(self.name, self.at..self.at + wanted)?;
        if piece.len() as u64 != wanted {
            let message = format!("'{}' has fewer than {} bytes", self.name, self.bytes);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        buffer[..piece.len()].copy_from_slice(&piece);
        self.at += wanted;
        Ok(piece.len())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pixmill_udfs::ImageErrorClass;

    use super::*;
    use crate::sink::encode::WriteClass;
    use crate::storage::ReadClass;

    #[test]
    fn the_page_lists_every_class_and_no_other() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rejects.md");
        let page = std::fs::read_to_string(page).expect("a page");
        let listed: Vec<(&str, &str)> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"))
            .filter_map(|(stage, rest)| Some((stage, rest.split_once('`')?.0)))
            .collect();
        let read = ReadClass::ALL.map(|class| ("read", class.name()));
        let decode = ImageErrorClass::ALL.map(|class| ("decode", class.name()));
        let write = WriteClass::ALL.map(|class| ("write", class.name()));
        assert_eq!(listed, [&read[..], &decode[..], &write[..]].concat());
    }

    #[test]
    fn lists_in_order_become_one_in_order_whatever_is_read_at_a_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = Directory::Local(directory.path().to_path_buf());
        let reject = |number: u32| Reject {
            path: (!number.is_multiple_of(5)).then(|| format!("photos/{:05}.jpg", number.wrapping_mul(7919) % 3000)),
            stage: "decode".into(),
            class: "broken".into(),
            reason: "a line\nand another".repeat(number as usize % 3),
        };
        let mut all: Vec<Reject> = (0..3000).map(reject).collect();
        let list = |(number, rejects): (usize, &[Reject])| {
            let mut rejects = rejects.to_vec();
            rejects.sort();
            let lines: Vec<String> =
                rejects.iter().map(|reject| format!("{}\n", serde_json::to_string(reject).expect("text"))).collect();
            let (name, lines) = (format!("list{number}"), lines.concat());
            directory.write(&name, lines.clone().into_bytes()).expect("written");
            HiddenFile { name, bytes: lines.len() as u64 }
        };
        let lists: Vec<HiddenFile> = all.chunks(700).enumerate().map(list).collect();
        all.sort();
        for piece in [1, 100, MOST_PIECE] {
            let merged = Merged::try_new(&directory, &lists.iter().collect::<Vec<_>>(), piece).expect("lists");
            assert_eq!(merged.collect::<io::Result<Vec<Reject>>>().expect("rows"), all);
        }
    }
}
