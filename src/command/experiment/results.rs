//! The results of an experiment: a table, which is a Parquet file that is whole after each run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use datafusion::common::Result as QueryResult;

use super::measure::{Run, Used};
use crate::command::results::{ResultsFile, looked_at_first};
use crate::error::{Error, Result};
use crate::output::{Format, Look, RowPrinter, Written};
use crate::words::{counted, cut};

/// What is known of a statement of a run.
pub(super) struct Row {
    pub(super) run: Run,
    pub(super) statement: Option<u64>,
    pub(super) started_at: DateTime<Utc>,
    pub(super) wall_seconds: f64,
    pub(super) plan_seconds: Option<f64>,
    /// What the executors have used.
    pub(super) executors: Option<Used>,
    pub(super) scheduler: Option<Used>,
    pub(super) bytes_read: Option<u64>,
    pub(super) files: Option<u64>,
    pub(super) rows: Option<u64>,
    pub(super) written: Option<Written>,
    pub(super) error: Option<String>,
}

impl Row {
    /// A row of which nothing is measured yet.
    pub(super) fn new(run: Run) -> Self {
        Self {
            run,
            statement: None,
            started_at: Utc::now(),
            wall_seconds: 0.0,
            plan_seconds: None,
            executors: None,
            scheduler: None,
            bytes_read: None,
            files: None,
            rows: None,
            written: None,
            error: None,
        }
    }

    /// The row of a run that came to no statement.
    pub(super) fn failed(run: Run, error: &Error) -> Self {
        eprintln!("{run} failed: {error}");
        Self { error: Some(error.to_string().trim_end().to_string()), ..Self::new(run) }
    }

    fn images_per_second(&self) -> Option<f64> {
        let written = self.written.as_ref().map(|written| written.records + written.rejected);
        let images = written.or(self.files).filter(|images| *images > 0 && self.error.is_none())?;
        Some(rounded(images as f64 / self.wall_seconds.max(0.001), 1))
    }

    fn cost(&self, price: Option<f64>) -> Option<f64> {
        let vcores = self.run.shape.executors * self.run.shape.vcores;
        let hours = self.wall_seconds / 3600.0;
        price.map(|price| rounded(price * vcores as f64 * hours, 9))
    }
}

/// The table of an experiment, and its file.
pub(super) struct Results {
    file: ResultsFile,
    query: String,
    cores: usize,
    price: Option<f64>,
    rows: Vec<Row>,
}

/// Columns of a table that is printed: the file has more.
const SHOWN: [&str; 12] = [
    "shape",
    "partitions",
    "repetition",
    "statement",
    "wall_seconds",
    "plan_seconds",
    "executor_cpu_seconds",
    "bytes_read",
    "bytes_written",
    "images_per_second",
    "cost",
    "error",
];

impl Results {
    /// Makes a new file, named by the pipeline and the time.
    ///
    /// # Errors
    /// A directory that can't be written.
    pub(super) fn create(directory: &Path, query: &Path, cores: usize, price: Option<f64>) -> Result<Self> {
        let file = ResultsFile::create(directory, &query.file_stem().unwrap_or_default().to_string_lossy())?;
        let results = Self { file, query: query.display().to_string(), cores, price, rows: Vec::new() };
        // A file that is there can be read, also before the first run.
        results.write()?;
        Ok(results)
    }

    /// A directory beside the file, for what is needed while the experiment runs.
    pub(super) fn temporary_directory(&self) -> PathBuf {
        self.file.temporary_directory()
    }

    /// Takes up the rows of a run.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(super) fn add(&mut self, rows: Vec<Row>) -> Result<()> {
        self.rows.extend(rows);
        self.write()
    }

    fn write(&self) -> Result<()> {
        self.file.write(&self.batch(str::to_string)?)
    }

    /// Prints the table, and removes the file of an experiment that has measured nothing.
    ///
    /// # Errors
    /// An output that can't be written.
    pub(super) fn print(&self, format: Format) -> Result<()> {
        if self.rows.is_empty() {
            return self.file.remove();
        }
        let batch = match format {
            Format::Table | Format::Markdown => looked_at_first(&self.batch(|text| cut(text, ERROR_LENGTH))?, &SHOWN)?,
            Format::Csv | Format::Json | Format::Jsonl => self.batch(str::to_string)?,
        };
        let mut printer = RowPrinter::new(std::io::stdout(), batch.schema(), format, &Look::of_stdout());
        printer.print(batch)?;
        printer.finish_counted()?;
        eprintln!("wrote {}", self.file.path().display());
        Ok(())
    }

    /// Whether everything was measured that was to be.
    ///
    /// # Errors
    /// Runs that have failed, statements without rows.
    pub(super) fn verdict(&self) -> Result<()> {
        let failed = self.rows.iter().filter(|row| row.error.is_some()).count();
        match (self.rows.len(), failed) {
            (0, _) => Err(Error::Usage(format!("{}: no statement of it gives rows to be measured", self.query))),
            (_, 0) => Ok(()),
            (_, failed) => Err(Error::Failed(format!(
                "{} failed; the column error of {} says why",
                counted(failed as u64, "run"),
                self.file.path().display()
            ))),
        }
    }

    /// The table, with the errors as they are to be told.
    fn batch(&self, told: impl Fn(&str) -> String) -> QueryResult<RecordBatch> {
        let text = |value: &dyn Fn(&Row) -> String| -> ArrayRef {
            Arc::new(self.rows.iter().map(|row| Some(value(row))).collect::<StringArray>())
        };
        let integer = |value: &dyn Fn(&Row) -> Option<u64>| -> ArrayRef {
            let values = self.rows.iter().map(|row| value(row).and_then(|value| i64::try_from(value).ok()));
            Arc::new(values.collect::<Int64Array>())
        };
        let number = |value: &dyn Fn(&Row) -> Option<f64>| -> ArrayRef {
            Arc::new(self.rows.iter().map(value).collect::<Float64Array>())
        };
        let cpu = |used: &Option<Used>| used.map(|used| used.cpu_milliseconds as f64 / 1000.0);
        let started = self.rows.iter().map(|row| row.started_at.timestamp_millis());
        let started = TimestampMillisecondArray::from_iter_values(started).with_timezone("UTC");
        let errors: StringArray = self.rows.iter().map(|row| row.error.as_deref().map(&told)).collect();
        let columns: [(&str, ArrayRef); 25] = [
            ("query", text(&|_| self.query.clone())),
            ("shape", text(&|row| row.run.shape.to_string())),
            ("executors", integer(&|row| Some(row.run.shape.executors as u64))),
            ("vcores", integer(&|row| Some(row.run.shape.vcores as u64))),
            ("cores", integer(&|_| Some(self.cores as u64))),
            ("partitions", integer(&|row| Some(row.run.partitions.into()))),
            ("repetition", integer(&|row| Some(row.run.repetition.into()))),
            ("statement", integer(&|row| row.statement)),
            ("started_at", Arc::new(started)),
            ("wall_seconds", number(&|row| row.statement.map(|_| rounded(row.wall_seconds, 3)))),
            ("plan_seconds", number(&|row| row.plan_seconds)),
            ("executor_cpu_seconds", number(&|row| cpu(&row.executors))),
            ("scheduler_cpu_seconds", number(&|row| cpu(&row.scheduler))),
            ("bytes_read", integer(&|row| row.bytes_read)),
            ("bytes_written", integer(&|row| row.written.as_ref().map(|written| written.bytes))),
            ("disk_bytes_read", integer(&|row| row.executors.map(|used| used.disk_bytes_read))),
            ("disk_bytes_written", integer(&|row| row.executors.map(|used| used.disk_bytes_written))),
            ("files", integer(&|row| row.files)),
            ("records", integer(&|row| row.written.as_ref().map(|written| written.records))),
            ("rejected", integer(&|row| row.written.as_ref().map(|written| written.rejected))),
            ("rows", integer(&|row| row.rows)),
            ("images_per_second", number(&|row| row.images_per_second())),
            ("cost", number(&|row| row.cost(self.price))),
            ("error", Arc::new(errors)),
            ("version", text(&|_| env!("CARGO_PKG_VERSION").to_string())),
        ];
        // All columns may be NULL, so that files of several experiments have the same columns.
        Ok(RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))?)
    }
}

/// Most characters of an error in a table; the file has all of it.
const ERROR_LENGTH: usize = 60;

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
