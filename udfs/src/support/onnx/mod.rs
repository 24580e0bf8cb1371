//! Models in ONNX files: what a file says of itself, what runs it, and the models that a process keeps loaded.

mod builtin;
mod cache;
mod color;
mod files;
mod graph;
mod image_input;
mod model;
mod onnxruntime;
mod runtime;

pub use cache::model_loads;
pub use files::{ModelFile, ModelFiles, ModelSettings, find_models_by};

pub(crate) use cache::{OpenModel, open, running};
pub(crate) use color::Color;
pub(crate) use graph::Dimension;
pub(crate) use image_input::ImageInput;
pub(crate) use model::Model;
pub(crate) use runtime::Tensor;
