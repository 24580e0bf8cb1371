//! Files of models: Parquet of one row.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_datafusion_err, plan_err};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::prelude::SessionConfig;
use pixmill_udfs::{FittedModel, catch_panic};
use prost::bytes::Bytes;
use url::Url;

use crate::storage::{
    AllowList, Directory, NewFile, Reach, literal_object_url, literal_url, token, while_others_go_on,
};

/// The most bytes of a file.
const MOST_BYTES: usize = 1 << 30;

/// Reads the model of a file.
///
/// # Errors
/// A file that isn't there, can't be read, or is none.
pub(super) fn read(reach: &Reach, location: &str) -> Result<FittedModel> {
    reach.check(location)?;
    if location.to_lowercase().ends_with(".onnx") {
        return plan_err!(
            "model '{location}' is an ONNX file: image_classify, image_features and onnx_predict run those, by their locations"
        );
    }
    let bytes = while_others_go_on(|| reach.read_small(location, MOST_BYTES))?;
    let bytes = bytes.ok_or_else(|| {
        plan_datafusion_err!("model '{location}': there is no such file; CREATE MODEL ... LOCATION writes one")
    })?;
    let model = catch_panic(|| {
        let rows = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))?.build()?;
        let rows = rows.collect::<std::result::Result<Vec<RecordBatch>, _>>()?;
        match rows.as_slice() {
            [row] => FittedModel::from_row(row),
            _ => exec_err!("it is no model: a model has 1 row"),
        }
    });
    let model = model.map_err(|panic| exec_datafusion_err!("it is damaged: {panic}")).and_then(|model| model);
    model.map_err(|error| plan_datafusion_err!("model '{location}' can't be read: {}", error.strip_backtrace()))
}

/// Where a model is to be written.
#[derive(Debug, Clone)]
pub(super) struct Target {
    location: String,
    directory: Directory,
    name: String,
    or_replace: bool,
}

impl Target {
    /// A place where a model may be written.
    ///
    /// # Errors
    /// One that isn't allowed, or where a file is that isn't to be replaced.
    pub(super) fn try_new(location: &str, or_replace: bool, config: &SessionConfig) -> Result<Self> {
        let (parent, name) = location.rsplit_once('/').unwrap_or((".", location));
        if name.is_empty() {
            return plan_err!(
                "LOCATION '{location}' names a directory; a model is a file, as in 'models/pickups.parquet'"
            );
        }
        if location.to_lowercase().ends_with(".onnx") {
            return plan_err!(
                "LOCATION '{location}': models of these steps are written as Parquet; call it '.parquet'"
            );
        }
        let parent = if parent.is_empty() { "/" } else { parent };
        let directory = Directory::at(parent).ok_or_else(|| {
            plan_datafusion_err!("LOCATION '{location}': models are local files or objects of stores")
        })?;
        directory.check(name, &AllowList::of(config))?;
        let directory = directory.opened(config)?;
        let target = Self { location: location.to_string(), directory, name: name.to_string(), or_replace };
        target.check()?;
        Ok(target)
    }

    pub(super) fn location(&self) -> &str {
        &self.location
    }

    /// A file beside the model that is passed over by readers and is nobody else's.
    ///
    /// # Errors
    /// A directory that can't be made.
    pub(super) fn hidden_file(&self) -> Result<HiddenFile> {
        let name = format!(".{}.rows-{}.parquet", self.name, token()?);
        self.directory.make("").map_err(|error| exec_datafusion_err!("cannot make '{}': {error}", self.directory))?;
        Ok(HiddenFile { directory: self.directory.clone(), name })
    }

    fn check(&self) -> Result<()> {
        if self.or_replace {
            return Ok(());
        }
        match while_others_go_on(|| self.directory.has(&self.name)) {
            Ok(false) => Ok(()),
            Ok(true) => plan_err!(
                "there is a file '{}' already; CREATE EXTERNAL MODEL uses it, and CREATE OR REPLACE MODEL writes over it",
                self.location
            ),
            Err(error) => exec_err!("cannot look at '{}': {error}", self.location),
        }
    }

    /// Writes a model, whole or not at all.
    ///
    /// # Errors
    /// A file that has come there meanwhile, or can't be written.
    pub(super) fn write(&self, model: &FittedModel) -> Result<()> {
        let row = model.to_row()?;
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, row.schema(), None)?;
        writer.write(&row)?;
        writer.close()?;
        self.check()?;
        let written = while_others_go_on(|| {
            self.directory.make("")?;
            match self.or_replace {
                true => self.directory.write_synced(&self.name, bytes)?,
                false => self.directory.write_new(&self.name, bytes)?,
            }
            self.directory.sync("")
        });
        written.map_err(|error| exec_datafusion_err!("cannot write the model '{}': {error}", self.location))
    }
}

/// A file that is removed with this.
#[derive(Debug)]
pub(super) struct HiddenFile {
    directory: Directory,
    name: String,
}

impl HiddenFile {
    /// Begins to write it.
    ///
    /// # Errors
    /// A place where nothing can be written.
    pub(super) fn create(&self) -> Result<NewFile> {
        let file = self.directory.begin(&self.name, &self.name, &Arc::default());
        file.map_err(|error| exec_datafusion_err!("cannot write '{}' in '{}': {error}", self.name, self.directory))
    }

    /// Ends what [`Self::create`] began.
    ///
    /// # Errors
    /// Bytes that can't be written.
    pub(super) fn finish(&self, file: NewFile) -> Result<()> {
        let finished = self.directory.finish(file, &self.name, &self.name);
        finished.map_err(|error| exec_datafusion_err!("cannot write '{}' in '{}': {error}", self.name, self.directory))
    }

    /// Where DataFusion reads it.
    ///
    /// # Errors
    /// A path that DataFusion can't have.
    pub(super) fn url(&self) -> Result<Url> {
        let location = match self.directory.local() {
            Some(directory) => directory.join(&self.name).to_string_lossy().into_owned(),
            None => return literal_object_url(&format!("{}/{}", self.directory, self.name)),
        };
        literal_url(&location)?.ok_or_else(|| exec_datafusion_err!("'{location}' is not a local path"))
    }
}

impl Drop for HiddenFile {
    fn drop(&mut self) {
        if let Err(error) = while_others_go_on(|| self.directory.remove(std::slice::from_ref(&self.name))) {
            tracing::warn!("'{}' stays in '{}': {error}", self.name, self.directory);
        }
    }
}
