//! A confusion matrix: how many rows of each class were taken for each.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef};
use indicatif::HumanCount;

use super::Look;
use super::colours::{STEPS, step};
use super::layout::{Anchor, LETTER, MARGIN, Pen, ROW, TICK, letters, text_width};
use crate::error::{Error, Result};
use crate::report::palette::{GREY_SHADE, GRID_SHADE, INK_SHADE, PAPER, Shade};
use crate::sheet::text::wrap;
use crate::sheet::texts;
use crate::words::{counted, cut, cut_between, width};

/// The columns, as `EVALUATE MODEL ... CONFUSION` gives them.
const COLUMNS: [&str; 3] = ["label", "predicted", "rows"];
/// The rows of a cell are fewer, so that those of all cells are a number.
const MOST_ROWS: u64 = 1_000_000_000_000_000;
/// A matrix of more classes nobody reads.
const MOST_CLASSES: usize = 100;
/// The most letters of a class's name.
const MOST_NAME: usize = 24;
/// The least width of a cell, in pixels; its height is that of a line at least.
const LEAST_WIDTH: f64 = 7.0;

/// How often which class was taken for which.
#[derive(Debug)]
pub(super) struct Matrix {
    classes: Vec<String>,
    /// The rows of each class, one after the other, by what they were taken for.
    counts: Vec<u64>,
    /// Rows of the query without a class.
    left_out: u64,
}

/// A matrix in the making.
#[derive(Debug, Default)]
pub(super) struct Counts {
    cells: BTreeMap<(String, String), u64>,
    left_out: u64,
}

/// Positions of the columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct MatrixColumns([usize; 3]);

impl MatrixColumns {
    /// Finds the columns by their names; `None` where the rows are those of points.
    ///
    /// # Errors
    /// Numbers of rows that are none.
    pub(super) fn find(schema: &SchemaRef) -> Result<Option<Self>> {
        let position = |name: &str| schema.index_of(name).ok();
        let [Some(label), Some(predicted), Some(rows)] = COLUMNS.map(position) else { return Ok(None) };
        if position("xy").or_else(|| position("x").and(position("y"))).is_some() {
            return Ok(None);
        }
        let given = schema.field(rows).data_type();
        match given.is_integer() {
            true => Ok(Some(Self([label, predicted, rows]))),
            false => {
                Err(Error::Usage(format!("column 'rows' of a confusion matrix must be whole numbers, got {given}")))
            }
        }
    }
}

impl Counts {
    /// Adds what rows of the query tell.
    ///
    /// # Errors
    /// A number of rows below zero.
    pub(super) fn add(
        &mut self,
        MatrixColumns([label, predicted, rows]): MatrixColumns,
        batch: &RecordBatch,
    ) -> Result<()> {
        let [labels, predictions] = [label, predicted].map(|column| texts(batch.column(column), None));
        let counts = cast(batch.column(rows), &DataType::Int64).map_err(|error| Error::Query(error.into()))?;
        let counts = counts.as_primitive::<Int64Type>();
        for (row, classes) in labels?.into_iter().zip(predictions?).enumerate() {
            let ((Some(label), Some(predicted)), true) = (classes, batch.column(rows).is_valid(row)) else {
                self.left_out += 1;
                continue;
            };
            // One that is no Int64 is beyond its end.
            let count = if counts.is_valid(row) { counts.value(row) } else { i64::MAX };
            let cell = self.cells.entry((label, predicted)).or_default();
            let sum =
                u64::try_from(count).ok().and_then(|count| cell.checked_add(count)).filter(|sum| *sum < MOST_ROWS);
            *cell = sum.ok_or_else(|| {
                Error::Failed(format!(
                    "column 'rows' of a confusion matrix must be numbers from 0 to 1e15, got {count}"
                ))
            })?;
        }
        Ok(())
    }

    /// The matrix.
    ///
    /// # Errors
    /// No class, or too many to be read.
    pub(super) fn matrix(self) -> Result<Matrix> {
        let classes: BTreeSet<&String> = self.cells.keys().flat_map(|(label, predicted)| [label, predicted]).collect();
        let mut classes: Vec<String> = classes.into_iter().cloned().collect();
        let numbers: Option<BTreeMap<String, f64>> =
            classes.iter().map(|class| Some((class.clone(), class.parse().ok()?))).collect();
        if let Some(numbers) = numbers {
            classes.sort_by(|a, b| numbers[a].total_cmp(&numbers[b]));
        }
        match classes.len() {
            0 => return Err(Error::Failed("nothing to draw: the query has no rows with a class".to_string())),
            number if number > MOST_CLASSES => {
                return Err(Error::Failed(format!(
                    "a confusion matrix is drawn of up to {MOST_CLASSES} classes, got {number}; take those that matter with WHERE label IN \
                     (...)"
                )));
            }
            _ => {}
        }
        let cell = |label: &String, predicted: &String| {
            self.cells.get(&(label.clone(), predicted.clone())).copied().unwrap_or_default()
        };
        let counts = classes.iter().flat_map(|label| classes.iter().map(move |predicted| (label, predicted)));
        let counts = counts.map(|(label, predicted)| cell(label, predicted)).collect();
        Ok(Matrix { classes, counts, left_out: self.left_out })
    }
}

impl Matrix {
    /// `3 classes, 150 rows, 96.0 % of them right`.
    pub(super) fn summary(&self) -> String {
        let all: u64 = self.counts.iter().sum();
        let right: u64 = (0..self.classes.len()).map(|class| self.count(class, class)).sum();
        let classes = match self.classes.len() {
            1 => "1 class".to_string(),
            number => format!("{number} classes"),
        };
        let share = 100.0 * right as f64 / all.max(1) as f64;
        format!("{classes}, {}, {share:.1} % of them right", counted(all, "row"))
    }

    /// What isn't in the picture, and why.
    pub(super) fn notes(&self) -> Vec<String> {
        let left_out = (self.left_out > 0)
            .then(|| format!("left out {}: label, predicted or rows is NULL", counted(self.left_out, "row")));
        left_out.into_iter().collect()
    }

    /// The colours of its cells.
    pub(super) fn shades() -> Vec<Shade> {
        (0..STEPS).map(step).collect()
    }

    fn count(&self, label: usize, predicted: usize) -> u64 {
        self.counts.get(label * self.classes.len() + predicted).copied().unwrap_or_default()
    }

    /// Which part of its class's rows a cell has.
    fn share(&self, label: usize, predicted: usize) -> f64 {
        let of_class: u64 = (0..self.classes.len()).map(|class| self.count(label, class)).sum();
        self.count(label, predicted) as f64 / of_class.max(1) as f64
    }

    /// The step of the scale of a cell; `None` where there are no rows.
    fn step(&self, label: usize, predicted: usize) -> Option<usize> {
        let share = self.share(label, predicted);
        (self.count(label, predicted) > 0).then_some(((share * STEPS as f64) as usize).min(STEPS - 1))
    }

    /// Rows of counts as text, each with the shade that it has, for screens on which letters alone have a place.
    pub(super) fn lines(&self, colour: &dyn Fn(&str, &Shade) -> String) -> String {
        let names: Vec<String> = self.classes.iter().map(|class| cut_between(class, MOST_NAME)).collect();
        let wide = names.iter().map(|name| width(name)).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.classes.len())
            .map(|predicted| {
                let counts = (0..self.classes.len()).map(|label| self.count(label, predicted).to_string().len());
                counts.max().unwrap_or(0).max(width(&names[predicted]))
            })
            .collect();
        let padded = |text: &str, wide: usize| format!("{}{text}", " ".repeat(wide.saturating_sub(width(text))));
        let mut lines = " ".repeat(wide);
        for (name, wide) in names.iter().zip(&widths) {
            lines.push_str(&format!("  {}", padded(name, *wide)));
        }
        lines.push('\n');
        for (label, name) in names.iter().enumerate() {
            lines.push_str(&padded(name, wide));
            for (predicted, wide) in widths.iter().enumerate() {
                let count = padded(&self.count(label, predicted).to_string(), *wide);
                let shade = self.step(label, predicted).map_or(GREY_SHADE, step);
                lines.push_str(&format!("  {}", colour(&count, &shade)));
            }
            lines.push('\n');
        }
        lines
    }
}

/// Where everything of a matrix stands.
pub(super) struct MatrixLayout {
    pub(super) width: f64,
    pub(super) height: f64,
    corner: (f64, f64),
    cell: (f64, f64),
    names: Vec<String>,
    y_title: String,
    /// What the names above the cells take.
    above: f64,
    /// Whether the names above the cells are written from below to above.
    is_steep: bool,
    notes: Vec<String>,
}

impl MatrixLayout {
    pub(super) fn new(matrix: &Matrix, look: &Look, notes: &[String]) -> Self {
        let (full_width, full_height) = (f64::from(look.width), f64::from(look.height));
        let count = matrix.classes.len() as f64;
        // The names take up to a quarter of the width.
        let most = letters(full_width / 4.0).min(MOST_NAME);
        let names: Vec<String> = matrix.classes.iter().map(|class| cut_between(class, most)).collect();
        let longest = names.iter().map(|name| text_width(name)).fold(0.0, f64::max);
        let y_title = cut(look.y_title.as_deref().unwrap_or(COLUMNS[0]), most);
        let left = MARGIN + longest.max(text_width(&y_title)) + 2.0 * TICK;
        let cell_width = ((full_width - left - MARGIN) / count).max(LEAST_WIDTH);
        let is_steep = longest + LETTER > cell_width;
        let above = if is_steep { longest } else { ROW };
        let title = look.title.as_ref().map_or(0.0, |_| 1.5 * ROW);
        let top = MARGIN + title + ROW + 2.0 * TICK + above;
        let notes: Vec<String> =
            notes.iter().flat_map(|note| wrap(note, (full_width - 2.0 * MARGIN) as u32, usize::MAX)).collect();
        let below = MARGIN + if notes.is_empty() { 0.0 } else { notes.len() as f64 * ROW + TICK };
        // Cells are no higher than wide, and a line has room in each.
        let cell_height = ((full_height - top - below) / count).min(cell_width).max(ROW);
        Self {
            width: (left + cell_width * count + MARGIN).max(full_width),
            height: top + cell_height * count + below,
            corner: (left, top),
            cell: (cell_width, cell_height),
            names,
            y_title,
            above,
            is_steep,
            notes,
        }
    }

    pub(super) fn draw(&self, matrix: &Matrix, look: &Look, pen: &mut impl Pen) {
        let ((left, top), (width, height)) = (self.corner, self.cell);
        pen.fill((0.0, 0.0), (self.width, self.height), &PAPER);
        if let Some(title) = &look.title {
            pen.title(&cut(title, letters(self.width - 2.0 * MARGIN)), (MARGIN, MARGIN));
        }
        let heading = top - TICK - self.above - ROW - TICK;
        let x_title = look.x_title.as_deref().unwrap_or(COLUMNS[1]);
        pen.write(&cut(x_title, letters(self.width - left)), (left, heading), &GREY_SHADE, Anchor::Start);
        pen.write(&self.y_title, (left - TICK, top - ROW - TICK), &GREY_SHADE, Anchor::End);
        for (class, name) in self.names.iter().enumerate() {
            let (x, y) = (left + (class as f64 + 0.5) * width, top + (class as f64 + 0.5) * height);
            pen.write(name, (left - TICK, y - ROW / 2.0), &INK_SHADE, Anchor::End);
            match self.is_steep {
                true => pen.write_up(name, (x, top - TICK), &INK_SHADE),
                false => pen.write(name, (x, top - TICK - ROW), &INK_SHADE, Anchor::Middle),
            }
        }
        for label in 0..self.names.len() {
            for predicted in 0..self.names.len() {
                self.draw_cell(matrix, label, predicted, pen);
            }
        }
        let bottom = self.height - MARGIN - self.notes.len() as f64 * ROW;
        for (row, note) in self.notes.iter().enumerate() {
            pen.write(note, (MARGIN, bottom + row as f64 * ROW), &GREY_SHADE, Anchor::Start);
        }
    }

    fn draw_cell(&self, matrix: &Matrix, label: usize, predicted: usize, pen: &mut impl Pen) {
        let ((left, top), (width, height)) = (self.corner, self.cell);
        let edge = |start: f64, size: f64, number: usize| (start + number as f64 * size).round();
        let (x, y) = (edge(left, width, predicted), edge(top, height, label));
        let size = (edge(left, width, predicted + 1) - x - 1.0, edge(top, height, label + 1) - y - 1.0);
        let count = matrix.count(label, predicted);
        let (fill, ink) = match matrix.step(label, predicted) {
            Some(number) => (step(number), PAPER),
            None => (GRID_SHADE, GREY_SHADE),
        };
        let classes = &matrix.classes;
        let taken = if label == predicted { "right".to_string() } else { format!("taken for {}", classes[predicted]) };
        let words = format!(
            "{}, {taken}: {}, {:.1} % of the class",
            classes[label],
            counted(count, "row"),
            100.0 * matrix.share(label, predicted)
        );
        pen.cell((x, y), size, &fill, &words);
        let text = HumanCount(count).to_string();
        if count > 0 && text_width(&text) <= size.0 {
            pen.write(&text, (x + size.0 / 2.0, y + (size.1 - ROW) / 2.0), &ink, Anchor::Middle);
        }
    }
}
