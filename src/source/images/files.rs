//! Image files one after the other, on the thread that asks: what a speed test reads.

use std::collections::VecDeque;
use std::io::{self, Read};

use datafusion::arrow::array::BinaryArray;
use datafusion::arrow::buffer::{Buffer, OffsetBuffer};
use datafusion::common::{Result, exec_datafusion_err};

use super::list::{File, find_at, nothing_found};
use super::load::MOST_BYTES;
use super::options::ImagesOptions;
use crate::storage::{Ranges, Reach, Version, is_object_url, read_file};

/// How many images a location has, and their bytes.
///
/// # Errors
/// None, or a place that may not be looked into.
pub(in crate::source) fn images_at(location: &str, reach: &Reach) -> Result<(u64, u64)> {
    let options = ImagesOptions::default();
    let files = find_at(location, &options, usize::MAX, reach)?;
    match files.is_empty() {
        true => nothing_found(location, &options),
        false => Ok((files.len() as u64, files.iter().map(|file| file.length.unsigned_abs()).sum())),
    }
}

/// The path or URL of an image, and what was listed of it.
pub(in crate::source) type ImagePath = (String, Version);

/// A location's first images, at most `most`.
///
/// # Errors
/// As of [`images_at`].
pub(in crate::source) fn image_paths(location: &str, reach: &Reach, most: usize) -> Result<Vec<ImagePath>> {
    let options = ImagesOptions::default();
    let files = find_at(location, &options, most, reach)?;
    if files.is_empty() {
        return nothing_found(location, &options);
    }
    files.iter().try_for_each(|file| reach.check(&file.path))?;
    let version = |file: &File| Version { bytes: file.length.unsigned_abs(), etag: file.etag.clone() };
    Ok(files.into_iter().map(|file| (file.path.clone(), version(&file))).collect())
}

/// Files that are read in their order.
pub(in crate::source) struct ImageFiles {
    files: VecDeque<ImagePath>,
    reach: Reach,
    bytes: u64,
}

impl ImageFiles {
    /// Nothing is read yet.
    pub(in crate::source) fn new(files: Vec<ImagePath>, reach: Reach) -> Self {
        Self { files: files.into(), reach, bytes: 0 }
    }

    /// The bytes of the next files: of one at least, of `most_files` at most, and of no more when `most_bytes` are there; `None`
    /// at the end.
    ///
    /// # Errors
    /// A file that can't be read.
    pub(in crate::source) fn next(&mut self, most_files: usize, most_bytes: usize) -> Result<Option<BinaryArray>> {
        let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
        while lengths.len() < most_files && (lengths.is_empty() || bytes.len() < most_bytes) {
            let Some((path, version)) = self.files.pop_front() else { break };
            let start = bytes.len();
            let read = match is_object_url(&path) {
                true => self.fetch(&path, &version, &mut bytes),
                false => read_file(&path, &mut bytes, MOST_BYTES - start),
            };
            read.map_err(|error| exec_datafusion_err!("cannot read '{path}': {error}"))?;
            lengths.push(bytes.len() - start);
        }
        self.bytes += bytes.len() as u64;
        if lengths.is_empty() {
            return Ok(None);
        }
        Ok(Some(BinaryArray::try_new(OffsetBuffer::from_lengths(lengths), Buffer::from_vec(bytes), None)?))
    }

    /// Appends the bytes of an object.
    fn fetch(&self, url: &str, version: &Version, bytes: &mut Vec<u8>) -> io::Result<()> {
        let most = (MOST_BYTES - bytes.len()) as u64;
        if version.bytes > most {
            let message = format!("it has {} bytes, and at most {most} have a place", version.bytes);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        let opened = self.reach.open(url, version, Ranges::WHOLE);
        opened.and_then(|mut object| object.read_to_end(bytes)).map(|_| ())
    }

    /// Bytes that have been read.
    pub(in crate::source) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_come_in_their_order_bounded_by_number_and_bytes() {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, length) in [("a.jpg", 3), ("b.jpg", 0), ("c.jpg", 2), ("d.jpg", 1), ("e.txt", 9)] {
            fs::write(directory.path().join(name), vec![b'x'; length]).expect("a file");
        }
        let (place, reach) = (directory.path().to_str().expect("UTF-8"), Reach::default());
        assert_eq!(images_at(place, &reach).expect("images"), (4, 6));
        assert_eq!(image_paths(place, &reach, 2).expect("paths").len(), 2);
        let mut files = ImageFiles::new(image_paths(place, &reach, usize::MAX).expect("paths"), Reach::default());
        let mut lengths = |most_files: usize, most_bytes: usize| {
            let next = files.next(most_files, most_bytes).expect("read");
            next.map(|next| next.iter().flatten().map(<[u8]>::len).collect::<Vec<_>>())
        };
        assert_eq!(lengths(1, 100), Some(vec![3]));
        assert_eq!(lengths(9, 2), Some(vec![0, 2]));
        assert_eq!(lengths(9, 0), Some(vec![1]));
        assert_eq!(lengths(9, 9), None);
        assert_eq!(files.bytes(), 6);
    }

    #[test]
    fn a_file_that_is_gone_is_named() {
        let mut files = ImageFiles::new(vec![("no/such.jpg".to_string(), Version::default())], Reach::default());
        let error = files.next(1, 1).expect_err("gone").strip_backtrace();
        assert!(error.contains("cannot read 'no/such.jpg': No such file"), "{error}");
    }
}
