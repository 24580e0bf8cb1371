//! The commands, one file each: its arguments and `run`.

pub(crate) mod cluster;
pub(crate) mod config;
pub(crate) mod contact_sheet;
pub(crate) mod executor;
pub(crate) mod experiment;
pub(crate) mod functions;
pub(crate) mod generate;
pub(crate) mod jobs;
mod process;
pub(crate) mod report;
mod results;
pub(crate) mod run;
pub(crate) mod scheduler;
pub(crate) mod serve;
pub(crate) mod speed_test;
pub(crate) mod sql;
pub(crate) mod statements;
mod template;
pub(crate) mod verify;

use std::num::NonZero;
use std::path::Path;

use clap::Args;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::role::client::HostPort;
use crate::storage::AllowList;

/// How many threads decode.
#[derive(Debug, Default, Args)]
pub(crate) struct Threads {
    /// Threads that decode images; as many as there are cores by default
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

/// Where statements run.
#[derive(Debug, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    pub(crate) threads: Threads,

    /// Run on the cluster of this scheduler instead of in this process
    #[arg(long, value_name = "df://HOST:PORT", conflicts_with = "threads")]
    pub(crate) cluster: Option<HostPort>,

    /// Locations that statements may read and write, separated by commas; everywhere by default
    #[arg(long, value_name = "LIST", conflicts_with = "cluster")]
    pub(crate) allow: Option<AllowList>,
}

impl Place {
    /// The engine that runs statements there.
    ///
    /// # Errors
    /// Threads that can't be started, or a cluster that isn't there.
    pub(crate) async fn engine(&self) -> Result<Engine> {
        match &self.cluster {
            None => Engine::local_within(self.threads.count(), self.allow.clone().unwrap_or_default()),
            Some(address) => Engine::cluster(address).await,
        }
    }
}

impl Threads {
    pub(crate) fn count(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        self.threads.map_or(cores, NonZero::get)
    }
}

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
