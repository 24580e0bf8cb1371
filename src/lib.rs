//! SQL pipelines for image datasets: folders of image files become training shards, features and measurements.
//!
//! [`Engine`] is the way in; `pixmill_udfs` holds the image functions for use in any DataFusion application.

pub mod cli;
mod command;
pub mod config;
mod counted;
pub mod engine;
pub mod error;
pub mod format;
mod output;
mod plan;
mod printable;
mod progress;
mod quoted;
mod report;
mod role;
mod session;
mod sheet;
pub mod sink;
pub mod source;
mod storage;
pub mod synthetic;
mod task;
mod verify;

pub use engine::{Engine, Running};
pub use error::{Error, Result};
pub use progress::Progress;
pub use storage::AllowList;
