//! The thumbnails that points of a page show when they are pointed at.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion::arrow::array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use twox_hash::XxHash3_64;

use crate::engine::Session;
use crate::error::{Error, Result};
use crate::sheet::{Cell, ImageRows, bytes_of, images_of, thumbnails_of};
use crate::storage::Reach;
use crate::words::counted;

/// The sides of the square that a thumbnail is fitted into, in pixels.
const SIDE: u32 = 128;
/// Different images of a page, of which each takes about 4 kB.
const MOST: usize = 2000;
/// The most bytes of a file.
const MOST_BYTES: usize = 64 << 20;
/// Images that are in memory before they become thumbnails.
const AT_ONCE: usize = 32;

/// What thumbnails are made with.
pub(super) struct Maker<'a> {
    /// A session of this process.
    pub(super) session: &'a Session,
    pub(super) reach: Reach,
}

/// The thumbnails of a page, each once.
#[derive(Debug, Default)]
pub(super) struct Thumbnails {
    /// Pictures, as URLs that hold them.
    pub(super) urls: Vec<String>,
    /// For each point its image, by the number of those that differ.
    points: Vec<Option<usize>>,
    /// The numbers of images, by hashes of their paths or bytes.
    numbers: HashMap<u64, usize>,
    /// For each image the number of its picture, if it has one.
    pictures: Vec<Option<usize>>,
    /// Points whose images came when there were too many.
    beyond: u64,
    /// Images without a picture, and why the first one has none.
    broken: u64,
    reason: Option<String>,
}

impl Thumbnails {
    /// The picture of a point.
    pub(super) fn of(&self, point: usize) -> Option<usize> {
        let image = (*self.points.get(point)?)?;
        *self.pictures.get(image)?
    }

    /// What isn't shown, and why.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.beyond > 0 {
            let images = counted(MOST as u64, "different image");
            notes.push(format!(
                "without a thumbnail: {}, because the page holds {images}",
                counted(self.beyond, "point")
            ));
        }
        if let Some(reason) = &self.reason {
            notes.push(format!("broken: {}, the first because: {reason}", counted(self.broken, "image")));
        }
        notes
    }

    /// Takes the images of the rows that become points.
    ///
    /// # Errors
    /// A session that can't make thumbnails; an image that is broken is none.
    pub(super) async fn add(&mut self, maker: &Maker<'_>, column: &ArrayRef, is_point: &BooleanArray) -> Result<()> {
        let wanted = (0..column.len()).filter(|row| is_point.value(*row));
        if column.data_type().is_string() {
            let paths = cast(column, &DataType::Utf8).map_err(|error| Error::Query(error.into()))?;
            let paths: Vec<Option<String>> = strings(&paths);
            let new = self.number(wanted, |row| paths[row].as_deref().map(str::as_bytes));
            for rows in new.chunks(AT_ONCE) {
                let paths: Vec<String> = rows.iter().filter_map(|row| paths[*row].clone()).collect();
                self.of_files(maker, paths).await?;
            }
            return Ok(());
        }
        if column.data_type().is_null() {
            self.points.extend(wanted.map(|_| None));
            return Ok(());
        }
        let (images, _) = images_of(column)?;
        let new = self.number(wanted, |row| images.is_valid(row).then(|| bytes_of(&images, row)));
        self.make(maker, Arc::clone(&images), &new).await
    }

    /// Numbers the images of rows; gives the rows of those that are new.
    fn number<'a>(
        &mut self,
        rows: impl Iterator<Item = usize>,
        bytes: impl Fn(usize) -> Option<&'a [u8]>,
    ) -> Vec<usize> {
        let mut new = Vec::new();
        for row in rows {
            let Some(hash) = bytes(row).map(XxHash3_64::oneshot) else {
                self.points.push(None);
                continue;
            };
            let next = self.numbers.len();
            let number = match self.numbers.get(&hash) {
                Some(number) => Some(*number),
                None if next < MOST => {
                    new.push(row);
                    Some(*self.numbers.entry(hash).or_insert(next))
                }
                None => None,
            };
            self.beyond += u64::from(number.is_none());
            self.points.push(number);
        }
        new
    }

    async fn of_files(&mut self, maker: &Maker<'_>, paths: Vec<String>) -> Result<()> {
        let reach = maker.reach.clone();
        let read = tokio::task::spawn_blocking(move || paths.iter().map(|path| read(&reach, path)).collect::<Vec<_>>());
        let files = read.await.map_err(|error| Error::Failed(format!("reading images stopped: {error}")))?;
        let images: BinaryArray = files.iter().map(|file| file.as_ref().ok()).collect();
        let there: Vec<usize> = (0..files.len()).filter(|file| files[*file].is_ok()).collect();
        let mut cells = self.cells(maker, Arc::new(images), &there).await?.into_iter();
        for file in files {
            match file {
                Ok(_) => self.put(cells.next().map_or_else(|| Err("no image".to_string()), |cell| url(&cell))),
                Err(reason) => self.put(Err(reason)),
            }
        }
        Ok(())
    }

    async fn make(&mut self, maker: &Maker<'_>, images: ArrayRef, rows: &[usize]) -> Result<()> {
        for rows in rows.chunks(AT_ONCE) {
            for cell in self.cells(maker, Arc::clone(&images), rows).await? {
                self.put(url(&cell));
            }
        }
        Ok(())
    }

    /// The thumbnails of some rows, in their order.
    async fn cells(&self, maker: &Maker<'_>, images: ArrayRef, rows: &[usize]) -> Result<Vec<Cell>> {
        let none = vec![None; images.len()];
        let images = ImageRows { images, labels: none.clone(), paths: none };
        let mut cells = thumbnails_of(maker.session, &images, rows, SIDE).await?;
        cells.sort_by_key(|(row, _)| *row);
        Ok(cells.into_iter().map(|(_, cell)| cell).collect())
    }

    /// Puts down what has become of the next image.
    fn put(&mut self, url: std::result::Result<String, String>) {
        match url {
            Ok(url) => {
                self.pictures.push(Some(self.urls.len()));
                self.urls.push(url);
            }
            Err(reason) => {
                self.pictures.push(None);
                self.broken += 1;
                self.reason.get_or_insert(reason);
            }
        }
    }
}

fn strings(texts: &ArrayRef) -> Vec<Option<String>> {
    let texts = datafusion::arrow::array::AsArray::as_string_opt::<i32>(texts);
    texts.map(|texts: &StringArray| texts.iter().map(|text| text.map(str::to_string)).collect()).unwrap_or_default()
}

/// The bytes of a file or an object, or why there are none.
fn read(reach: &Reach, path: &str) -> std::result::Result<Vec<u8>, String> {
    let read = reach.check(path).and_then(|()| reach.read_small(path, MOST_BYTES));
    let bytes = read.map_err(|error| format!("cannot read '{path}': {}", error.strip_backtrace()))?;
    bytes.ok_or_else(|| format!("cannot read '{path}': there is no such file"))
}

/// A thumbnail as a URL that holds it, or why there is none.
fn url(cell: &Cell) -> std::result::Result<String, String> {
    let (media_type, bytes) = cell.thumbnail.as_ref().map_err(Clone::clone)?.encoded()?;
    Ok(format!("data:{media_type};base64,{}", STANDARD.encode(bytes)))
}
