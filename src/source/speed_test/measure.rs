//! One repetition: batches are read and decoded on one thread, as a training reader without workers does, and timed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use datafusion::arrow::array::{Array, ArrayRef, BinaryArray, RecordBatch};
use datafusion::arrow::datatypes::Field;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::Settings;
use super::cache::{CacheState, disk_bytes, drop_cached};
use super::item::{Item, SourceFormat};
use super::row::Measured;
use crate::config::PixmillOptions;
use crate::exec::Task;
use crate::source::batch::cut_by_decoded_size;
use crate::source::images::{ImageFiles, image_paths};
use crate::source::tfrecord::{RecordImages, record_files};
use crate::storage::{Reach, Version, is_object_url, local_path};

/// What a combination is measured with.
#[derive(Clone)]
pub(super) struct Test {
    pub(super) settings: Arc<Settings>,
    pub(super) item: Item,
    pub(super) reach: Reach,
    pub(super) options: PixmillOptions,
    pub(super) task: Arc<Task>,
    /// Nobody waits for the rows any more.
    pub(super) is_dropped: Arc<AtomicBool>,
}

/// What came of a repetition.
pub(super) struct Outcome {
    pub(super) measured: Measured,
    pub(super) note: Option<String>,
}

impl Test {
    /// Reads the source's first batches and takes the time. Listing files and dropping them from the cache isn't counted.
    ///
    /// # Errors
    /// What can't be read.
    pub(super) fn repetition(&self, repetition: u64) -> Result<Outcome> {
        let files = self.files()?;
        let undropped = if self.settings.cold { drop_all(&files) } else { None };
        let steps = self.steps();
        // What comes from a store comes from no disk of this machine, and isn't kept in its page cache.
        let is_of_store = is_object_url(&self.item.source);
        let before = disk_bytes().filter(|_| !is_of_store);
        let started = Instant::now();
        let mut batches = self.open(files);
        let (mut images, mut rejected, mut first_batch_seconds) = (0, 0, 0.0);
        for batch in 0..self.item.batch_number {
            let (mut left, mut is_at_end) = (self.item.batch_size, false);
            while left > 0 {
                self.check()?;
                let Some(contents) = batches.next(left, self.options.batch_bytes())? else {
                    is_at_end = true;
                    break;
                };
                left -= contents.len() as u64;
                let bad = match &steps {
                    Some(steps) => self.decode(steps, &contents)?,
                    // A record without an image.
                    None => contents.null_count(),
                };
                images += (contents.len() - bad) as u64;
                rejected += bad as u64;
            }
            if batch == 0 {
                first_batch_seconds = started.elapsed().as_secs_f64();
            }
            if is_at_end {
                break;
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let disk_bytes = before.and_then(|before| Some(disk_bytes()?.saturating_sub(before)));
        let bytes = batches.bytes();
        let cache = match (self.settings.cold && undropped.is_none(), disk_bytes) {
            _ if is_of_store => None,
            // Where the system doesn't count, what was dropped is taken to be gone.
            (true, None) => Some(CacheState::Cold),
            (_, disk_bytes) => CacheState::of(bytes, disk_bytes, repetition > 1),
        };
        let measured = Measured { images, rejected, bytes, seconds, first_batch_seconds, disk_bytes, cache };
        let notes = [self.ended_early(images + rejected), self.not_cold(&measured, undropped)];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        Ok(Outcome { measured, note: (!notes.is_empty()).then(|| notes.join("; ")) })
    }

    fn check(&self) -> Result<()> {
        self.task.check()?;
        match self.is_dropped.load(Ordering::Relaxed) {
            true => exec_err!("nobody waits for the speed test any more"),
            false => Ok(()),
        }
    }

    /// The files that a repetition may have to read.
    fn files(&self) -> Result<Vec<(String, Version)>> {
        match self.item.format {
            SourceFormat::Images => {
                let most = self.item.batch_size.saturating_mul(self.item.batch_number);
                image_paths(&self.item.source, &self.reach, usize::try_from(most).unwrap_or(usize::MAX))
            }
            SourceFormat::TfRecord => record_files(&self.item.source, &self.reach),
        }
    }

    fn open(&self, files: Vec<(String, Version)>) -> Batches {
        let reach = self.reach.clone();
        match (self.item.format, &self.item.image) {
            (SourceFormat::TfRecord, Some(image)) => Batches::Records(Box::new(RecordImages::new(files, image, reach))),
            _ => Batches::Images(ImageFiles::new(files, reach)),
        }
    }

    /// What is done with each image; nothing where it is not decoded.
    fn steps(&self) -> Option<String> {
        let Settings { decode, width, height, .. } = *self.settings;
        let decoding = "image_decode(rgb, apply, null, fast)";
        match self.item.format {
            _ if !decode => None,
            SourceFormat::Images => {
                Some(format!("{decoding} | image_resize({width}, {height}, cover, bilinear, true)"))
            }
            SourceFormat::TfRecord => Some(decoding.to_string()),
        }
    }

    /// Decodes images, and says how many can't be.
    fn decode(&self, steps: &str, contents: &BinaryArray) -> Result<usize> {
        let batch = RecordBatch::try_from_iter([("content", Arc::new(contents.clone()) as ArrayRef)])?;
        let mut rejected = 0;
        // On this thread alone, whatever others there are.
        let mut config_options = ConfigOptions::default();
        config_options.execution.target_partitions = 1;
        let config_options = Arc::new(config_options);
        // Pixels of a batch of large photos are more than memory may hold.
        for part in cut_by_decoded_size(&batch, &[contents], self.options.decoded_batch_bytes()) {
            let rows = part.num_rows();
            let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
            let steps = ScalarValue::from(steps);
            let images = pixmill_udfs::image_pipeline().invoke_with_args(ScalarFunctionArgs {
                arg_fields: vec![
                    field("content", part.column(0).data_type().clone()),
                    field("steps", steps.data_type()),
                ],
                args: vec![ColumnarValue::Array(Arc::clone(part.column(0))), ColumnarValue::Scalar(steps)],
                number_rows: rows,
                return_field: field("image", pixmill_udfs::image_type()),
                config_options: Arc::clone(&config_options),
            })?;
            rejected += images.into_array(rows)?.null_count();
        }
        Ok(rejected)
    }

    fn ended_early(&self, read: u64) -> Option<String> {
        let asked = self.item.batch_size.saturating_mul(self.item.batch_number);
        (read < asked).then(|| format!("stopped early: the source has {read} of {asked} images"))
    }

    /// What the page cache still held although it was asked to drop it.
    fn not_cold(&self, measured: &Measured, undropped: Option<String>) -> Option<String> {
        if !self.settings.cold {
            return None;
        }
        match (undropped, measured.disk_bytes) {
            (Some(reason), _) => Some(format!("not dropped from the page cache: {reason}")),
            (None, None) => Some("the system doesn't tell whether files were dropped from the page cache".to_string()),
            (None, Some(_)) if measured.cache == Some(CacheState::Warm) => Some(
                "dropping the files from the page cache had no effect: less than half of the bytes came from a disk"
                    .to_string(),
            ),
            (None, Some(_)) => None,
        }
    }
}

/// Drops files from the page cache; what could not be, in words.
fn drop_all(files: &[(String, Version)]) -> Option<String> {
    let mut failed: HashMap<String, (usize, &str)> = HashMap::new();
    for (path, _) in files {
        let dropped = match local_path(path) {
            Some(local) => drop_cached(&local).map_err(|error| error.to_string()),
            None => Err("not a local path".to_string()),
        };
        if let Err(reason) = dropped {
            failed.entry(reason).or_insert((0, path)).0 += 1;
        }
    }
    let all = files.len();
    let (reason, (files, first)) = failed.into_iter().max_by_key(|(_, (files, _))| *files)?;
    Some(format!("{files} of {all} files, such as '{first}': {reason}"))
}

/// The images of a source, one after the other.
enum Batches {
    Images(ImageFiles),
    Records(Box<RecordImages>),
}

impl Batches {
    /// The next images: at least one, at most so many, and no more than fit into so many bytes; `None` at the end.
    fn next(&mut self, most_images: u64, most_bytes: usize) -> Result<Option<BinaryArray>> {
        let most_images = usize::try_from(most_images).unwrap_or(usize::MAX);
        match self {
            Self::Images(files) => files.next(most_images, most_bytes),
            Self::Records(records) => records.next(most_images, most_bytes),
        }
    }

    /// Bytes that have been read.
    fn bytes(&self) -> u64 {
        match self {
            Self::Images(files) => files.bytes(),
            Self::Records(records) => records.bytes(),
        }
    }
}
