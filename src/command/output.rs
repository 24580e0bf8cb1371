//! Rows on stdout, in the format that was asked for.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use clap::ValueEnum;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::csv::WriterBuilder;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::json;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::arrow::util::pretty::pretty_format_batches_with_schema;
use indicatif::{HumanBytes, HumanCount};

use crate::error::{Error, Result};

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns; binary values by their size
    Table,
    /// Comma-separated, with a header
    Csv,
    /// One array of objects
    Json,
    /// One object a line
    Jsonl,
    /// A table for Markdown
    Markdown,
}

/// Prints rows as they come; a table when all are there.
pub(super) struct RowPrinter {
    schema: SchemaRef,
    format: Format,
    rows: Vec<RecordBatch>,
    writer: Option<StreamWriter>,
}

enum StreamWriter {
    Csv(Box<datafusion::arrow::csv::Writer<io::Stdout>>),
    Json(json::ArrayWriter<io::Stdout>),
    Jsonl(json::LineDelimitedWriter<io::Stdout>),
}

impl RowPrinter {
    pub(super) fn new(schema: SchemaRef, format: Format) -> Self {
        let stdout = io::stdout();
        let writer = match format {
            Format::Table | Format::Markdown => None,
            Format::Csv => Some(StreamWriter::Csv(Box::new(WriterBuilder::new().with_header(true).build(stdout)))),
            Format::Json => Some(StreamWriter::Json(json::ArrayWriter::new(stdout))),
            Format::Jsonl => Some(StreamWriter::Jsonl(json::LineDelimitedWriter::new(stdout))),
        };
        let has_columns = !schema.fields().is_empty();
        Self { schema, format, rows: Vec::new(), writer: writer.filter(|_| has_columns) }
    }

    pub(super) fn print(&mut self, batch: RecordBatch) -> Result<()> {
        let result = match &mut self.writer {
            // Nested values have no place of their own in CSV: they are written as text.
            Some(StreamWriter::Csv(writer)) => flat(&batch).and_then(|batch| writer.write(&batch)),
            Some(StreamWriter::Json(writer)) => writer.write(&batch),
            Some(StreamWriter::Jsonl(writer)) => writer.write(&batch),
            None => {
                self.rows.push(batch);
                Ok(())
            }
        };
        result.map_err(output_error)
    }

    pub(super) fn finish(self) -> Result<()> {
        match self.writer {
            Some(StreamWriter::Json(mut writer)) => {
                writer.finish().map_err(output_error)?;
                return print_text("\n");
            }
            Some(_) => return Ok(()),
            None => {}
        }
        if self.schema.fields().is_empty() {
            return Ok(());
        }
        if self.format == Format::Markdown {
            return print_text(&markdown(&self.schema, &self.rows)?);
        }
        let mut shown = Vec::with_capacity(self.rows.len());
        for batch in &self.rows {
            shown.push(short(batch).map_err(output_error)?);
        }
        let schema = shown.first().map_or_else(|| Arc::clone(&self.schema), RecordBatch::schema);
        let table = pretty_format_batches_with_schema(schema, &shown).map_err(output_error)?;
        let rows: usize = self.rows.iter().map(RecordBatch::num_rows).sum();
        let noun = if rows == 1 { "row" } else { "rows" };
        print_text(&format!("{table}\n{} {noun}\n", HumanCount(rows as u64)))
    }
}

/// Rows as aligned columns, of which those of `numbers` are aligned to the right.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]], numbers: Range<usize>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells =
            row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match numbers.contains(&column) {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

pub(super) fn print_text(text: &str) -> Result<()> {
    io::stdout().write_all(text.as_bytes()).map_err(Error::output)
}

fn output_error(error: datafusion::arrow::error::ArrowError) -> Error {
    match error {
        datafusion::arrow::error::ArrowError::IoError(_, error) => Error::output(error),
        // The CSV writer has only a text for what happened below it.
        other if other.to_string().contains("Broken pipe") => Error::ClosedOutput,
        other => Error::Failed(format!("cannot print the rows: {other}")),
    }
}

type ArrowResult<T> = std::result::Result<T, datafusion::arrow::error::ArrowError>;

/// The batch with the columns for which `text` has something to say replaced by it.
fn with_texts(
    batch: &RecordBatch,
    text: impl Fn(&ArrayRef) -> ArrowResult<Option<StringArray>>,
) -> ArrowResult<RecordBatch> {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        match text(column)? {
            Some(texts) => {
                fields.push(Field::new(field.name(), DataType::Utf8, true));
                columns.push(Arc::new(texts));
            }
            None => {
                fields.push(field.as_ref().clone());
                columns.push(Arc::clone(column));
            }
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// The most values of a tensor that are printed.
const SHOWN_VALUES: i32 = 16;

/// Binary values, images and tensors by their size: nobody reads a photo in hexadecimal.
fn short(batch: &RecordBatch) -> ArrowResult<RecordBatch> {
    with_texts(batch, |column| {
        if *column.data_type() == pixmill_udfs::image_type() {
            let image = column.as_struct();
            let [height, width, channels] =
                [0, 1, 2].map(|index| image.column(index).as_primitive::<datafusion::arrow::datatypes::Int32Type>());
            let text = |row: usize| {
                image
                    .is_valid(row)
                    .then(|| format!("<image {}x{}x{}>", width.value(row), height.value(row), channels.value(row)))
            };
            return Ok(Some((0..column.len()).map(text).collect()));
        }
        if let DataType::FixedSizeList(item, length) = column.data_type()
            && *length > SHOWN_VALUES
        {
            let shown = format!("<{} x {}>", HumanCount(length.unsigned_abs().into()), item.data_type());
            return Ok(Some((0..column.len()).map(|row| column.is_valid(row).then_some(shown.as_str())).collect()));
        }
        if !matches!(column.data_type(), DataType::Binary | DataType::LargeBinary | DataType::BinaryView) {
            return Ok(None);
        }
        let bytes = cast(column, &DataType::LargeBinary)?;
        let texts = bytes
            .as_binary::<i64>()
            .iter()
            .map(|value| value.map(|value| format!("<{}>", HumanBytes(value.len() as u64))));
        Ok(Some(texts.collect()))
    })
}

/// Nested values as text.
fn flat(batch: &RecordBatch) -> ArrowResult<RecordBatch> {
    with_texts(batch, |column| {
        if !column.data_type().is_nested() {
            return Ok(None);
        }
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(column, &options)?;
        let text = |row: usize| column.is_valid(row).then(|| formatter.value(row).to_string());
        Ok(Some((0..column.len()).map(text).collect()))
    })
}

fn markdown(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut text = format!("| {} |\n|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let options = FormatOptions::default();
    for batch in batches {
        let batch = short(batch).map_err(output_error)?;
        let mut formatters = Vec::new();
        for column in batch.columns() {
            formatters.push(ArrayFormatter::try_new(column, &options).map_err(output_error)?);
        }
        for row in 0..batch.num_rows() {
            let cells = formatters.iter().map(|column| column.value(row).to_string().replace('|', "\\|"));
            text.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
        }
    }
    Ok(text)
}
