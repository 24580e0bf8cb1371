//! ONNX Runtime, whose library is opened where a session names one.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::value::TensorRef;
use prost::Message;

use super::graph::Graph;
use super::runtime::{Runtime, Tensor};
use crate::support::guard::catch_panic;

/// The library that this process has opened: there can be one.
static LIBRARY: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// Opens the library, if that isn't done yet.
///
/// # Errors
/// No library, one of another kind or too old, or another one than this process has opened before.
fn environment(library: &Path) -> Result<Environment, String> {
    let mut opened = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    match opened.as_ref() {
        Some((path, environment)) if path == library => return Ok(environment.clone()),
        Some((path, _)) => {
            return Err(format!(
                "pixmill.onnxruntime is '{}', and this process has opened '{}' before; use that one, or another process",
                library.display(),
                path.display()
            ));
        }
        None => {}
    }
    let open = || -> Result<Environment, String> {
        let builder = ort::init_from(library).map_err(|error| error.to_string())?;
        builder.with_name("pixmill").with_telemetry(false).build().map_err(|error| error.to_string())
    };
    let environment = catch_panic(open).unwrap_or_else(Err).map_err(|error| {
        format!(
            "pixmill.onnxruntime: '{}' can't be opened: {error}; name a libonnxruntime of version 1.{} or newer, such as that of the \
             Python package onnxruntime (onnxruntime/capi)",
            library.display(),
            ort::MINOR_VERSION
        )
    })?;
    // What goes wrong comes back as an error; on the terminal it would stand a second time.
    environment.set_log_level(LogLevel::Fatal);
    *opened = Some((library.to_path_buf(), environment.clone()));
    Ok(environment)
}

/// A model that ONNX Runtime has loaded.
///
/// A session of it runs one input at a time, so there are as many as threads have run the model at the same time.
pub(super) struct OnnxRuntime {
    environment: Environment,
    file: Vec<u8>,
    /// Names of the declared outputs.
    outputs: Vec<String>,
    /// Sessions that nobody runs, by the value that they give beside the declared outputs.
    idle: Mutex<HashMap<Option<String>, Vec<Session>>>,
}

impl fmt::Debug for OnnxRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxRuntime").field("bytes", &self.file.len()).finish_non_exhaustive()
    }
}

impl OnnxRuntime {
    /// Loads a model.
    ///
    /// # Errors
    /// A library that can't be opened, or a model that it can't load.
    pub(super) fn load(file: Vec<u8>, graph: &Graph, library: &Path) -> Result<Self, String> {
        let environment = environment(library)?;
        let outputs: Vec<String> = graph.outputs.iter().map(|output| output.name.clone()).collect();
        let loaded = Self { environment, file, outputs, idle: Mutex::default() };
        let session = loaded.session(&None)?;
        loaded.give_back(None, session);
        Ok(loaded)
    }

    fn session(&self, other: &Option<String>) -> Result<Session, String> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(other).and_then(Vec::pop);
        if let Some(session) = idle {
            return Ok(session);
        }
        let file = other.as_ref().map(|other| with_output(&self.file, other));
        let start = || -> Result<Session, String> {
            let builder = Session::builder(&self.environment).map_err(|error| error.to_string())?;
            let builder = builder.with_intra_threads(1).map_err(|error| error.to_string())?;
            let mut builder = builder.with_inter_threads(1).map_err(|error| error.to_string())?;
            builder.commit_from_memory(file.as_ref().unwrap_or(&self.file)).map_err(|error| error.to_string())
        };
        catch_panic(start).unwrap_or_else(Err).map_err(|error| format!("ONNX Runtime can't load it: {error}"))
    }

    fn give_back(&self, other: Option<String>, session: Session) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).entry(other).or_default().push(session);
    }
}

impl Runtime for OnnxRuntime {
    fn run(&self, input: &str, tensor: &Tensor, output: &str) -> Result<Tensor, String> {
        let is_declared = self.outputs.iter().any(|name| name == output);
        let other = (!is_declared).then(|| output.to_string());
        let mut session = self.session(&other)?;
        let run = || -> Result<Tensor, String> {
            let view = TensorRef::from_array_view((tensor.shape.as_slice(), tensor.values.as_slice()));
            let view = view.map_err(|error| error.to_string())?;
            let values = session.run(ort::inputs![input => view]).map_err(|error| error.to_string())?;
            let value = values.get(output).ok_or_else(|| format!("it has no output '{output}'"))?;
            let (shape, values) = value.try_extract_tensor::<f32>().map_err(|error| error.to_string())?;
            let shape = shape.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect();
            Ok(Tensor { shape, values: values.to_vec() })
        };
        let result = catch_panic(run).unwrap_or_else(|panic| Err(format!("it panicked with '{panic}'")));
        self.give_back(other, session);
        result
    }
}

/// The file with one more output: a message that stands twice is merged, and lists in it are joined.
fn with_output(file: &[u8], name: &str) -> Vec<u8> {
    #[derive(Clone, PartialEq, Message)]
    struct Value {
        #[prost(string, tag = "1")]
        name: String,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Graph {
        #[prost(message, repeated, tag = "12")]
        output: Vec<Value>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Model {
        #[prost(message, optional, tag = "7")]
        graph: Option<Graph>,
    }
    let output = Value { name: name.to_string() };
    let addition = Model { graph: Some(Graph { output: vec![output] }) };
    [file, addition.encode_to_vec().as_slice()].concat()
}
