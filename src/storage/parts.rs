//! Parts of a file or an object, as readers of Parquet ask for them.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::reader::{ChunkReader, Length};
use prost::bytes::Bytes;

use super::input::{FoundFile, Input, Reach};
use super::objects::{Ranges, Version, is_object_url};

/// An object of which parts are read.
#[derive(Debug, Clone)]
pub(crate) struct ObjectParts {
    reach: Reach,
    url: String,
    version: Version,
}

impl ObjectParts {
    /// The object that was found; `None` of a local file.
    pub(crate) fn of(found: &FoundFile, reach: &Reach) -> Option<Self> {
        let url = found.path.to_str().filter(|path| is_object_url(path))?;
        Some(Self::new(reach, url, found.version.clone()))
    }

    /// The object of this URL.
    pub(crate) fn new(reach: &Reach, url: &str, version: Version) -> Self {
        Self { reach: reach.clone(), url: url.to_string(), version }
    }

    fn open(&self, start: u64, ranges: Ranges) -> Result<Input> {
        let mut input = self.reach.open(&self.url, &self.version, ranges)?;
        input.seek(SeekFrom::Start(start))?;
        Ok(input)
    }
}

impl Length for ObjectParts {
    fn len(&self) -> u64 {
        self.version.bytes
    }
}

impl ChunkReader for ObjectParts {
    type T = BufReader<Input>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(self.open(start, Ranges::PLACES)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = Vec::with_capacity(length);
        let input = self.open(start, Ranges { bytes: (length as u64).min(Ranges::WHOLE.bytes), ..Ranges::WHOLE });
        let mut input = input?;
        input.expect_end(start + length as u64);
        input.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Parts of a file that may be damaged: nothing is read, and no room is made, for what it claims to have behind its end.
pub(crate) struct Parts<R>(pub(crate) R);

impl<R: Length> Length for Parts<R> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl<R: ChunkReader> ChunkReader for Parts<R> {
    type T = UntilEnd<R::T>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(UntilEnd { inner: self.0.get_read(start)?, ends: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // The footer says how long a part is; it may say anything.
        if start.checked_add(length as u64).is_none_or(|end| end > self.len()) {
            return Err(ParquetError::EOF(format!("{length} bytes from byte {start} on, of {}", self.len())));
        }
        self.0.get_bytes(start, length)
    }
}

/// How often a reader may hear that there is no more.
const MOST_ENDS: u32 = 16;

/// A reader that fails where somebody goes on reading behind its end: for the headers of pages, billions of values are passed over there
/// one by one, each of no bytes.
pub(crate) struct UntilEnd<R> {
    inner: R,
    ends: u32,
}

impl<R: Read> Read for UntilEnd<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.ends += u32::from(read == 0 && !bytes.is_empty());
        match self.ends > MOST_ENDS {
            true => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "more is looked for than the file has")),
            false => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_reader_fails_where_somebody_goes_on_reading_behind_its_end() {
        let mut reader = UntilEnd { inner: Cursor::new(b"abc"), ends: 0 };
        let mut text = String::new();
        for _ in 0..4 {
            reader.read_to_string(&mut text).expect("read");
        }
        assert_eq!(text, "abc");
        let error = (0..MOST_ENDS).find_map(|_| reader.read(&mut [0]).err()).expect("a failure");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn no_room_is_made_for_what_is_behind_the_end() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(100).expect("a length");
        let parts = Parts(file);
        assert_eq!(parts.get_bytes(90, 10).expect("bytes").len(), 10);
        for (start, length) in [(90, 11), (0, usize::MAX), (u64::MAX, 1), (0, 1 << 45)] {
            assert!(parts.get_bytes(start, length).is_err(), "{start} {length}");
        }
    }
}
