//! Rows as a table for Markdown.

use std::io::Write;

use datafusion::arrow::array::{Array, LargeStringArray, RecordBatch};
use datafusion::arrow::datatypes::SchemaRef;

use super::cells::{ArrowResult, NULL, texts};
use crate::words::printable;

/// Writes rows as they come.
pub(super) struct Markdown<W> {
    out: W,
    schema: SchemaRef,
    is_begun: bool,
}

impl<W: Write> Markdown<W> {
    pub(super) fn new(out: W, schema: SchemaRef) -> Self {
        Self { out, schema, is_begun: false }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> ArrowResult<()> {
        self.begin()?;
        let mut columns: Vec<LargeStringArray> = Vec::with_capacity(batch.num_columns());
        for column in batch.columns() {
            columns.push(texts(column, None, false)?);
        }
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| match column.is_null(row) {
                true => NULL.to_string(),
                false => column.value(row).replace('|', "\\|"),
            });
            writeln!(self.out, "| {} |", cells.collect::<Vec<_>>().join(" | "))?;
        }
        Ok(())
    }

    /// Without rows there is the header.
    pub(super) fn finish(&mut self) -> ArrowResult<()> {
        self.begin()
    }

    fn begin(&mut self) -> ArrowResult<()> {
        if !std::mem::replace(&mut self.is_begun, true) {
            let names: Vec<String> =
                self.schema.fields().iter().map(|field| printable(field.name()).replace('|', "\\|")).collect();
            write!(self.out, "| {} |\n|{}\n", names.join(" | "), "---|".repeat(names.len()))?;
        }
        Ok(())
    }
}
