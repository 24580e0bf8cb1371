//! TFRecord framing: length, masked CRC-32C of the length, data, masked CRC-32C of the data.
//!
//! Specification: `tensorflow/core/lib/io/record_writer.h` of TensorFlow.

use std::io::{self, Read};
use std::ops::Range;

use crate::format::looks::{LOOK_BYTES, looks_like};

/// Bytes around the data of each record.
pub const OVERHEAD: u64 = 16;

/// The CRC that stands in a record: rotated and offset, so that a CRC of data that holds CRCs stays sound.
pub fn masked_crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Appends a record to `out`; `encode` appends its data.
pub(crate) fn append_record(out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 12]);
    encode(out);
    let length = (out.len() - start - 12) as u64;
    out[start..start + 8].copy_from_slice(&length.to_le_bytes());
    let length_crc = masked_crc32c(&out[start..start + 8]);
    out[start + 8..start + 12].copy_from_slice(&length_crc.to_le_bytes());
    let data_crc = masked_crc32c(&out[start + 12..]);
    out.extend_from_slice(&data_crc.to_le_bytes());
}

/// Bytes asked of the input at once where records are read, and by which the buffer grows.
const STEP: usize = 1 << 20;
/// Bytes asked of the input at once where records are passed over.
const FRAME_STEP: usize = 1 << 12;

/// The longest record that is read: Arrow's offsets are 32-bit, and so are the lengths of protocol buffers.
const MOST_BYTES: u64 = i32::MAX as u64;

/// What records are read from.
pub trait RecordInput: Read + Sized {
    /// The bytes behind those that have been read, where that is known without reading them.
    fn remaining(&mut self) -> Option<u64> {
        None
    }

    /// Passes over bytes; fewer than asked for only at the end.
    ///
    /// # Errors
    /// The input's.
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        io::copy(&mut self.by_ref().take(bytes), &mut io::sink())
    }
}

impl RecordInput for &[u8] {}

/// Reads records one after the other, both CRCs checked.
pub struct RecordReader<R> {
    input: R,
    /// Where the next record starts, in uncompressed bytes.
    offset: u64,
    buffer: Vec<u8>,
    /// The part of the buffer that is read and not used up.
    unread: Range<usize>,
    step: usize,
}

/// What is wrong with a record, and where it starts.
#[derive(Debug, thiserror::Error)]
pub enum FramingError {
    /// The file ends inside a record.
    #[error("truncated record at byte {offset}: {missing}")]
    Truncated {
        /// Where the record starts.
        offset: u64,
        /// What is missing.
        missing: String,
    },
    /// The file is something else.
    #[error("not a TFRecord file: it looks like {looks}")]
    SomethingElse {
        /// What it looks like, and what can be done about it.
        looks: &'static str,
    },
    /// A checksum doesn't fit.
    #[error(
        "corrupted record at byte {offset}: the checksum of its {part} is {found:08x}, it should be {expected:08x}"
    )]
    Corrupted {
        /// Where the record starts.
        offset: u64,
        /// `length` or `data`.
        part: &'static str,
        /// The stored checksum.
        found: u32,
        /// The checksum of what is there.
        expected: u32,
    },
    /// No record is that long.
    #[error("record at byte {offset} has {length} bytes; the most are {MOST_BYTES}")]
    TooLong {
        /// Where the record starts.
        offset: u64,
        /// Its length.
        length: u64,
    },
    /// The file can't be read.
    #[error("cannot read at byte {offset}: {source}")]
    Unreadable {
        /// Where the record starts.
        offset: u64,
        /// The operating system's answer, or the decompressor's.
        source: io::Error,
    },
}

impl FramingError {
    /// Whether the records behind this one can still be found.
    pub fn is_in_data(&self) -> bool {
        matches!(self, Self::Corrupted { part: "data", .. } | Self::TooLong { .. })
    }
}

impl<R: RecordInput> RecordReader<R> {
    /// Reads records from the start of a file.
    pub fn new(input: R) -> Self {
        Self::at(input, 0)
    }

    /// Reads records from an input that stands at `offset`, where a record starts.
    pub fn at(input: R, offset: u64) -> Self {
        Self { input, offset, buffer: Vec::new(), unread: 0..0, step: STEP }
    }

    /// For records that are passed over: so few bytes are read at once that the data between the frames is not.
    #[must_use]
    pub fn for_frames(self) -> Self {
        Self { step: FRAME_STEP, ..self }
    }

    /// For a file of so many bytes, which may be fewer than are read at once.
    #[must_use]
    pub fn for_bytes(self, bytes: u64) -> Self {
        let step = usize::try_from(bytes).unwrap_or(STEP).saturating_add(1).clamp(FRAME_STEP, STEP);
        Self { step, ..self }
    }

    /// The offset of the next record, in uncompressed bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What the records are read from.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// The next record's data; `None` at the end of the file.
    ///
    /// # Errors
    /// A truncated or corrupted record. After one with a corrupted length nothing behind it can be found; after one with corrupted
    /// data the next call reads the next record.
    #[allow(clippy::should_implement_trait, reason = "an iterator can't lend what it holds")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, FramingError> {
        let offset = self.offset;
        let Some(length) = self.header()? else { return Ok(None) };
        if length > MOST_BYTES {
            self.skip()?;
            return Err(FramingError::TooLong { offset, length });
        }
        let whole = (length + OVERHEAD) as usize;
        // A length beyond the file's end allocates nothing: a file says what is left of it, and of a stream only what is there is read.
        let missing = whole.saturating_sub(self.unread.len());
        let remaining = if missing > self.step { self.input.remaining() } else { None };
        let read = match remaining {
            Some(remaining) if remaining < missing as u64 => self.unread.len() + remaining as usize,
            _ => self.fill(whole)?,
        };
        if read < whole {
            let missing = match (read as u64 - 12).checked_sub(length) {
                Some(footer) => format!("{footer} of 4 bytes of the data's checksum"),
                None => format!("{} of {length} data bytes", read - 12),
            };
            return Err(FramingError::Truncated { offset, missing });
        }
        let start = self.unread.start;
        self.unread.start += whole;
        self.offset += length + OVERHEAD;
        let (data, crc) = self.buffer[start + 12..start + whole].split_at(whole - 16);
        check(offset, "data", data, crc)?;
        Ok(Some(data))
    }

    /// Passes over the next record and gives the length of its data, whose checksum isn't looked at; `None` at the end.
    ///
    /// # Errors
    /// A truncated record or a corrupted length: nothing behind it can be found.
    pub fn skip(&mut self) -> Result<Option<u64>, FramingError> {
        let offset = self.offset;
        let Some(length) = self.header()? else { return Ok(None) };
        let whole = length.saturating_add(OVERHEAD);
        let held = (self.unread.len() as u64).min(whole);
        self.unread.start += held as usize;
        let skipped = match whole - held {
            0 => 0,
            rest => self.input.skip(rest).map_err(|source| FramingError::Unreadable { offset, source })?,
        };
        if held + skipped < whole {
            let missing = format!("{} of {length} data bytes", (held + skipped - 12).min(length));
            return Err(FramingError::Truncated { offset, missing });
        }
        self.offset += whole;
        Ok(Some(length))
    }

    /// The length that the next record's header says, which stays unread; `None` at the end.
    fn header(&mut self) -> Result<Option<u64>, FramingError> {
        let read = self.fill(12)?;
        if read == 0 {
            return Ok(None);
        }
        let result = match self.buffer[self.unread.clone()].first_chunk::<12>() {
            None => Err(FramingError::Truncated { offset: self.offset, missing: format!("{read} of 12 header bytes") }),
            Some(header) => {
                let (length, crc) = header.split_at(8);
                check(self.offset, "length", length, crc)
                    .map(|()| length.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
            }
        };
        if result.is_err() && self.offset == 0 {
            self.fill(LOOK_BYTES)?;
            if let Some(looks) = looks_like(&self.buffer[self.unread.clone()]) {
                return Err(FramingError::SomethingElse { looks });
            }
        }
        result.map(Some)
    }

    /// Reads until so many bytes are there, or the input ends; says how many there are.
    fn fill(&mut self, bytes: usize) -> Result<usize, FramingError> {
        if self.unread.len() < bytes && self.unread.start > 0 {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        while self.unread.len() < bytes {
            if self.unread.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() + self.buffer.len().max(self.step), 0);
            }
            match self.input.read(&mut self.buffer[self.unread.end..]) {
                Ok(0) => break,
                Ok(read) => self.unread.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(FramingError::Unreadable { offset: self.offset, source }),
            }
        }
        Ok(self.unread.len().min(bytes))
    }
}

/// Whether bytes begin with a record's length and its checksum.
pub(super) fn starts_a_record(bytes: &[u8]) -> bool {
    bytes.first_chunk::<12>().is_some_and(|header| check(0, "length", &header[..8], &header[8..]).is_ok())
}

fn check(offset: u64, part: &'static str, bytes: &[u8], crc: &[u8]) -> Result<(), FramingError> {
    let expected = masked_crc32c(bytes);
    let found = crc.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    if found == expected {
        return Ok(());
    }
    Err(FramingError::Corrupted { offset, part, found, expected })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        append_record(&mut out, |out| out.extend_from_slice(data));
        out
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn records_are_those_that_tensorflow_writes() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(hex(&record(b"")), "000000000000000029039807d8ea82a2");
        assert_eq!(hex(&record(b"abc")), "0300000000000000b099490e6162636e57f121");
        assert_eq!(hex(&record(b"123456789")), "090000000000000037f97139313233343536373839e5b08ac7");
    }

    #[test]
    fn a_claimed_length_beyond_the_file_is_a_truncated_record() {
        let length = (1_u64 << 62).to_le_bytes();
        let mut bytes = length.to_vec();
        bytes.extend_from_slice(&masked_crc32c(&length).to_le_bytes());
        bytes.extend_from_slice(b"tail");
        let error = RecordReader::new(&bytes[..]).next().map(|_| ()).expect_err("truncated");
        assert_eq!(error.to_string(), "truncated record at byte 0: 4 of 4611686018427387904 data bytes");
    }

    #[test]
    fn what_is_no_record_file_is_told() {
        let error = |bytes: &[u8]| RecordReader::new(bytes).next().map(|_| ()).expect_err("no records").to_string();
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        assert_eq!(
            error(pointer),
            "not a TFRecord file: it looks like a git-lfs pointer; fetch the file itself with 'git lfs pull'"
        );
        let mut tar = vec![b'a'; 600];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(error(&tar), "not a TFRecord file: it looks like a tar archive; unpack it");
        assert_eq!(error(b"PK\x03\x04"), "not a TFRecord file: it looks like a zip archive; unpack it");
        assert_eq!(error(b"abc"), "truncated record at byte 0: 3 of 12 header bytes");
    }

    #[test]
    fn records_behind_corrupted_data_are_found() {
        let mut bytes = record(b"abc");
        bytes[13] ^= 1;
        bytes.extend(record(b"def"));
        let mut reader = RecordReader::new(&bytes[..]);
        assert!(reader.next().is_err_and(|error| error.is_in_data()));
        assert_eq!(reader.next().expect("a record"), Some(&b"def"[..]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..10)) {
            let bytes: Vec<u8> = records.iter().flat_map(|data| record(data)).collect();
            let mut reader = RecordReader::new(&bytes[..]);
            for expected in &records {
                prop_assert_eq!(reader.next().expect("a record"), Some(&expected[..]));
            }
            prop_assert_eq!(reader.next().expect("the end"), None);
            prop_assert_eq!(reader.offset(), bytes.len() as u64);
            let mut reader = RecordReader::new(&bytes[..]);
            for expected in &records {
                prop_assert_eq!(reader.skip().expect("a record"), Some(expected.len() as u64));
            }
            prop_assert_eq!(reader.skip().expect("the end"), None);
        }

        #[test]
        fn a_flipped_bit_is_found(data in prop::collection::vec(any::<u8>(), 0..50), at in any::<prop::sample::Index>(), bit in 0_u32..8) {
            let mut bytes = record(&data);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(RecordReader::new(&bytes[..]).next().is_err());
        }

        #[test]
        fn any_bytes_end_in_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = RecordReader::new(&bytes[..]).next();
            let _ = RecordReader::new(&bytes[..]).skip();
        }
    }
}
