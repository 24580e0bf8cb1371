//! TFRecord framing: length, masked CRC-32C of the length, data, masked CRC-32C of the data.
//!
//! Specification: `tensorflow/core/lib/io/record_writer.h` of TensorFlow.

use std::io::{self, Read};

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

/// Reads records one after the other, both CRCs checked.
pub struct RecordReader<R> {
    input: R,
    offset: u64,
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
    /// The file can't be read.
    #[error("cannot read at byte {offset}: {source}")]
    Unreadable {
        /// Where the record starts.
        offset: u64,
        /// The operating system's answer, or the decompressor's.
        source: io::Error,
    },
}

impl<R: Read> RecordReader<R> {
    /// Reads records from the start of a file.
    pub fn new(input: R) -> Self {
        Self { input, offset: 0 }
    }

    /// The offset of the next record, in uncompressed bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next record's data into `data`; `false` at the end of the file.
    ///
    /// # Errors
    /// A truncated or corrupted record. After one with a bad length nothing behind it can be found.
    pub fn next(&mut self, data: &mut Vec<u8>) -> Result<bool, FramingError> {
        let offset = self.offset;
        let unreadable = |source| FramingError::Unreadable { offset, source };
        let truncated = |missing: String| FramingError::Truncated { offset, missing };
        let mut header = [0; 12];
        let read = read_up_to(&mut self.input, &mut header).map_err(unreadable)?;
        if read == 0 {
            return Ok(false);
        }
        if read < header.len() {
            return Err(truncated(format!("{read} of 12 header bytes")));
        }
        let (length_bytes, crc) = header.split_at(8);
        check(offset, "length", length_bytes, crc)?;
        let length = length_bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        data.clear();
        // `take` reads what is there: a length beyond the file's end allocates nothing.
        let read = self.input.by_ref().take(length).read_to_end(data).map_err(unreadable)?;
        if (read as u64) < length {
            return Err(truncated(format!("{read} of {length} data bytes")));
        }
        let mut footer = [0; 4];
        let read = read_up_to(&mut self.input, &mut footer).map_err(unreadable)?;
        if read < footer.len() {
            return Err(truncated(format!("{read} of 4 bytes of the data's checksum")));
        }
        self.offset += length + OVERHEAD;
        check(offset, "data", data, &footer)?;
        Ok(true)
    }
}

fn check(offset: u64, part: &'static str, bytes: &[u8], crc: &[u8]) -> Result<(), FramingError> {
    let expected = masked_crc32c(bytes);
    let found = crc.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    if found == expected {
        return Ok(());
    }
    Err(FramingError::Corrupted { offset, part, found, expected })
}

fn read_up_to(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match input.read(&mut bytes[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
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
        let error = RecordReader::new(&bytes[..]).next(&mut Vec::new()).expect_err("truncated");
        assert_eq!(error.to_string(), "truncated record at byte 0: 4 of 4611686018427387904 data bytes");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..10)) {
            let bytes: Vec<u8> = records.iter().flat_map(|data| record(data)).collect();
            let mut reader = RecordReader::new(&bytes[..]);
            let mut data = Vec::new();
            for expected in &records {
                prop_assert!(reader.next(&mut data).expect("a record"));
                prop_assert_eq!(&data, expected);
            }
            prop_assert!(!reader.next(&mut data).expect("the end"));
            prop_assert_eq!(reader.offset(), bytes.len() as u64);
        }

        #[test]
        fn a_flipped_bit_is_found(data in prop::collection::vec(any::<u8>(), 0..50), at in any::<prop::sample::Index>(), bit in 0_u32..8) {
            let mut bytes = record(&data);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(RecordReader::new(&bytes[..]).next(&mut Vec::new()).is_err());
        }

        #[test]
        fn any_bytes_end_in_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = RecordReader::new(&bytes[..]).next(&mut Vec::new());
        }
    }
}
