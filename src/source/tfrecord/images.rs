//! The images of record files one after the other, on the thread that asks: what a speed test reads.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BinaryArray};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::common::{Result, exec_datafusion_err, internal_datafusion_err, plan_err};

use super::SHARDS;
use super::columns::{Column, FeatureColumn, Misfit, Shape};
use super::infer::infer;
use super::options::{OnCorrupt, RecordType, TfRecordReadOptions};
use super::read::Reading;
use super::rows::RecordRows;
use crate::format::kind::IMAGE_COLUMNS;
use crate::format::tfrecord::{FeatureKind, RecordFile, RecordReader};
use crate::source::shards::{Shards, find};
use crate::storage::{Input, Ranges, Reach, Version};

/// The record files of a location.
pub(in crate::source) struct RecordsAt {
    /// The feature that holds the image.
    pub(in crate::source) image: String,
    /// How many records there are, where a manifest tells.
    pub(in crate::source) records: Option<u64>,
    /// Bytes of the files.
    pub(in crate::source) bytes: u64,
}

/// Looks at what a location has; reads the first record to find its image, where `image` doesn't name it.
///
/// # Errors
/// None, records of another kind, or none of whose features is an image.
pub(in crate::source) fn records_at(location: &str, image: Option<&str>, reach: &Reach) -> Result<RecordsAt> {
    let files = find(SHARDS, location, false, reach)?;
    Ok(RecordsAt {
        image: image_feature(location, image, &files)?,
        records: files.files.iter().map(|file| file.records).sum(),
        bytes: files.files.iter().map(|file| file.version.bytes).sum(),
    })
}

/// The record files of a location.
///
/// # Errors
/// None, or a place that may not be looked into.
pub(in crate::source) fn record_files(location: &str, reach: &Reach) -> Result<Vec<RecordPath>> {
    let files = find(SHARDS, location, false, reach)?.files;
    files.iter().try_for_each(|file| reach.check(&file.shown))?;
    Ok(files.into_iter().map(|file| (file.shown, file.version)).collect())
}

/// The path or URL of a record file, and what was listed of it.
pub(in crate::source) type RecordPath = (String, Version);

/// The feature that holds the image: the one that is named, else one with a usual name, else the only one that looks like an image.
fn image_feature(location: &str, named: Option<&str>, files: &Shards) -> Result<String> {
    let options = TfRecordReadOptions { sample_files: 1, sample_records: 1, ..TfRecordReadOptions::default() };
    let inferred = infer(location, files, &options)?;
    if inferred.record_type != RecordType::Example {
        return plan_err!("speed_test: the records of '{location}' are no tf.train.Example, whose features it reads");
    }
    let features = inferred.columns.iter().filter_map(|column| match column {
        Column::Feature(feature) => Some(feature),
        _ => None,
    });
    let features: Vec<&FeatureColumn> = features.collect();
    let listed = || {
        let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
        format!("its features are {}", names.join(", "))
    };
    let can_be_image = |feature: &&FeatureColumn| feature.kind == FeatureKind::Bytes && feature.shape == Shape::Scalar;
    let candidates = || features.iter().copied().filter(can_be_image);
    if let Some(named) = named {
        return match candidates().any(|feature| feature.name == named) {
            true => Ok(named.to_string()),
            false => plan_err!("speed_test: no record of '{location}' has an image '{named}'; {}", listed()),
        };
    }
    let usual = IMAGE_COLUMNS.iter().find(|name| candidates().any(|feature| feature.name == **name));
    if let Some(usual) = usual {
        return Ok((*usual).to_string());
    }
    let all = files.files.iter().map(|file| (file.shown.clone(), file.version.clone())).collect::<Vec<_>>();
    let mut looking = Vec::new();
    for feature in candidates() {
        let images = RecordImages::new(all.clone(), &feature.name, files.reach.clone()).next(1, 1)?;
        let first = images.as_ref().and_then(|images| images.iter().next().flatten());
        looking.extend(first.filter(|bytes| pixmill_udfs::decoded_bytes(bytes) > 0).map(|_| &feature.name));
    }
    match looking.as_slice() {
        [only] => Ok((*only).clone()),
        _ => plan_err!(
            "speed_test: {} of the records of '{location}' hold images; name one with the option image; {}",
            if looking.is_empty() { "no features" } else { "several features" },
            listed()
        ),
    }
}

/// The images of records, which are read in their order.
pub(in crate::source) struct RecordImages {
    reading: Reading,
    files: VecDeque<RecordPath>,
    reach: Reach,
    current: Option<Current>,
    /// Bytes of records in files that are done with.
    bytes: u64,
}

/// A file being read.
struct Current {
    path: String,
    reader: RecordReader<RecordFile<Input>>,
    records: u64,
}

impl RecordImages {
    /// The images in a feature of these files' records. Nothing is read yet.
    pub(in crate::source) fn new(files: Vec<RecordPath>, image: &str, reach: Reach) -> Self {
        let column = FeatureColumn {
            name: image.to_string(),
            kind: FeatureKind::Bytes,
            shape: Shape::Scalar,
            is_text: false,
            cast: None,
        };
        let schema = Arc::new(Schema::new(vec![Field::new(image, column.data_type(), true)]));
        let reading = Reading {
            columns: vec![Column::Feature(column)],
            schema,
            record_type: RecordType::Example,
            on_corrupt: OnCorrupt::Error,
            directory_columns: Vec::new(),
            classes: None,
        };
        Self { reading, files: files.into(), reach, current: None, bytes: 0 }
    }

    /// The next images: one at least, `most_images` at most, and no more when `most_bytes` are there; `None` at the end. A record
    /// without the feature is a NULL.
    ///
    /// # Errors
    /// A file or record that can't be read, both checksums checked.
    pub(in crate::source) fn next(&mut self, most_images: usize, most_bytes: usize) -> Result<Option<BinaryArray>> {
        let mut rows = RecordRows::new(&self.reading);
        while rows.len() < most_images && (rows.len() == 0 || rows.bytes() < most_bytes) {
            let mut current = match self.current.take() {
                Some(current) => current,
                None => match self.files.pop_front() {
                    Some(file) => open(file, &self.reach)?,
                    None => break,
                },
            };
            match current.step(&mut rows)? {
                true => self.current = Some(current),
                false => self.bytes += current.reader.offset(),
            }
        }
        if rows.len() == 0 {
            return Ok(None);
        }
        let (batch, _) = rows.finish(&super::items::Item::default(), &self.reading)?;
        let images = batch.columns().first().and_then(|column| column.as_binary_opt().cloned());
        images.map(Some).ok_or_else(|| internal_datafusion_err!("an image feature is a column of bytes"))
    }

    /// Bytes of the records that have been read, uncompressed.
    pub(in crate::source) fn bytes(&self) -> u64 {
        self.bytes + self.current.as_ref().map_or(0, |current| current.reader.offset())
    }
}

fn open((path, version): RecordPath, reach: &Reach) -> Result<Current> {
    let opened = reach.open(&path, &version, Ranges::WHOLE).and_then(RecordFile::new);
    let reader = RecordReader::new(opened.map_err(|error| exec_datafusion_err!("cannot read '{path}': {error}"))?);
    Ok(Current { path, reader, records: 0 })
}

impl Current {
    /// Reads a record into `rows`; `false` at the end.
    fn step(&mut self, rows: &mut RecordRows) -> Result<bool> {
        let (record, offset) = (self.records, self.reader.offset());
        let at = |reason: String| exec_datafusion_err!("{}: record {record}: {reason}", self.path);
        let data = match self.reader.next() {
            Ok(Some(data)) => data,
            Ok(None) => return Ok(false),
            Err(error) => return Err(at(error.to_string())),
        };
        rows.push(data, (record, offset)).map_err(|Misfit(reason)| at(reason))?;
        self.records += 1;
        Ok(true)
    }
}
