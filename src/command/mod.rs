//! The commands, one file each: its arguments and `run`.

pub(crate) mod cluster;
pub(crate) mod config;
pub(crate) mod contact_sheet;
pub(crate) mod engine;
pub(crate) mod executor;
pub(crate) mod experiment;
pub(crate) mod functions;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod generate;
pub(crate) mod jobs;
pub(crate) mod plot;
mod process;
pub(crate) mod report;
mod results;
pub(crate) mod run;
pub(crate) mod scheduler;
pub(crate) mod serve;
pub(crate) mod speed_test;
pub(crate) mod sql;
mod statements;
mod template;
pub(crate) mod verify;
mod work_directory;

use std::path::Path;

use crate::error::{Error, Result};

/// Refuses a file that can't be written, before any work for it is done.
fn check_out(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::Usage(format!("cannot write '{}': it is a directory", path.display())));
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => Err(Error::Usage(format!(
            "cannot write '{}': there is no directory '{}'",
            path.display(),
            parent.display()
        ))),
        _ => Ok(()),
    }
}
