//! Where a session's models are: what reads them, how many are kept, and what runs them.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use datafusion::common::Result;
use datafusion::config::ConfigOptions;

/// A model's file as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// How many bytes there are.
    pub bytes: u64,
    /// What is another text when the file is another: its time, or what a store calls its version.
    pub version: String,
}

/// Reads the files of models for a session.
pub trait ModelFiles: Debug + Send + Sync {
    /// Checks that the session may read from here; asked for every batch.
    ///
    /// # Errors
    /// It may not.
    fn check(&self, location: &str) -> Result<()>;

    /// What is at a location now.
    ///
    /// # Errors
    /// Nothing is there, or no file, or the session may not look.
    fn look_at(&self, location: &str) -> Result<ModelFile>;

    /// All bytes of a file.
    ///
    /// # Errors
    /// There are more than `most`, or they can't be read.
    fn read(&self, location: &str, most: u64) -> Result<Vec<u8>>;

    /// The location as whoever runs the plan understands it.
    fn sent_as(&self, location: &str) -> String {
        location.to_string()
    }
}

/// What a session says of models.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// Reads them.
    pub files: Arc<dyn ModelFiles>,
    /// Most bytes of models, by their files, that the process keeps loaded.
    pub cache_bytes: u64,
    /// The library of ONNX Runtime; without it the built-in runtime runs models.
    pub onnxruntime: Option<PathBuf>,
}

/// What tells a session's settings from its options.
type SettingsOf = fn(&ConfigOptions) -> Result<Option<ModelSettings>>;

static SETTINGS_OF: OnceLock<SettingsOf> = OnceLock::new();

/// Says how a session's options tell where its models are. Without it, and for a process that says it twice the first counts, no
/// session has any.
pub fn find_models_by(settings_of: fn(&ConfigOptions) -> Result<Option<ModelSettings>>) {
    // Whoever was first has said it.
    let _ = SETTINGS_OF.set(settings_of);
}

/// The settings that a session's options tell, if it has models.
///
/// # Errors
/// Options that can't be.
pub(super) fn settings_of(options: &ConfigOptions) -> Result<Option<ModelSettings>> {
    SETTINGS_OF.get().map_or(Ok(None), |settings_of| settings_of(options))
}
