//! Parts of an object, as readers of Parquet ask for them.

use std::io::{BufReader, Read, Seek, SeekFrom};

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
        // The footer says how long a part is; it may say anything.
        if start.checked_add(length as u64).is_none_or(|end| end > self.version.bytes) {
            return Err(ParquetError::EOF(format!("{length} bytes from byte {start} on, of {}", self.version.bytes)));
        }
        let mut bytes = Vec::with_capacity(length);
        let input = self.open(start, Ranges { bytes: (length as u64).min(Ranges::WHOLE.bytes), ..Ranges::WHOLE });
        let mut input = input?;
        input.expect_end(start + length as u64);
        input.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}
