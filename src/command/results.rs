//! A table of measurements that is a Parquet file: fresh, never over another, and whole after each write.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use chrono::Utc;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::parquet::arrow::ArrowWriter;

use crate::error::{Error, Result};
use crate::storage::write_whole;

/// The file of one measuring.
pub(super) struct ResultsFile {
    path: PathBuf,
}

impl ResultsFile {
    /// Makes a new file, named by what is measured and the time.
    ///
    /// # Errors
    /// A directory that can't be written.
    pub(super) fn create(directory: &Path, subject: &str) -> Result<Self> {
        fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
        let name = format!("{subject}-{}", Utc::now().format("%Y%m%dT%H%M%SZ"));
        let mut names = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}-{number}")));
        loop {
            let Some(name) = names.next() else { return Err(Error::Failed(format!("'{name}' has no free name"))) };
            let path = directory.join(format!("{name}.parquet"));
            match File::create_new(&path) {
                Ok(_) => return Ok(Self { path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::file("create", path)(error)),
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory beside the file, for what is needed while it is being measured.
    pub(super) fn temporary_directory(&self) -> PathBuf {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{stem}"))
    }

    /// Writes all rows, or leaves the file as it was.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(super) fn write(&self, rows: &RecordBatch) -> Result<()> {
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), None).map_err(DataFusionError::from)?;
        writer.write(rows).and_then(|()| writer.close()).map_err(DataFusionError::from)?;
        write_whole(&self.path, &bytes).map_err(Error::file("write", &self.path))
    }

    /// Removes the file: nothing was measured.
    ///
    /// # Errors
    /// A file that can't be removed.
    pub(super) fn remove(&self) -> Result<()> {
        fs::remove_file(&self.path).map_err(Error::file("remove", &self.path))
    }
}

/// All rows in one batch.
///
/// # Errors
/// Rows that don't have the schema.
pub(super) fn together(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch> {
    Ok(concat_batches(schema, batches).map_err(DataFusionError::from)?)
}

/// The columns that are looked at first, as far as they have a value.
///
/// # Errors
/// None that is known.
pub(super) fn looked_at_first(batch: &RecordBatch, names: &[&str]) -> Result<RecordBatch> {
    let fields = batch.schema_ref().fields().iter().zip(batch.columns()).enumerate();
    let columns = fields
        .filter(|(_, (field, column))| names.contains(&field.name().as_str()) && column.null_count() < column.len());
    let columns: Vec<usize> = columns.map(|(index, _)| index).collect();
    Ok(batch.project(&columns).map_err(DataFusionError::from)?)
}
