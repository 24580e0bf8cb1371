//! Record files on disk: plain, gzip and zlib are told apart by what is in them.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::{MultiGzDecoder, ZlibDecoder};

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
    Zlib(Box<ZlibDecoder<BufReader<F>>>),
}

impl RecordFile {
    /// Opens a file at its start.
    ///
    /// # Errors
    /// The operating system's answer.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::new(File::open(path)?)
    }

    /// Opens a plain file at a byte.
    ///
    /// # Errors
    /// The operating system's answer.
    pub fn open_at(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { encoding: Encoding::Plain, decoder: Decoder::Plain(file) })
    }
}

impl<F: Read + Seek> RecordFile<F> {
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
            Encoding::Zlib => Decoder::Zlib(Box::new(ZlibDecoder::new(buffered(file)))),
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
            Decoder::Zlib(file) => file.read(bytes),
        }
    }
}

impl<F: Read + Seek> RecordInput for RecordFile<F> {
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
    use super::*;
    use crate::format::tfrecord::append_record;

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
}
