//! Work items: which records of which file a partition reads.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::Result;

use super::beside::indexes;
use super::options::OnCorrupt;
use crate::format::tfrecord::{Index, RecordOffset};
use crate::source::Partitions;
use crate::source::shards::{ShardPath, Shards};
use crate::source::work::group;
use crate::storage::Version;

/// Bytes that are worth a partition of their own.
const LEAST_PARTITION_BYTES: u64 = 1 << 20;

/// Records of one file that follow each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) path: String,
    /// The file as it was listed.
    pub(super) version: Version,
    /// Bytes of the file that this item stands for, in what progress shows.
    pub(super) bytes: u64,
    /// Reading begins here, where a record starts.
    pub(super) place: RecordOffset,
    /// The number of the first record that is read.
    pub(super) first: u64,
    /// How many there are, where that is known.
    pub(super) records: Option<u64>,
    /// Reading goes on to the end of the file, where a fault may be.
    pub(super) reads_on: bool,
    /// The values of the directory columns.
    pub(super) directories: Vec<Option<String>>,
}

/// The columns of work items, the directory columns behind the others.
pub(super) fn items_schema(directory_columns: &[String]) -> SchemaRef {
    let integer = |name: &str, is_nullable| Field::new(name, DataType::Int64, is_nullable);
    let mut fields = vec![
        Field::new("path", DataType::Utf8, false),
        integer("file_bytes", false),
        Field::new("etag", DataType::Utf8, true),
        integer("bytes", false),
        integer("offset", false),
        integer("skip", false),
        integer("first", false),
        integer("records", true),
        Field::new("reads_on", DataType::Boolean, false),
    ];
    fields.extend(directory_columns.iter().map(|name| Field::new(name, DataType::Utf8, true)));
    Arc::new(Schema::new(fields))
}

/// How many of the columns aren't directories'.
const FIXED_COLUMNS: usize = 9;

/// Items as rows.
pub(super) fn to_batch(items: &[Item], schema: &SchemaRef) -> Result<RecordBatch> {
    let integers = |value: &dyn Fn(&Item) -> Option<u64>| -> ArrayRef {
        let values = items.iter().map(|item| value(item).and_then(|value| i64::try_from(value).ok()));
        Arc::new(values.collect::<Int64Array>())
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(items.iter().map(|item| &item.path))),
        integers(&|item| Some(item.version.bytes)),
        Arc::new(items.iter().map(|item| item.version.etag.as_deref()).collect::<StringArray>()),
        integers(&|item| Some(item.bytes)),
        integers(&|item| Some(item.place.offset)),
        integers(&|item| Some(item.place.skip)),
        integers(&|item| Some(item.first)),
        integers(&|item| item.records),
        Arc::new(items.iter().map(|item| Some(item.reads_on)).collect::<BooleanArray>()),
    ];
    for index in 0..schema.fields().len() - FIXED_COLUMNS {
        let values = items.iter().map(|item| item.directories[index].as_deref());
        columns.push(Arc::new(values.collect::<StringArray>()));
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Rows as items.
pub(super) fn from_batch(batch: &RecordBatch) -> Vec<Item> {
    let integer = |column: usize, row: usize| {
        let column = batch.column(column).as_primitive::<Int64Type>();
        column.is_valid(row).then(|| column.value(row).unsigned_abs())
    };
    let text = |column: &ArrayRef, row: usize| {
        let column = column.as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_string())
    };
    let item = |row: usize| Item {
        path: batch.column(0).as_string::<i32>().value(row).to_string(),
        version: Version { bytes: integer(1, row).unwrap_or(0), etag: text(batch.column(2), row) },
        bytes: integer(3, row).unwrap_or(0),
        place: RecordOffset { offset: integer(4, row).unwrap_or(0), skip: integer(5, row).unwrap_or(0) },
        first: integer(6, row).unwrap_or(0),
        records: integer(7, row),
        reads_on: batch.column(8).as_boolean().value(row),
        directories: batch.columns()[FIXED_COLUMNS..].iter().map(|column| text(column, row)).collect(),
    };
    (0..batch.num_rows()).map(item).collect()
}

/// The items of all partitions.
pub(super) fn partition(
    files: &Shards,
    directory_columns: &[String],
    partitions: Partitions,
    cores: usize,
    on_corrupt: OnCorrupt,
) -> Result<Vec<Vec<Item>>> {
    let whole = |file: &ShardPath| Item {
        path: file.shown.clone(),
        version: file.version.clone(),
        bytes: file.version.bytes,
        place: RecordOffset { offset: 0, skip: 0 },
        first: 0,
        records: file.records,
        reads_on: true,
        directories: directory_columns.iter().map(|name| file.directories.get(name).cloned().flatten()).collect(),
    };
    if files.files.is_empty() {
        return Ok(vec![Vec::new()]);
    }
    match partitions {
        Partitions::BySize => Ok(files.files.iter().map(|file| vec![whole(file)]).collect()),
        Partitions::Exactly(count) => {
            let indexes = indexes(files, true, on_corrupt)?.into_iter().map(Option::unwrap_or_default);
            Ok(cut(&files.files.iter().map(whole).zip(indexes).collect::<Vec<_>>(), count))
        }
        Partitions::Auto => {
            let bytes: u64 = files.files.iter().map(|file| file.version.bytes).sum();
            let most = usize::try_from(bytes / LEAST_PARTITION_BYTES).unwrap_or(usize::MAX).max(1);
            let count = cores.min(most);
            if files.files.len() < 4 * count {
                let indexes = indexes(files, false, on_corrupt)?;
                if let Some(indexes) = indexes.into_iter().collect::<Option<Vec<_>>>() {
                    return Ok(cut(&files.files.iter().map(whole).zip(indexes).collect::<Vec<_>>(), count));
                }
            }
            Ok(group(files.files.iter().map(whole).collect(), |item: &Item| item.bytes, count))
        }
    }
}

/// Cuts the records of all files, in their order, into parts whose counts differ by one at most.
fn cut(files: &[(Item, Index)], count: usize) -> Vec<Vec<Item>> {
    let total: u64 = files.iter().map(|(_, index)| index.records()).sum();
    let count = count as u64;
    let (least, more) = (total / count, total % count);
    let mut partitions = vec![Vec::new(); count as usize];
    let (mut partition, mut room) = (0, least + u64::from(more > 0));
    for (file, index) in files {
        let mut first = 0;
        // A file without a whole record is still looked at, so that its fault is told.
        loop {
            while room == 0 && partition + 1 < count {
                partition += 1;
                room = least + u64::from(partition < more);
            }
            let records = room.min(index.records() - first);
            let is_last = first + records == index.records();
            let bytes = match index.records() {
                0 => file.bytes,
                all => (u128::from(file.bytes) * u128::from(records) / u128::from(all)) as u64,
            };
            partitions[partition as usize].push(Item {
                bytes,
                place: index.place(first),
                first,
                records: Some(records),
                reads_on: is_last,
                ..file.clone()
            });
            first += records;
            room -= records;
            if is_last {
                break;
            }
        }
    }
    partitions
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(path: &str, bytes: u64) -> Item {
        Item {
            path: path.to_string(),
            version: Version { bytes, etag: (bytes == 6).then(|| "a".to_string()) },
            bytes,
            place: RecordOffset { offset: 0, skip: 0 },
            first: 0,
            records: None,
            reads_on: true,
            directories: vec![Some("train".to_string()), None],
        }
    }

    #[test]
    fn items_survive_being_rows() {
        let items = vec![file("a", 5), Item { records: Some(7), first: 64, reads_on: false, ..file("b", 6) }];
        let schema = items_schema(&["split".to_string(), "label".to_string()]);
        assert_eq!(from_batch(&to_batch(&items, &schema).expect("rows")), items);
    }

    proptest! {
        #[test]
        fn every_record_is_in_one_part(counts in prop::collection::vec(0_u64..300, 1..6), parts in 1_usize..20) {
            let files: Vec<_> = counts.iter().map(|count| (file("f", 100 * count), Index::of_records(*count))).collect();
            let partitions = cut(&files, parts);
            prop_assert_eq!(partitions.len(), parts);
            let mut read = Vec::new();
            let mut sizes = Vec::new();
            let (mut index, mut next) = (0, 0);
            for items in &partitions {
                let mut size = 0;
                for item in items {
                    prop_assert_eq!(item.first, next);
                    let records = item.records.unwrap_or(0);
                    prop_assert_eq!(item.place.skip, item.first);
                    size += records;
                    next += records;
                    if item.reads_on {
                        read.push(next);
                        (index, next) = (index + 1, 0);
                    }
                }
                sizes.push(size);
            }
            prop_assert_eq!(&read, &counts);
            let (least, most) = (sizes.iter().min().copied().unwrap_or(0), sizes.iter().max().copied().unwrap_or(0));
            prop_assert!(most - least <= 1, "{:?}", sizes);
        }
    }
}
