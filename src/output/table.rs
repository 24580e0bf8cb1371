//! A table of aligned columns: what is kept of the rows, and how it is drawn.

use std::io::{self, BufWriter, Write};

use console::{Style, StyledObject};
use datafusion::arrow::array::{Array, LargeStringArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Schema};

use super::Look;
use super::cells::{ArrowResult, NULL, texts};
use super::layout::{ColumnPlace, Wish, laid_out};
use super::types::type_name;
use crate::words::{beginning, counted, cut, cut_between, padded, printable, width};

/// The rows that will be shown, as texts.
pub(super) struct Table {
    look: Look,
    columns: Vec<Column>,
    /// Of each batch, the texts of each column.
    kept: Vec<Vec<LargeStringArray>>,
    kept_rows: usize,
    /// What EXPLAIN gives is text of several lines, each of which is wanted whole.
    is_plan: bool,
}

struct Column {
    name: String,
    type_name: String,
    is_number: bool,
    is_text: bool,
    /// Whether its values say something else when they are cut, as numbers do, or nothing any more, as `<jpeg 640x480 83 KB>`.
    is_whole: bool,
    /// The columns that the widest value takes.
    width: usize,
}

/// Types that are longer make no column wider.
const MOST_TYPE_WIDTH: usize = 16;
/// Hidden columns that are named.
const MOST_NAMED: usize = 12;
const HIDDEN: &str = "…";

impl Table {
    pub(super) fn new(schema: &Schema, look: Look) -> Self {
        let column = |name: &String, data_type: &DataType| Column {
            name: printable(name),
            type_name: printable(&type_name(data_type)),
            is_number: data_type.is_numeric(),
            is_text: data_type.is_string(),
            is_whole: is_whole(data_type),
            width: 0,
        };
        let columns = schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect();
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let is_plan = names.eq(["plan_type", "plan"]);
        Self { look, columns, kept: Vec::new(), kept_rows: 0, is_plan }
    }

    /// Takes up rows, as far as they will be shown.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> ArrowResult<()> {
        let room = self.look.max_rows.map_or(usize::MAX, |most| most.saturating_sub(self.kept_rows));
        let rows = batch.num_rows().min(room);
        if rows == 0 {
            return Ok(());
        }
        let most = self.look.width.filter(|_| !self.is_plan);
        let mut kept = Vec::with_capacity(self.columns.len());
        for (column, values) in self.columns.iter_mut().zip(batch.columns()) {
            let cells = texts(&values.slice(0, rows), most, self.is_plan)?;
            let widths = cells.iter().map(|cell| cell.unwrap_or(NULL).split('\n').map(width).max().unwrap_or(0));
            column.width = widths.fold(column.width, usize::max);
            kept.push(cells);
        }
        self.kept.push(kept);
        self.kept_rows += rows;
        Ok(())
    }

    /// Draws the table, and says what of so many rows it doesn't show. Returns the number of hidden columns.
    pub(super) fn write(&self, rows: u64, out: impl Write) -> io::Result<usize> {
        let mut out = BufWriter::new(out);
        let wishes: Vec<Wish> = self.columns.iter().map(|column| self.wish(column)).collect();
        let places = laid_out(&wishes, self.look.width);
        let drawing = if self.look.unicode { &UNICODE } else { &ASCII };
        drawing.rule(&mut out, &places, drawing.top)?;
        self.row(&mut out, drawing, &places, |column| Cell::plain(&self.columns[column].name))?;
        if self.look.types && !self.is_plan {
            self.row(&mut out, drawing, &places, |column| Cell::dim(&self.columns[column].type_name))?;
        }
        drawing.rule(&mut out, &places, drawing.middle)?;
        for batch in &self.kept {
            for row in 0..batch.first().map_or(0, Array::len) {
                self.row(&mut out, drawing, &places, |column| match batch[column].is_null(row) {
                    true => Cell::dim(NULL),
                    false => Cell::plain(batch[column].value(row)),
                })?;
            }
        }
        drawing.rule(&mut out, &places, drawing.bottom)?;
        let hidden = self.tell_hidden(&mut out, rows, &places)?;
        out.flush()?;
        Ok(hidden)
    }

    fn wish(&self, column: &Column) -> Wish {
        let type_width = if self.look.types { width(&column.type_name).min(MOST_TYPE_WIDTH) } else { 0 };
        Wish {
            width: column.width.max(width(&column.name)).max(type_width),
            whole: if column.is_whole { column.width } else { 0 },
        }
    }

    /// Draws a row, in as many lines as its cells have.
    fn row<'a>(
        &self,
        out: &mut impl Write,
        drawing: &Drawing,
        places: &[ColumnPlace],
        cell: impl Fn(usize) -> Cell<'a>,
    ) -> io::Result<()> {
        let lines = |place: &ColumnPlace| -> (Vec<String>, bool, bool) {
            match place.column {
                None => (vec![HIDDEN.to_string()], false, true),
                Some(column) => {
                    let Cell { text, is_dim } = cell(column);
                    let to_the_right = self.look.types && self.columns[column].is_number;
                    (self.lines(column, text, place.width), to_the_right, is_dim)
                }
            }
        };
        let cells: Vec<_> = places.iter().map(lines).collect();
        let height = cells.iter().map(|(lines, ..)| lines.len()).max().unwrap_or(0);
        for line in 0..height {
            for ((lines, to_the_right, is_dim), place) in cells.iter().zip(places) {
                let text = lines.get(line).map_or("", String::as_str);
                let text = padded(text, place.width, *to_the_right);
                write!(out, "{} {} ", drawing.bar, self.dim_if(*is_dim, text))?;
            }
            writeln!(out, "{}", drawing.bar)?;
        }
        Ok(())
    }

    /// A cell's text cut to its width; a plan's in as many lines as it takes.
    fn lines(&self, column: usize, text: &str, most: usize) -> Vec<String> {
        if !self.is_plan {
            // Paths tell most at their ends.
            let is_path = self.columns[column].is_text && text.contains('/') && !text.contains(' ');
            return vec![if is_path { cut_between(text, most) } else { cut(text, most) }];
        }
        let text = if self.look.width.is_some() { text.trim_end_matches('\n') } else { text };
        let mut lines = Vec::new();
        for mut line in text.split('\n') {
            while width(line) > most {
                let part = beginning(line, most);
                if part.is_empty() {
                    break;
                }
                lines.push(part.to_string());
                line = &line[part.len()..];
            }
            lines.push(line.to_string());
        }
        lines
    }

    fn dim_if<T>(&self, is_dim: bool, text: T) -> StyledObject<T> {
        let style = if is_dim && self.look.colour { Style::new().dim() } else { Style::new() };
        style.force_styling(self.look.colour).apply_to(text)
    }

    fn tell_hidden(&self, out: &mut impl Write, rows: u64, places: &[ColumnPlace]) -> io::Result<usize> {
        if self.kept_rows as u64 != rows {
            let shown = counted(self.kept_rows as u64, "row");
            let text = format!("the first {shown} are shown; a file or a pipe gets all of them, OFFSET shows others");
            writeln!(out, "{}", self.dim_if(true, text))?;
        }
        let is_shown = |column: usize| places.iter().any(|place| place.column == Some(column));
        let hidden: Vec<&str> = (0..self.columns.len())
            .filter(|column| !is_shown(*column))
            .map(|column| &*self.columns[column].name)
            .collect();
        if !hidden.is_empty() {
            let mut names = hidden.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
            if hidden.len() > MOST_NAMED {
                names.push_str(&format!(" and {} more", hidden.len() - MOST_NAMED));
            }
            let text = format!(
                "{} hidden: {names}; select them by name, or write to a file or a pipe",
                counted(hidden.len() as u64, "column")
            );
            writeln!(out, "{}", self.dim_if(true, text))?;
        }
        Ok(hidden.len())
    }
}

/// What stands in a cell.
struct Cell<'a> {
    text: &'a str,
    is_dim: bool,
}

impl<'a> Cell<'a> {
    fn plain(text: &'a str) -> Self {
        Self { text, is_dim: false }
    }

    fn dim(text: &'a str) -> Self {
        Self { text, is_dim: true }
    }
}

fn is_whole(data_type: &DataType) -> bool {
    let is_told = matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
        || *data_type == pixmill_udfs::image_type();
    is_told || data_type.is_numeric() || data_type.is_temporal() || *data_type == DataType::Boolean
}

/// The lines around cells: what they begin with, what they cross, what they end with.
struct Drawing {
    line: &'static str,
    bar: &'static str,
    top: [&'static str; 3],
    middle: [&'static str; 3],
    bottom: [&'static str; 3],
}

const ASCII: Drawing = Drawing { line: "-", bar: "|", top: ["+"; 3], middle: ["+"; 3], bottom: ["+"; 3] };
const UNICODE: Drawing =
    Drawing {
        line: "─", bar: "│", top: ["┌", "┬", "┐"], middle: ["├", "┼", "┤"], bottom: ["└", "┴", "┘"]
    };

impl Drawing {
    fn rule(&self, out: &mut impl Write, places: &[ColumnPlace], [start, cross, end]: [&str; 3]) -> io::Result<()> {
        let parts: Vec<String> = places.iter().map(|place| self.line.repeat(place.width + 2)).collect();
        writeln!(out, "{start}{}{end}", parts.join(cross))
    }
}
