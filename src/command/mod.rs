//! The commands, one file each: its arguments and `run`.

pub(crate) mod config;
pub(crate) mod contact_sheet;
pub(crate) mod functions;
pub(crate) mod generate;
mod output;
pub(crate) mod run;
pub(crate) mod sql;
mod statements;
mod template;
pub(crate) mod verify;

use std::num::NonZero;

use clap::Args;

use crate::storage::AllowList;

/// What statements may reach.
#[derive(Debug, Args)]
pub(crate) struct Allow {
    /// Locations that statements may read and write, separated by commas; everywhere by default
    #[arg(long = "allow", value_name = "LIST")]
    list: Option<AllowList>,
}

impl Allow {
    pub(crate) fn list(self) -> AllowList {
        self.list.unwrap_or_default()
    }
}

/// How many threads decode.
#[derive(Debug, Args)]
pub(crate) struct Threads {
    /// Threads that decode images; as many as there are cores by default
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

impl Threads {
    pub(crate) fn count(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        self.threads.map_or(cores, NonZero::get)
    }
}
