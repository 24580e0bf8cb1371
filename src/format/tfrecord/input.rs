//! Record files on disk: plain, gzip and zlib are told apart by what is in them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::bufread::ZlibDecoder;
use flate2::read::MultiGzDecoder;

use super::framing::{RecordInput, starts_a_record};

/// Whole-file compression of record files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// None.
    Plain,
    /// TensorFlow's `GZIP`; several members may follow each other.
    Gzip,
    /// TensorFlow's `ZLIB`.
    Zlib,
}

impl Encoding {
    /// The encoding of a file that begins so.
    pub fn of(start: &[u8]) -> Self {
        match start {
            // A length can look like a compressed file's first bytes; a length and its checksum can't.
            start if starts_a_record(start) => Self::Plain,
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            // A zlib header: deflate, a window of at most 32 KiB, and a multiple of 31.
            [method, flags, ..]
                if method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([*method, *flags]) % 31 == 0 =>
            {
                Self::Zlib
            }
            _ => Self::Plain,
        }
    }
}

/// A record file, open.
pub struct RecordFile<F: Read = File> {
    encoding: Encoding,
    decoder: Decoder<F>,
}

enum Decoder<F: Read> {
    Plain(F),
    Gzip(Box<MultiGzDecoder<BufReader<F>>>),
    /// `None` only while one stream follows another.
    Zlib(Option<Box<ZlibDecoder<BufReader<F>>>>),
}

impl RecordFile {
    /// Opens a file at its start.
    ///
    /// # Errors
    /// The operating system's answer.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::new(File::open(path)?)
    }
}

impl<F: Read + Seek> RecordFile<F> {
    /// Reads a plain file from a byte on.
    ///
    /// # Errors
    /// The operating system's answer.
    pub fn at(mut file: F, offset: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { encoding: Encoding::Plain, decoder: Decoder::Plain(file) })
    }

    /// Looks at the start of a file and decodes it from there.
    ///
    /// # Errors
    /// The operating system's answer.
    pub fn new(mut file: F) -> io::Result<Self> {
        let mut start = Vec::with_capacity(12);
        file.by_ref().take(12).read_to_end(&mut start)?;
        file.rewind()?;
        let encoding = Encoding::of(&start);
        let buffered = |file| BufReader::with_capacity(1 << 18, file);
        let decoder = match encoding {
            Encoding::Plain => Decoder::Plain(file),
            Encoding::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(buffered(file)))),
            Encoding::Zlib => Decoder::Zlib(Some(Box::new(ZlibDecoder::new(buffered(file))))),
        };
        Ok(Self { encoding, decoder })
    }

    /// How the file is compressed.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }
}

impl<F: Read> Read for RecordFile<F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &mut self.decoder {
            Decoder::Plain(file) => file.read(bytes),
            Decoder::Gzip(file) => file.read(bytes),
            Decoder::Zlib(file) => read_zlib(file, bytes),
        }
    }
}

/// Reads a zlib stream and those that follow it.
fn read_zlib<F: Read>(stream: &mut Option<Box<ZlibDecoder<BufReader<F>>>>, bytes: &mut [u8]) -> io::Result<usize> {
    while let Some(decoder) = stream {
        let read = decoder.read(bytes)?;
        if read > 0 || bytes.is_empty() {
            return Ok(read);
        }
        let behind = decoder.get_mut().fill_buf()?;
        match Encoding::of(behind) {
            _ if behind.is_empty() => return Ok(0),
            Encoding::Zlib => *stream = stream.take().map(|ended| Box::new(ZlibDecoder::new(ended.into_inner()))),
            Encoding::Plain | Encoding::Gzip => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "there are other bytes behind the zlib stream"));
            }
        }
    }
    Ok(0)
}

impl<F: Read + Seek> RecordInput for RecordFile<F> {
    fn remaining(&mut self) -> Option<u64> {
        let Decoder::Plain(file) = &mut self.decoder else { return None };
        let position = file.stream_position().ok()?;
        let end = file.seek(SeekFrom::End(0)).ok()?;
        file.seek(SeekFrom::Start(position)).ok()?;
        Some(end.saturating_sub(position))
    }

    /// Plain files aren't read to be passed over.
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let Decoder::Plain(file) = &mut self.decoder else {
            return io::copy(&mut self.by_ref().take(bytes), &mut io::sink());
        };
        let position = file.stream_position()?;
        let end = file.seek(SeekFrom::End(0))?;
        let skipped = bytes.min(end.saturating_sub(position));
        file.seek(SeekFrom::Start(position + skipped))?;
        Ok(skipped)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use proptest::prelude::*;

    use super::*;
    use crate::format::tfrecord::{RecordReader, append_record};

    /// A file of records, compressed or not.
    fn file(records: &[Vec<u8>], encoding: Encoding) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            append_record(&mut bytes, |out| out.extend_from_slice(record));
        }
        let level = flate2::Compression::fast();
        match encoding {
            Encoding::Plain => bytes,
            Encoding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(&bytes).and_then(|()| encoder.finish()).expect("compressed")
            }
            Encoding::Zlib => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(&bytes).and_then(|()| encoder.finish()).expect("compressed")
            }
        }
    }

    fn reader(bytes: Vec<u8>) -> RecordReader<RecordFile<Cursor<Vec<u8>>>> {
        RecordReader::new(RecordFile::new(Cursor::new(bytes)).expect("a file in memory"))
    }

    #[test]
    fn a_long_record_that_begins_like_zlib_is_plain() {
        let mut bytes = Vec::new();
        append_record(&mut bytes, |out| out.resize(out.len() + 0x0001_9c78, 0));
        assert_eq!(bytes[..2], [0x78, 0x9c]);
        assert_eq!(Encoding::of(&bytes), Encoding::Plain);
        assert_eq!(Encoding::of(&[0x78, 0x9c, 1, 2]), Encoding::Zlib);
        assert_eq!(Encoding::of(&[0x1f, 0x8b, 8, 0]), Encoding::Gzip);
        assert_eq!(Encoding::of(b""), Encoding::Plain);
    }

    #[test]
    fn streams_that_follow_each_other_are_one_file() {
        let records = [b"abc".to_vec(), b"d".to_vec()];
        for encoding in [Encoding::Gzip, Encoding::Zlib] {
            let bytes = file(&records, encoding);
            let mut twice = reader([bytes.clone(), bytes.clone()].concat());
            for record in records.iter().chain(&records) {
                assert_eq!(twice.next().expect("a record"), Some(&record[..]));
            }
            assert_eq!(twice.next().expect("the end"), None);
            let mut with_more = reader([bytes, b"something else".to_vec()].concat());
            let faults = (0..3).filter(|_| with_more.next().is_err()).count();
            assert_eq!(faults, 1, "{encoding:?}");
        }
    }

    #[test]
    fn a_record_that_is_too_long_is_passed_over() {
        let length = (1_u64 << 33).to_le_bytes();
        let mut bytes = length.to_vec();
        bytes.extend_from_slice(&crate::format::tfrecord::masked_crc32c(&length).to_le_bytes());
        let error = reader(bytes).next().map(|_| ()).expect_err("no such record");
        assert_eq!(error.to_string(), "truncated record at byte 0: 0 of 8589934592 data bytes");
    }

    proptest! {
        #[test]
        fn files_of_every_encoding_are_read_back(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..20),
            encoding in prop::sample::select(vec![Encoding::Plain, Encoding::Gzip, Encoding::Zlib]),
        ) {
            let mut reader = reader(file(&records, encoding));
            prop_assert_eq!(reader.input().encoding(), encoding);
            for expected in &records {
                prop_assert_eq!(reader.next().expect("a record"), Some(&expected[..]));
            }
            prop_assert_eq!(reader.next().expect("the end"), None);
        }

        /// Records of a damaged file are those of the sound one, or there is an error; nothing is made up.
        #[test]
        fn a_damaged_file_gives_records_that_it_had_or_errors(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..12),
            encoding in prop::sample::select(vec![Encoding::Plain, Encoding::Gzip, Encoding::Zlib]),
            damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in prop::option::of(any::<prop::sample::Index>()),
            behind in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = file(&records, encoding);
            for (at, byte) in damages {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
            bytes.extend(behind);
            let mut damaged = reader(bytes.clone());
            let mut faults = 0;
            // Of one file no more faults are met than it has records and bytes behind them.
            while faults < 100 {
                match damaged.next() {
                    Ok(None) => break,
                    Ok(Some(record)) => prop_assert!(records.iter().any(|sound| sound == record)),
                    Err(error) if error.is_in_data() => faults += 1,
                    Err(_) => break,
                }
            }
            // Damage to a compressed stream can repeat parts of it, frames among them.
            prop_assert!(faults <= records.len() || encoding != Encoding::Plain);
            let mut passed = reader(bytes);
            while let Ok(Some(_)) = passed.skip() {}
        }
    }
}
