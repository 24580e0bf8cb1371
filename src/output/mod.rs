//! Rows in the format that was asked for, to wherever they go.

mod cells;
mod jobs;
mod layout;
mod markdown;
mod progress;
mod statement;
mod table;
#[cfg(test)]
mod tests;
mod types;

use std::io::{self, IsTerminal, Write};
use std::ops::Range;

use clap::ValueEnum;
use console::Term;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json;

pub(crate) use self::jobs::job_table;
use self::markdown::Markdown;
pub(crate) use self::progress::{ListingDisplay, ProgressDisplay};
pub(crate) use self::statement::{Printing, Watched, Written, run_one};
use self::table::Table;
pub(crate) use self::types::type_name;
use crate::error::{Error, Result};
use crate::words::counted;

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns; images and other binary values by what they are
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

/// How a table is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// Columns of the terminal: what is wider is cut or hidden. `None` cuts and hides nothing.
    pub(crate) width: Option<usize>,
    /// Rows that are shown, of however many; `None` shows all.
    pub(crate) max_rows: Option<usize>,
    /// Lines that join, instead of ASCII characters.
    pub(crate) unicode: bool,
    /// NULL and what is beside the point are dim.
    pub(crate) colour: bool,
    /// The types of the columns stand below their names, and numbers to the right.
    pub(crate) types: bool,
}

/// Rows of a table that a terminal shows.
const MOST_ROWS: usize = 100;

impl Look {
    /// For files and other programs: everything, in ASCII.
    pub(crate) fn plain() -> Self {
        Self { width: None, max_rows: None, unicode: false, colour: false, types: false }
    }

    /// For someone who sits at the terminal of stdout.
    pub(crate) fn of_terminal() -> Self {
        Self {
            width: Some(usize::from(Term::stdout().size().1)),
            max_rows: Some(MOST_ROWS),
            unicode: std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
            colour: console::colors_enabled(),
            types: true,
        }
    }

    /// Whichever of these stdout calls for.
    pub(crate) fn of_stdout() -> Self {
        if io::stdout().is_terminal() { Self::of_terminal() } else { Self::plain() }
    }
}

/// What was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Rows there are, shown or not.
    pub(crate) rows: u64,
    /// Columns there are, shown or not.
    pub(crate) columns: usize,
    /// Columns that were hidden.
    pub(crate) hidden: usize,
}

impl Shown {
    /// `3 rows, 7 columns (2 hidden)`.
    pub(crate) fn summary(&self) -> String {
        let mut text = format!("{}, {}", counted(self.rows, "row"), counted(self.columns as u64, "column"));
        if self.hidden > 0 {
            text.push_str(&format!(" ({} hidden)", self.hidden));
        }
        text
    }
}

/// Prints rows as they come; a table when all are there.
pub(crate) struct RowPrinter<W: Write> {
    columns: usize,
    rows: u64,
    writer: RowWriter<W>,
}

enum RowWriter<W: Write> {
    Table(W, Box<Table>),
    Markdown(Markdown<W>),
    Csv(Box<csv::Writer<W>>),
    Json(json::ArrayWriter<W>),
    Jsonl(json::LineDelimitedWriter<W>),
    /// A statement without columns has nothing to print.
    Nothing,
}

impl<W: Write> RowPrinter<W> {
    /// A printer of rows with these columns.
    pub(crate) fn new(out: W, schema: SchemaRef, format: Format, look: &Look) -> Self {
        let columns = schema.fields().len();
        let writer = match format {
            _ if columns == 0 => RowWriter::Nothing,
            Format::Table => RowWriter::Table(out, Box::new(Table::new(&schema, look.clone()))),
            Format::Markdown => RowWriter::Markdown(Markdown::new(out, schema)),
            Format::Csv => RowWriter::Csv(Box::new(csv::WriterBuilder::new().with_header(true).build(out))),
            Format::Json => RowWriter::Json(with_nulls().build(out)),
            Format::Jsonl => RowWriter::Jsonl(with_nulls().build(out)),
        };
        Self { columns, rows: 0, writer }
    }

    /// Prints some rows, or keeps what a table will show of them.
    ///
    /// # Errors
    /// An output that can't be written, a value that can't be printed.
    pub(crate) fn print(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let result = match &mut self.writer {
            RowWriter::Table(_, table) => table.add(&batch),
            RowWriter::Markdown(markdown) => markdown.write(&batch),
            // Nested values have no place of their own in CSV: they are written as text.
            RowWriter::Csv(writer) => cells::flat(&batch).and_then(|batch| writer.write(&batch)),
            RowWriter::Json(writer) => writer.write(&batch),
            RowWriter::Jsonl(writer) => writer.write(&batch),
            RowWriter::Nothing => Ok(()),
        };
        result.map_err(output_error)
    }

    /// Prints what is left to be printed, and tells what there was.
    ///
    /// # Errors
    /// An output that can't be written.
    pub(crate) fn finish(self) -> Result<Shown> {
        self.end(false)
    }

    /// As [`Self::finish`], and below a table how many rows it has.
    ///
    /// # Errors
    /// An output that can't be written.
    pub(crate) fn finish_counted(self) -> Result<Shown> {
        self.end(true)
    }

    fn end(self, is_counted: bool) -> Result<Shown> {
        let Self { columns, rows, writer } = self;
        let mut hidden = 0;
        match writer {
            RowWriter::Table(mut out, table) => {
                hidden = table.write(rows, &mut out).map_err(Error::output)?;
                if is_counted {
                    writeln!(out, "{}", counted(rows, "row")).map_err(Error::output)?;
                }
            }
            RowWriter::Markdown(mut markdown) => markdown.finish().map_err(output_error)?,
            RowWriter::Json(mut writer) => {
                writer.finish().map_err(output_error)?;
                writer.get_mut().write_all(b"\n").map_err(Error::output)?;
            }
            RowWriter::Csv(_) | RowWriter::Jsonl(_) | RowWriter::Nothing => {}
        }
        Ok(Shown { rows, columns, hidden })
    }
}

/// JSON in which every row has every column: what is left out may be anything.
fn with_nulls() -> json::WriterBuilder {
    json::WriterBuilder::new().with_explicit_nulls(true)
}

/// Rows as aligned columns, of which those of `numbers` are aligned to the right.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]], numbers: Range<usize>) -> String {
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

/// Prints a text to stdout.
///
/// # Errors
/// An output that can't be written.
pub(crate) fn print_text(text: &str) -> Result<()> {
    io::stdout().write_all(text.as_bytes()).map_err(Error::output)
}

fn output_error(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => Error::output(error),
        // The CSV writer has only a text for what happened below it.
        other if other.to_string().contains("Broken pipe") => Error::ClosedOutput,
        other => Error::Failed(format!("cannot print the rows: {other}")),
    }
}
