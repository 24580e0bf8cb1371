//! The models of a session: read as everything else is, from local files and stores, within the allow-list.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::common::{Result, exec_datafusion_err, plan_datafusion_err, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::prelude::SessionConfig;
use pixmill_udfs::{ModelFile, ModelFiles, ModelSettings};

use crate::config::PixmillOptions;
use crate::storage::{Reach, is_object_url, local_path, while_others_go_on};

/// Names the library of ONNX Runtime that a process with an allow-list may open.
const ALLOWED_LIBRARY: &str = "PIXMILL_ONNXRUNTIME";

/// What a session's models are read by. Functions know a session by its options alone, so it is one that can't be set.
#[derive(Debug, Clone, Default)]
struct Models {
    reach: Reach,
    /// What relative locations start from for whoever runs the plan, where that is elsewhere.
    directory: Option<PathBuf>,
}

/// The configuration with the models that it can reach; relative locations are sent as absolute ones where a directory is given.
pub(crate) fn with_models(mut config: SessionConfig, directory: Option<PathBuf>) -> SessionConfig {
    pixmill_udfs::find_models_by(settings);
    let models = Models { reach: Reach::of(&config), directory };
    config.options_mut().extensions.insert(models);
    config
}

fn settings(options: &ConfigOptions) -> Result<Option<ModelSettings>> {
    let Some(models) = options.extensions.get::<Models>() else { return Ok(None) };
    let pixmill = PixmillOptions::of(options);
    let onnxruntime = pixmill.onnxruntime();
    if let Some(library) = &onnxruntime
        && models.reach.allow.is_bounded()
        && std::env::var_os(ALLOWED_LIBRARY).is_none_or(|allowed| allowed.as_os_str() != library.as_os_str())
    {
        return plan_err!(
            "pixmill.onnxruntime: '{}' is code that this process would run, and its allow-list says what statements may reach; start it \
             with {ALLOWED_LIBRARY}='{0}', or SET pixmill.onnxruntime = ''",
            library.display()
        );
    }
    let files = Arc::new(models.clone());
    Ok(Some(ModelSettings { files, cache_bytes: pixmill.model_cache()?, onnxruntime }))
}

impl ModelFiles for Models {
    fn check(&self, location: &str) -> Result<()> {
        self.reach.check(location)
    }

    fn look_at(&self, location: &str) -> Result<ModelFile> {
        self.check(location)?;
        let nothing = || {
            plan_datafusion_err!("model '{location}': there is no such file; give the path or the URL of an ONNX file")
        };
        while_others_go_on(|| {
            if is_object_url(location) {
                let version = self.reach.look_at(location)?.ok_or_else(nothing)?;
                // What has no name of its version may be another at any time.
                let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string();
                return Ok(ModelFile { bytes: version.bytes, version: version.etag.unwrap_or_else(now) });
            }
            let path = local_path(location).ok_or_else(|| {
                plan_datafusion_err!("model '{location}': models are local files or objects of stores")
            })?;
            let metadata = match path.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(nothing()),
                Err(error) => return plan_err!("model '{location}' can't be read: {error}"),
            };
            if !metadata.is_file() {
                return plan_err!(
                    "model '{location}' is no file but a directory or a device; give the path of an ONNX file"
                );
            }
            let time = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            Ok(ModelFile { bytes: metadata.len(), version: time.unwrap_or_default().as_nanos().to_string() })
        })
    }

    fn read(&self, location: &str, most: u64) -> Result<Vec<u8>> {
        let bytes =
            while_others_go_on(|| self.reach.read_small(location, usize::try_from(most).unwrap_or(usize::MAX)))?;
        bytes.ok_or_else(|| exec_datafusion_err!("model '{location}': there is no such file any more"))
    }

    fn sent_as(&self, location: &str) -> String {
        let is_relative = local_path(location).is_some_and(|path| path.is_relative());
        match &self.directory {
            Some(directory) if is_relative => format!("{}/{location}", directory.display()),
            _ => location.to_string(),
        }
    }
}

impl ConfigExtension for Models {
    const PREFIX: &'static str = "pixmill_models";
}

impl ExtensionOptions for Models {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _: &str) -> Result<()> {
        plan_err!("there is no option '{}.{key}'", Self::PREFIX)
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}
