//! Rows that memory has no room for, in hidden Parquet files until the model is fitted.

use std::io::{self, Write};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::disk_manager::DiskManager;
use datafusion::execution::{SpillFile, SpillWriter};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use url::Url;

use super::file::{HiddenFile, Target};
use crate::storage::{NewFile, while_others_go_on};

/// About how many bytes of numbers a row group has: what a thread takes at once.
const ROW_GROUP_BYTES: usize = 8 << 20;
/// About how many bytes a file has; stores don't take objects of any size.
const FILE_BYTES: usize = 1 << 30;

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) enum SpillPlace {
    /// Beside the model, where all executors reach them.
    Beside(Target),
    /// In the temporary directory of this process, which goes over the rows by itself.
    Temporary(Arc<DiskManager>),
}

/// Rows that are being written.
pub(super) struct SpillingRows {
    place: SpillPlace,
    schema: SchemaRef,
    /// How many rows a row group has.
    group: usize,
    open: Option<ArrowWriter<Sink>>,
    files: Vec<SpilledFile>,
}

/// Rows in files, which are removed with this.
pub(super) struct SpilledRows {
    schema: SchemaRef,
    files: Vec<SpilledFile>,
}

enum Sink {
    Beside(HiddenFile, NewFile),
    Temporary(Arc<dyn SpillFile>, Box<dyn SpillWriter>),
}

/// It is removed with this.
enum SpilledFile {
    Beside(HiddenFile),
    Temporary(Arc<dyn SpillFile>),
}

impl SpillingRows {
    /// Begins with rows of vectors of so many numbers.
    pub(super) fn new(place: SpillPlace, schema: &SchemaRef, numbers: usize) -> Self {
        let group = (ROW_GROUP_BYTES / size_of::<f64>() / (numbers + 1)).max(1);
        Self { place, schema: Arc::clone(schema), group, open: None, files: Vec::new() }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        while_others_go_on(|| {
            let mut writer = match self.open.take() {
                Some(writer) => writer,
                None => self.start()?,
            };
            writer.write(batch)?;
            match writer.bytes_written() < FILE_BYTES {
                true => self.open = Some(writer),
                false => self.files.push(finished(writer)?),
            }
            Ok(())
        })
    }

    fn start(&self) -> Result<ArrowWriter<Sink>> {
        let sink = match &self.place {
            SpillPlace::Beside(target) => {
                let hidden = target.hidden_file()?;
                let file = hidden.create()?;
                Sink::Beside(hidden, file)
            }
            SpillPlace::Temporary(disk) => {
                let file = disk.create_tmp_file("CREATE MODEL")?;
                let writer = file.open_writer()?;
                Sink::Temporary(file, writer)
            }
        };
        // Numbers that were measured repeat too seldom for a dictionary or compression.
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(self.group))
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None);
        Ok(ArrowWriter::try_new(sink, Arc::clone(&self.schema), Some(properties.build()))?)
    }

    pub(super) fn finish(mut self) -> Result<SpilledRows> {
        if let Some(writer) = self.open.take() {
            self.files.push(while_others_go_on(|| finished(writer))?);
        }
        Ok(SpilledRows { schema: self.schema, files: self.files })
    }
}

fn finished(writer: ArrowWriter<Sink>) -> Result<SpilledFile> {
    Ok(match writer.into_inner()? {
        Sink::Beside(hidden, file) => {
            hidden.finish(file)?;
            SpilledFile::Beside(hidden)
        }
        Sink::Temporary(file, mut writer) => {
            writer.finish()?;
            SpilledFile::Temporary(file)
        }
    })
}

impl SpilledRows {
    /// Whether they are where all executors reach them.
    pub(super) fn are_beside(&self) -> bool {
        self.files.iter().all(|file| matches!(file, SpilledFile::Beside(_)))
    }

    /// The rows as a table.
    pub(super) fn table(&self) -> Result<Arc<dyn TableProvider>> {
        let urls = self.files.iter().map(|file| ListingTableUrl::try_new(file.url()?, None));
        let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
        let config = ListingTableConfig::new_with_multi_paths(urls.collect::<Result<_>>()?);
        let config = config.with_listing_options(options).with_schema(Arc::clone(&self.schema));
        Ok(Arc::new(ListingTable::try_new(config)?))
    }
}

impl SpilledFile {
    fn url(&self) -> Result<Url> {
        match self {
            Self::Beside(hidden) => hidden.url(),
            Self::Temporary(file) => {
                let url = file.path().and_then(|path| Url::from_file_path(path).ok());
                url.ok_or_else(|| exec_datafusion_err!("internal error: a temporary file without a path"))
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside(_, file) => file.write(bytes),
            Self::Temporary(_, writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside(_, file) => file.flush(),
            Self::Temporary(_, writer) => writer.flush(),
        }
    }
}
