//! Rows to row groups of a Parquet file.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch, StringArray, StructArray, UInt64Array, new_null_array,
};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{Result, internal_err};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::schema::types::ColumnPath;

use super::features::{file_schema, image_fields, is_image};
use super::options::ParquetOptions;
use crate::sink::cast::cast;
use crate::sink::encode::{Encoder, FirstRow, Rejection};
use crate::sink::{FormatOptions, Target, is_made_of_images};

/// The most rows of a row group, for rows of few bytes.
const ROW_GROUP_ROWS: usize = 10_000;

/// Collects rows to row groups.
pub(crate) struct ParquetEncoder {
    writer: ArrowWriter<Vec<u8>>,
    row_group_bytes: u64,
    /// Rows of the batch under way that belong to this shard.
    pending: Vec<u64>,
    /// Rows and bytes of the row group under way.
    rows: usize,
    bytes: u64,
}

/// A batch as it stands in the file.
pub(crate) struct FileRows {
    batch: RecordBatch,
    /// Bytes of each row.
    sizes: Vec<u64>,
    /// Columns of images, as files or as what was made of them, which have no NULL.
    images: Vec<(String, ArrayRef)>,
}

fn options(target: &Target) -> Result<&ParquetOptions> {
    match &target.options.format {
        FormatOptions::Parquet(options) => Ok(options),
        other => internal_err!("options of Parquet, got {other:?}"),
    }
}

impl Encoder for ParquetEncoder {
    type Rows = FileRows;

    fn start(target: &Target) -> Result<Self> {
        let options = options(target)?;
        let schema: SchemaRef = Arc::new(file_schema(target, options)?);
        let properties = properties(options, &schema);
        Ok(Self {
            writer: ArrowWriter::try_new(Vec::new(), schema, Some(properties))?,
            row_group_bytes: options.row_group_bytes,
            pending: Vec::new(),
            rows: 0,
            bytes: 0,
        })
    }

    fn prepare(target: &Target, batch: &RecordBatch, _: FirstRow) -> Result<FileRows> {
        target.check_classes(batch)?;
        let options = options(target)?;
        let schema = Arc::new(file_schema(target, options)?);
        let names = file_names(target, batch);
        let mut columns: Vec<ArrayRef> = Vec::new();
        let mut images = Vec::new();
        for (index, field) in target.feature_columns().zip(schema.fields()) {
            let column = batch.column(index);
            if is_image(target, options, batch.schema().field(index)) {
                let bytes = cast(field.name(), column, &DataType::Binary)?;
                images.push((field.name().clone(), Arc::clone(&bytes)));
                let nulls = bytes.nulls().cloned();
                columns.push(Arc::new(StructArray::try_new(image_fields(), vec![bytes, Arc::clone(&names)], nulls)?));
            } else {
                if is_made_of_images(batch.schema().field(index)) {
                    images.push((field.name().clone(), Arc::clone(column)));
                }
                columns.push(cast(field.name(), column, field.data_type())?);
            }
        }
        let sizes = sizes(&columns, batch.num_rows());
        Ok(FileRows { batch: RecordBatch::try_new(schema, columns)?, sizes, images })
    }

    fn rejection(rows: &FileRows, row: usize) -> Option<Rejection> {
        let missing = rows.images.iter().find(|(_, bytes)| bytes.is_null(row));
        missing.map(|(column, _)| Rejection::null_image(column))
    }

    fn append(&mut self, rows: &FileRows, row: usize, open: usize, out: &mut Vec<u8>) -> Result<()> {
        let size = rows.sizes[row];
        // The shards of a partition that are open at the same time hold together what one may hold.
        let most = self.row_group_bytes / open.max(1) as u64;
        if self.rows > 0 && (self.bytes + size > most || self.rows == ROW_GROUP_ROWS) {
            self.write_pending(rows)?;
            self.writer.flush()?;
            out.append(self.writer.inner_mut());
            (self.rows, self.bytes) = (0, 0);
        }
        self.pending.push(row as u64);
        self.rows += 1;
        self.bytes += size;
        Ok(())
    }

    fn end_batch(&mut self, rows: &FileRows, _: &mut Vec<u8>) -> Result<()> {
        self.write_pending(rows)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.writer.finish()?;
        out.append(self.writer.inner_mut());
        Ok(())
    }
}

impl ParquetEncoder {
    fn write_pending(&mut self, rows: &FileRows) -> Result<()> {
        let (Some(first), Some(last)) = (self.pending.first(), self.pending.last()) else { return Ok(()) };
        let is_run = (last - first) as usize + 1 == self.pending.len();
        let batch = match is_run {
            // Neighbours are written from where they are.
            true => rows.batch.slice(*first as usize, self.pending.len()),
            false => take_record_batch(&rows.batch, &UInt64Array::from_iter_values(self.pending.iter().copied()))?,
        };
        self.writer.write(&batch)?;
        self.pending.clear();
        Ok(())
    }
}

/// As `datasets` writes: page index, and images neither compressed nor looked into.
fn properties(options: &ParquetOptions, schema: &SchemaRef) -> WriterProperties {
    let [compression, of_images] = options.compression.codecs();
    let metadata = schema.metadata().iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let mut builder = WriterProperties::builder()
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_key_value_metadata(Some(metadata.collect()))
        // Whether a page is full is asked after every value, so that pages don't depend on how rows come in batches.
        .set_write_batch_size(1)
        // This file cuts row groups, by the bytes of rows.
        .set_max_row_group_row_count(None)
        .set_max_row_group_bytes(None);
    let is_image = |data_type: &DataType| *data_type == DataType::Struct(image_fields());
    for field in schema.fields().iter().filter(|field| is_image(field.data_type())) {
        let column = ColumnPath::new(vec![field.name().clone(), "bytes".to_string()]);
        builder = builder
            .set_column_compression(column.clone(), of_images)
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    builder.build()
}

/// The names of the rows' files, without their folders, as `datasets` stores them; NULL where they aren't known.
fn file_names(target: &Target, batch: &RecordBatch) -> ArrayRef {
    let paths = target.reject_columns.and_then(|[path, ..]| batch.column(path).as_string_opt::<i32>());
    match paths {
        Some(paths) => {
            let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_string();
            Arc::new(paths.iter().map(|path| path.map(name)).collect::<StringArray>())
        }
        None => new_null_array(&DataType::Utf8, batch.num_rows()),
    }
}

/// Bytes of each row, whatever batch it stands in.
fn sizes(columns: &[ArrayRef], rows: usize) -> Vec<u64> {
    (0..rows).map(|row| columns.iter().map(|column| size(column, row, row + 1) as u64).sum()).collect()
}

/// Bytes of the values from one row to another.
fn size(column: &ArrayRef, from: usize, to: usize) -> usize {
    fn between<O: OffsetSizeTrait>(offsets: &[O], from: usize, to: usize) -> (usize, usize) {
        (offsets[from].as_usize(), offsets[to].as_usize())
    }
    let distance = |(from, to): (usize, usize)| to - from;
    match column.data_type() {
        DataType::Binary => distance(between(column.as_binary::<i32>().value_offsets(), from, to)),
        DataType::LargeBinary => distance(between(column.as_binary::<i64>().value_offsets(), from, to)),
        DataType::Utf8 => distance(between(column.as_string::<i32>().value_offsets(), from, to)),
        DataType::LargeUtf8 => distance(between(column.as_string::<i64>().value_offsets(), from, to)),
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            let (from, to) = between(list.value_offsets(), from, to);
            size(list.values(), from, to)
        }
        DataType::LargeList(_) => {
            let list = column.as_list::<i64>();
            let (from, to) = between(list.value_offsets(), from, to);
            size(list.values(), from, to)
        }
        DataType::FixedSizeList(_, length) => {
            let length = usize::try_from(*length).unwrap_or(0);
            size(column.as_fixed_size_list().values(), from * length, to * length)
        }
        DataType::Struct(_) => column.as_struct().columns().iter().map(|column| size(column, from, to)).sum(),
        scalar => (to - from) * scalar.primitive_width().unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, ListArray};
    use datafusion::arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn a_row_has_the_size_of_its_values_in_any_batch() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("abc")]));
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(1)]),
            Some(vec![]),
            Some(vec![Some(1), None]),
        ]);
        let columns: [ArrayRef; 3] = [texts, Arc::new(lists), Arc::new(Int64Array::from(vec![1, 2, 3]))];
        assert_eq!(sizes(&columns, 3), [1 + 8 + 8, 8, 3 + 16 + 8]);
        let slices = columns.map(|column| column.slice(2, 1));
        assert_eq!(sizes(&slices, 1), [3 + 16 + 8]);
    }
}
