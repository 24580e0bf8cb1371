//! Work items: the combinations of source, batch size and batch number, each of which is a task.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::{Result, plan_err};
use serde::{Deserialize, Serialize};

use super::options::SpeedTestOptions;
use crate::format::kind::FileKind;
use crate::source::images::images_at;
use crate::source::tfrecord::records_at;
use crate::storage::Reach;

/// What a source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SourceFormat {
    /// Image files.
    Images,
    /// Records, each with an image.
    TfRecord,
}

impl SourceFormat {
    /// Its name in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::TfRecord => "tfrecord",
        }
    }
}

/// A combination to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) source: String,
    pub(super) format: SourceFormat,
    /// The feature of records that holds the image.
    pub(super) image: Option<String>,
    pub(super) batch_size: u64,
    pub(super) batch_number: u64,
    /// Images of the whole source, where that is known.
    pub(super) dataset_images: Option<u64>,
    pub(super) dataset_bytes: u64,
}

impl Item {
    /// The images that a repetition is to read, as far as there are so many.
    pub(super) fn images(&self) -> u64 {
        self.batch_size.saturating_mul(self.batch_number).min(self.dataset_images.unwrap_or(u64::MAX))
    }

    /// About how many bytes that are; nothing where nobody knows.
    pub(super) fn bytes(&self) -> u64 {
        let (images, all) = (u128::from(self.images()), u128::from(self.dataset_images.unwrap_or(0)));
        u64::try_from(u128::from(self.dataset_bytes) * images / all.max(1)).unwrap_or(0) * u64::from(all > 0)
    }
}

/// The columns of work items.
pub(super) fn items_schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        text("source"),
        text("format"),
        text("image"),
        number("batch_size"),
        number("batch_number"),
        number("dataset_images"),
        number("dataset_bytes"),
    ]))
}

/// An item as a row.
pub(super) fn to_batch(item: &Item) -> Result<RecordBatch> {
    let text = |text: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let number = |number: Option<u64>| -> ArrayRef {
        Arc::new(Int64Array::from(vec![number.and_then(|number| i64::try_from(number).ok())]))
    };
    let columns = vec![
        text(Some(&item.source)),
        text(Some(item.format.name())),
        text(item.image.as_deref()),
        number(Some(item.batch_size)),
        number(Some(item.batch_number)),
        number(item.dataset_images),
        number(Some(item.dataset_bytes)),
    ];
    Ok(RecordBatch::try_new(items_schema(), columns)?)
}

/// Rows as items.
pub(super) fn from_batch(batch: &RecordBatch) -> Vec<Item> {
    let text = |column: usize, row: usize| {
        let column = batch.column(column).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_string())
    };
    let number = |column: usize, row: usize| {
        let column = batch.column(column).as_primitive::<Int64Type>();
        column.is_valid(row).then(|| column.value(row).unsigned_abs())
    };
    let item = |row: usize| Item {
        source: text(0, row).unwrap_or_default(),
        format: match text(1, row).as_deref() {
            Some("tfrecord") => SourceFormat::TfRecord,
            _ => SourceFormat::Images,
        },
        image: text(2, row),
        batch_size: number(3, row).unwrap_or(0),
        batch_number: number(4, row).unwrap_or(0),
        dataset_images: number(5, row),
        dataset_bytes: number(6, row).unwrap_or(0),
    };
    (0..batch.num_rows()).map(item).collect()
}

/// All combinations. Sources alternate, so that what drifts while they are measured touches each of them alike.
pub(super) fn combinations(options: &SpeedTestOptions, reach: &Reach) -> Result<Vec<Item>> {
    let looked_at: Result<Vec<Item>> =
        options.sources.iter().map(|source| look_at(source, options.image.as_deref(), reach)).collect();
    let looked_at = looked_at?;
    let mut items = Vec::new();
    for batch_size in &options.batch_sizes {
        for batch_number in &options.batch_numbers {
            let sized = |item: &Item| Item {
                batch_size: *batch_size as u64,
                batch_number: *batch_number as u64,
                ..item.clone()
            };
            items.extend(looked_at.iter().map(sized));
        }
    }
    Ok(items)
}

/// What a source is and holds; of no size yet.
fn look_at(source: &str, image: Option<&str>, reach: &Reach) -> Result<Item> {
    let format = match kind(source, reach)? {
        None | Some(FileKind::Image) => SourceFormat::Images,
        Some(FileKind::TfRecord) => SourceFormat::TfRecord,
        Some(other) => {
            return plan_err!(
                "speed_test: '{source}' holds {} files; it reads image files and TFRecord shards",
                other.name()
            );
        }
    };
    let item = |image: Option<String>, dataset_images: Option<u64>, dataset_bytes: u64| Item {
        source: source.to_string(),
        format,
        image,
        batch_size: 0,
        batch_number: 0,
        dataset_images,
        dataset_bytes,
    };
    Ok(match format {
        SourceFormat::Images => {
            let (images, bytes) = images_at(source, reach)?;
            item(None, Some(images), bytes)
        }
        SourceFormat::TfRecord => {
            let records = records_at(source, image, reach)?;
            item(Some(records.image), records.records, records.bytes)
        }
    })
}

/// What the first file is that tells.
fn kind(source: &str, reach: &Reach) -> Result<Option<FileKind>> {
    let mut kind = None;
    reach.find(source, &mut |found| {
        kind = FileKind::of_data(&found.path);
        kind.is_none()
    })?;
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_survive_being_rows_and_know_how_much_they_read() {
        let item = Item {
            source: "shards".to_string(),
            format: SourceFormat::TfRecord,
            image: Some("image".to_string()),
            batch_size: 4,
            batch_number: 3,
            dataset_images: None,
            dataset_bytes: 5000,
        };
        assert_eq!(from_batch(&to_batch(&item).expect("a row")), std::slice::from_ref(&item));
        assert_eq!((item.images(), item.bytes()), (12, 0));
        let known = Item { dataset_images: Some(10), ..item.clone() };
        assert_eq!((known.images(), known.bytes()), (10, 5000));
        let larger = Item { dataset_images: Some(100), ..item };
        assert_eq!((larger.images(), larger.bytes()), (12, 600));
    }
}
