//! Rows to row groups of a Parquet file.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, StringArray, StructArray, UInt64Array, new_null_array,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options, take_record_batch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, internal_err};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::parquet::file::properties::{CdcOptions, EnabledStatistics, WriterProperties};
use datafusion::parquet::schema::types::ColumnPath;

use super::features::{file_schema, image_fields, is_image};
use super::options::ParquetOptions;
use crate::sink::encode::{Encoder, Place, Rejection};
use crate::sink::{FormatOptions, Target};

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
    /// Columns of images.
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

    fn prepare(target: &Target, batch: &RecordBatch, _: Place) -> Result<FileRows> {
        target.check_classes(batch)?;
        let options = options(target)?;
        let schema = Arc::new(file_schema(target, options)?);
        let names = file_names(target, batch);
        let mut columns: Vec<ArrayRef> = Vec::new();
        let mut images = Vec::new();
        for (index, field) in target.feature_columns().zip(schema.fields()) {
            let column = batch.column(index);
            if is_image(options, batch.schema().field(index)) {
                let bytes = cast(column, &DataType::Binary)?;
                images.push((field.name().clone(), Arc::clone(&bytes)));
                let nulls = bytes.nulls().cloned();
                columns.push(Arc::new(StructArray::try_new(image_fields(), vec![bytes, Arc::clone(&names)], nulls)?));
            } else {
                columns.push(cast(column, field.data_type())?);
            }
        }
        let sizes = sizes(&columns, batch.num_rows(), &images);
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

/// As `datasets` writes: page index, chunks by content, images neither compressed nor looked into.
fn properties(options: &ParquetOptions, schema: &SchemaRef) -> WriterProperties {
    let [compression, of_images] = options.compression.codecs();
    let chunks = CdcOptions::default();
    let chunks_text = format!(
        r#"{{"min_chunk_size": {}, "max_chunk_size": {}, "norm_level": {}}}"#,
        chunks.min_chunk_size, chunks.max_chunk_size, chunks.norm_level
    );
    let mut metadata = vec![KeyValue::new("content_defined_chunking".to_string(), chunks_text)];
    metadata.extend(schema.metadata().iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())));
    let mut builder = WriterProperties::builder()
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_content_defined_chunking(Some(chunks))
        .set_key_value_metadata(Some(metadata))
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

/// Bytes of each row: those of its images, and its share of the other columns.
fn sizes(columns: &[ArrayRef], rows: usize, images: &[(String, ArrayRef)]) -> Vec<u64> {
    let is_image = |column: &&ArrayRef| *column.data_type() == DataType::Struct(image_fields());
    let others = columns.iter().filter(|column| !is_image(column));
    let share: usize =
        others.map(|column| column.to_data().get_slice_memory_size().unwrap_or_default() / rows.max(1) + 1).sum();
    let mut sizes = vec![share as u64; rows];
    for (_, bytes) in images {
        let bytes = bytes.as_binary::<i32>();
        for (size, length) in sizes.iter_mut().zip(bytes.offsets().lengths()) {
            *size += length as u64;
        }
    }
    sizes
}

/// A cast that fails where a value has no place in the other type, instead of making it NULL.
fn cast(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    match column.data_type() == data_type {
        true => Ok(Arc::clone(column)),
        false => cast_with_options(column, data_type, &CastOptions { safe: false, ..CastOptions::default() }),
    }
}
