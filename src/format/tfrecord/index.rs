//! Where the records of a plain file are: DALI's index beside it, or what walking over its frames shows.

use std::io::{BufRead, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::framing::{FramingError, OVERHEAD, RecordInput, RecordReader, starts_a_record};
use super::input::{Encoding, RecordFile};

/// A line of an index is two numbers.
const MOST_LINE_BYTES: u64 = 64;
/// Records between two places that are remembered.
const STRIDE: u64 = 64;

/// How many records a file has, and where every 64th of them starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    records: u64,
    /// Offsets of the records 0, 64, 128 and so on; empty for a compressed file, where there is no seeking.
    places: Vec<u64>,
}

/// Where to begin reading so as to come to a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RecordOffset {
    /// A record starts at this byte.
    pub(crate) offset: u64,
    /// So many records are to be passed over.
    pub(crate) skip: u64,
}

impl Index {
    /// The index of a file of which no more is known than how many records it has.
    #[cfg(test)]
    pub(crate) fn of_records(records: u64) -> Self {
        Self { records, places: Vec::new() }
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Where reading begins for a record.
    pub(crate) fn place(&self, record: u64) -> RecordOffset {
        let known = usize::try_from(record / STRIDE).ok().and_then(|index| self.places.get(index));
        match known {
            Some(offset) => RecordOffset { offset: *offset, skip: record % STRIDE },
            None => RecordOffset { offset: 0, skip: record },
        }
    }

    fn push(&mut self, offset: u64) {
        if self.records.is_multiple_of(STRIDE) {
            self.places.push(offset);
        }
        self.records += 1;
    }

    /// Walks over the frames of a file; data isn't read where it can be passed over.
    ///
    /// # Errors
    /// What is wrong with a frame, and the index of the records before it.
    pub(crate) fn walk<F: Read + Seek>(file: RecordFile<F>) -> Result<Self, (Self, FramingError)> {
        let is_plain = file.encoding() == Encoding::Plain;
        let (mut index, fault) = Self::walk_over(RecordReader::new(file).for_frames());
        if !is_plain {
            index.places.clear();
        }
        match fault {
            None => Ok(index),
            Some(fault) => Err((index, fault)),
        }
    }

    fn walk_over<R: RecordInput>(mut reader: RecordReader<R>) -> (Self, Option<FramingError>) {
        let mut index = Self::default();
        loop {
            let offset = reader.offset();
            match reader.skip() {
                Ok(Some(_)) => index.push(offset),
                Ok(None) => return (index, None),
                Err(error) => return (index, Some(error)),
            }
        }
    }

    /// Reads the index of a file of so many bytes, of whose places so many are looked at before it is believed.
    ///
    /// # Errors
    /// Why the index is none of this file's.
    pub(crate) fn read(
        text: impl BufRead,
        file: impl Read + Seek,
        bytes: u64,
        most_checked: usize,
    ) -> Result<Self, String> {
        let (index, sizes) = Self::parse(text, bytes)?;
        check_places(file, &sizes, most_checked)?;
        Ok(index)
    }

    /// The index, and the places and sizes of the records that it remembers and of the last one.
    fn parse(mut text: impl BufRead, bytes: u64) -> Result<(Self, Vec<(u64, u64)>), String> {
        let (mut index, mut sizes) = (Self::default(), Vec::new());
        let (mut end, mut last, mut line) = (0, None, Vec::new());
        loop {
            line.clear();
            let read = text.by_ref().take(MOST_LINE_BYTES).read_until(b'\n', &mut line);
            if read.map_err(|error| error.to_string())? == 0 {
                break;
            }
            let shown = String::from_utf8_lossy(&line);
            let numbers = shown.trim_end().split_once(' ');
            match numbers.and_then(|(offset, size)| Some((offset.parse().ok()?, size.parse().ok()?))) {
                // Records follow each other without a gap, or the file isn't the one that was indexed.
                Some((offset, size)) if offset == end && size >= OVERHEAD => {
                    if index.records.is_multiple_of(STRIDE) {
                        sizes.push((offset, size));
                    }
                    last = Some((offset, size));
                    index.push(offset);
                    end = offset.saturating_add(size);
                }
                _ => {
                    let number = index.records + 1;
                    return Err(format!("line {number} is '{}', and a record starts at byte {end}", shown.trim_end()));
                }
            }
        }
        sizes.extend(last);
        match end == bytes {
            true => Ok((index, sizes)),
            false => Err(format!("it ends at byte {end}, the file at byte {bytes}")),
        }
    }
}

/// Looks whether records of these sizes start at these places: at all of them, or at many that are spread over the file.
fn check_places(mut file: impl Read + Seek, sizes: &[(u64, u64)], most_checked: usize) -> Result<(), String> {
    let step = sizes.len().div_ceil(most_checked).max(1);
    for (offset, size) in sizes.iter().rev().step_by(step) {
        let mut header = [0; 12];
        let read = file.seek(SeekFrom::Start(*offset)).and_then(|_| file.read_exact(&mut header));
        read.map_err(|error| error.to_string())?;
        let length = header.first_chunk().map(|length| u64::from_le_bytes(*length));
        if !starts_a_record(&header) || length != Some(size - OVERHEAD) {
            return Err(format!("no record of {size} bytes starts at byte {offset}"));
        }
    }
    Ok(())
}

/// Where indexes of a file are by habit: `<file>.idx` and `<stem>.idx` for DALI, `<stem>.tfindex`.
pub(crate) fn paths_beside(path: &Path) -> [PathBuf; 3] {
    let mut appended = path.as_os_str().to_owned();
    appended.push(".idx");
    [PathBuf::from(appended), path.with_extension("idx"), path.with_extension("tfindex")]
}

/// Whether a file is an index, by its name.
pub(crate) fn is_index(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extension == "idx" || extension == "tfindex")
}

/// Whether a file is beside the data by the habits of those who write shards: hidden, a marker, or a list.
pub(crate) fn is_beside_data(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let lists = [".json", ".csv", ".txt", ".md", ".crc"];
    name.starts_with(['_', '.']) || is_index(path) || lists.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::tfrecord::append_record;

    fn file(records: usize) -> (Vec<u8>, String) {
        let (mut bytes, mut lines) = (Vec::new(), String::new());
        for record in 0..records {
            let start = bytes.len();
            append_record(&mut bytes, |out| out.resize(out.len() + record % 7, 1));
            lines.push_str(&format!("{start} {}\n", bytes.len() - start));
        }
        (bytes, lines)
    }

    #[test]
    fn walking_over_a_file_and_reading_its_index_tell_the_same() {
        let (bytes, lines) = file(200);
        let (walked, fault) = Index::walk_over(RecordReader::new(&bytes[..]));
        assert!(fault.is_none());
        let (parsed, sizes) = Index::parse(lines.as_bytes(), bytes.len() as u64).expect("an index");
        assert_eq!(sizes.len(), 5);
        assert_eq!(walked, parsed);
        assert_eq!(parsed.records(), 200);
        let RecordOffset { offset, skip } = parsed.place(130);
        assert_eq!(skip, 2);
        let mut reader = RecordReader::at(&bytes[offset as usize..], offset);
        for _ in 0..skip {
            reader.skip().expect("a record");
        }
        assert_eq!(reader.next().expect("a record").map(<[u8]>::len), Some(130 % 7));
    }

    #[test]
    fn an_index_of_another_file_is_refused() {
        let (bytes, lines) = file(3);
        let error = |lines: &str, bytes| Index::parse(lines.as_bytes(), bytes).expect_err("another file's");
        assert_eq!(error(&lines, 1000), format!("it ends at byte {}, the file at byte 1000", bytes.len()));
        assert_eq!(error("0 20\n30 20\n", 50), "line 2 is '30 20', and a record starts at byte 20");
        assert_eq!(error("v1.2 3\n", 50), "line 1 is 'v1.2 3', and a record starts at byte 0");
    }
}
