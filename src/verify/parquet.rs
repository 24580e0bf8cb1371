//! Parquet shards: every row read, image columns decoded.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, RecordBatch, StructArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::file::reader::ChunkReader;

use super::labels::{self, Label};
use super::places::Places;
use super::report::{FaultKind, FaultPlace};
use super::shard::ShardCheck;
use crate::storage::Parts;

/// The most rows, and about the most bytes, that are read at once.
const BATCH_ROWS: u64 = 64;
const BATCH_BYTES: u64 = 32 << 20;

/// Checks a file.
pub(super) fn check(path: &Path, places: &Places, shard: &mut ShardCheck<'_>) {
    shard.report.format = Some("parquet");
    // The reader is somebody else's: its panic is the file's fault, not the end of the check.
    let message = match pixmill_udfs::catch_panic(|| open(path, places, shard)) {
        Ok(Ok(())) => return,
        Ok(Err(message)) => message,
        Err(panic) => format!("the Parquet reader panicked: {panic}"),
    };
    let records = shard.report.records;
    let place = (records > 0).then_some(FaultPlace { record: records, offset: None });
    shard.fault(FaultKind::Corrupted, place, message);
}

fn open(path: &Path, places: &Places, shard: &mut ShardCheck<'_>) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    match places.parts(path).map_err(unreadable)? {
        Some(object) => read(object, shard),
        None => read(File::open(path).map_err(unreadable)?, shard),
    }
}

fn read<R: ChunkReader + 'static>(file: R, shard: &mut ShardCheck<'_>) -> Result<(), String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("cannot be read as Parquet: {error}");
    let builder = ParquetRecordBatchReaderBuilder::try_new(Parts(file)).map_err(|error| unreadable(&error))?;
    let stated = builder.metadata().file_metadata().num_rows();
    let schema = Arc::clone(builder.schema());
    let groups = builder.metadata().row_groups().iter();
    let rows = batch_rows(groups.map(|group| (group.total_byte_size(), group.num_rows())));
    let reader = builder.with_batch_size(rows).build().map_err(|error| unreadable(&error))?;
    // What has no type differs from nothing.
    for field in schema.fields().iter().filter(|field| !field.data_type().is_null()) {
        shard.add_column(field.name(), &field.data_type().to_string());
    }
    for batch in reader {
        let batch = batch.map_err(|error| unreadable(&error))?;
        check_batch(&batch, shard)?;
    }
    if u64::try_from(stated) != Ok(shard.report.records) {
        let message = format!("its footer says {stated} rows, it holds {}", shard.report.records);
        shard.fault(FaultKind::Corrupted, None, message);
    }
    Ok(())
}

/// How many rows are read at once, by the bytes and rows of the row groups: what those with the largest rows allow.
fn batch_rows(groups: impl Iterator<Item = (i64, i64)>) -> usize {
    let row_bytes = groups.map(|(bytes, rows)| bytes.max(0).unsigned_abs() / rows.max(1).unsigned_abs());
    let rows = BATCH_BYTES / row_bytes.max().unwrap_or(0).max(1);
    usize::try_from(rows.clamp(1, BATCH_ROWS)).unwrap_or(1)
}

/// Whether a column of an Arrow type may be what the manifest says; of types that aren't known here, every one may.
pub(super) fn may_be(data_type: &str, stated: &str) -> bool {
    const SCALARS: [(&str, &str); 17] = [
        ("Boolean", "bool"),
        ("Int8", "int8"),
        ("Int16", "int16"),
        ("Int32", "int32"),
        ("Int64", "int64"),
        ("UInt8", "uint8"),
        ("UInt16", "uint16"),
        ("UInt32", "uint32"),
        ("UInt64", "uint64"),
        ("Float16", "float16"),
        ("Float32", "float32"),
        ("Float64", "float64"),
        ("Utf8", "string"),
        ("LargeUtf8", "large_string"),
        ("Binary", "binary"),
        ("LargeBinary", "large_binary"),
        ("Date32", "date32"),
    ];
    let scalar = SCALARS.iter().find(|(name, _)| *name == data_type).map(|(_, scalar)| *scalar);
    match stated {
        "Image" => data_type.starts_with("Struct("),
        "ClassLabel" => scalar.is_some_and(|scalar| scalar.contains("int")),
        list if list.starts_with("List(") => scalar.is_none(),
        stated if SCALARS.iter().any(|(_, scalar)| *scalar == stated) => scalar == Some(stated),
        _ => true,
    }
}

fn check_batch(batch: &RecordBatch, shard: &mut ShardCheck<'_>) -> Result<(), String> {
    let first = shard.report.records;
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let name = field.name();
        let kind = field.data_type().to_string();
        for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
            let place = FaultPlace { record: first + row as u64, offset: None };
            shard.add_feature(name, &kind, place, value_count(column, row));
        }
        check_column(name, column, first, shard)?;
    }
    for row in 0..batch.num_rows() {
        let place = FaultPlace { record: first + row as u64, offset: None };
        shard.end_record(place, |label| batch.column_by_name(label).is_some_and(|column| column.is_valid(row)));
    }
    shard.report.records += batch.num_rows() as u64;
    Ok(())
}

/// How many values a row of a list has; `None` for what is no list.
fn value_count(column: &ArrayRef, row: usize) -> Option<usize> {
    fn length<O: OffsetSizeTrait>(list: &GenericListArray<O>, row: usize) -> usize {
        list.value_length(row).as_usize()
    }
    match column.data_type() {
        DataType::List(_) => Some(length(column.as_list::<i32>(), row)),
        DataType::LargeList(_) => Some(length(column.as_list::<i64>(), row)),
        _ => None,
    }
}

/// Looks at images and labels: columns of bytes, of the struct of Hugging Face's images, of integers and of text.
fn check_column(name: &str, column: &ArrayRef, first: u64, shard: &mut ShardCheck<'_>) -> Result<(), String> {
    match column.data_type() {
        DataType::Struct(_) => {
            if let Some(bytes) = image_bytes(column.as_struct()) {
                add_bytes(name, bytes, first, shard)?;
            }
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => add_bytes(name, column, first, shard)?,
        kind if kind.is_integer() => {
            let numbers = cast(column, &DataType::Int64).map_err(|error| error.to_string())?;
            for number in numbers.as_primitive::<Int64Type>().iter().flatten() {
                shard.add_label(name, || Some(Label::Number(number)));
            }
        }
        kind if kind.is_string() => {
            let texts = cast(column, &DataType::LargeUtf8).map_err(|error| error.to_string())?;
            for text in texts.as_string::<i64>().iter().flatten() {
                shard.add_label(name, || labels::text(text.as_bytes()));
            }
        }
        _ => {}
    }
    Ok(())
}

/// The bytes of a `struct<bytes, path>` column.
fn image_bytes(column: &StructArray) -> Option<&ArrayRef> {
    column.column_by_name("path")?;
    column.column_by_name("bytes")
}

fn add_bytes(name: &str, column: &ArrayRef, first: u64, shard: &mut ShardCheck<'_>) -> Result<(), String> {
    let bytes = cast(column, &DataType::LargeBinary).map_err(|error| error.to_string())?;
    for (row, value) in bytes.as_binary::<i64>().iter().enumerate() {
        if let Some(value) = value {
            let place = FaultPlace { record: first + row as u64, offset: None };
            shard.add_bytes(name, place, value, true);
            shard.add_label(name, || labels::text(value));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rows_are_read_a_few_at_a_time() {
        let rows = |groups: &[(i64, i64)]| batch_rows(groups.iter().copied());
        assert_eq!(rows(&[(200 * 40, 200)]), 64);
        assert_eq!(rows(&[(200 * 40, 200), (10 * 12_000_000, 10)]), 2);
        assert_eq!(rows(&[(40 << 20, 1)]), 1);
        // A footer may say anything.
        assert_eq!([rows(&[]), rows(&[(-1, -1), (5, 0)]), rows(&[(i64::MAX, i64::MIN)])], [64, 64, 1]);
    }

    #[test]
    fn types_are_compared_with_what_the_manifest_calls_them() {
        let same = [
            ("Int64", "int64"),
            ("Int64", "ClassLabel"),
            ("Utf8", "string"),
            ("Struct(\"bytes\": Binary, \"path\": Utf8)", "Image"),
            ("List(Float64)", "List(float64)"),
            ("Timestamp(ms)", "timestamp[ms]"),
        ];
        assert!(same.iter().all(|(data_type, stated)| may_be(data_type, stated)));
        let other = [
            ("Int32", "int64"),
            ("Utf8", "ClassLabel"),
            ("Binary", "Image"),
            ("Float64", "List(float64)"),
            ("List(Float64)", "float64"),
        ];
        assert!(!other.iter().any(|(data_type, stated)| may_be(data_type, stated)));
    }
}
