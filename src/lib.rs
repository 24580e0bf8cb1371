//! SQL pipelines for image datasets: folders of image files become training shards, features and measurements.
//!
//! [`Engine`] is the way in; `pixmill_udfs` holds the image functions for use in any DataFusion application.

pub mod cli;
mod command;
pub mod config;
mod counted;
pub mod engine;
pub mod error;
mod exec;
pub mod format;
mod output;
mod place;
mod plan;
mod prepared;
mod printable;
mod progress;
mod quoted;
mod report;
mod role;
mod running;
mod serve;
mod session;
mod sheet;
mod shell;
pub mod sink;
pub mod source;
mod statement;
mod storage;
pub mod synthetic;
mod task;
mod verify;

pub use engine::{Engine, Session};
pub use error::{Error, Result};
pub use place::Place;
pub use prepared::{Kind, Prepared};
pub use progress::Progress;
pub use role::client::HostPort;
pub use running::Running;
pub use statement::Statement;
pub use storage::AllowList;
