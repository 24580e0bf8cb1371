//! SQL pipelines for image datasets: folders of image files become training shards, features and measurements.
//!
//! [`Engine`] is the way in; `pixmill_udfs` holds the image functions for use in any DataFusion application.

pub mod cli;
mod cluster;
mod command;
pub mod config;
pub mod engine;
pub mod error;
mod exec;
pub mod format;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod learn;
mod output;
mod plan;
mod plot;
mod report;
mod serve;
mod session;
mod sheet;
mod shell;
pub mod sink;
pub mod source;
mod storage;
mod verify;
mod words;

pub use engine::{Engine, PlannedStatement, Progress, RunningStatement, Session, Statement, StatementKind};
pub use error::{Error, Position, Result};

pub use cluster::client::HostPort;
pub use pixmill_synthetic as synthetic;
pub use storage::{AllowList, StoreRule, StoreSettings, WebOptions};
