//! The engine that a command's arguments ask for, and work with it.

use std::num::NonZero;
use std::time::Duration;

use clap::Args;

use crate::cluster::client::HostPort;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::exec::cores;
use crate::storage::AllowList;

/// How long an interrupted or failed statement may take to clean up behind itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// How many threads decode.
#[derive(Debug, Default, Args)]
pub(crate) struct Threads {
    /// Threads that decode images; as many as there are cores by default
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

/// Where statements run.
#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    #[command(flatten)]
    pub(crate) threads: Threads,

    /// Run on the cluster of this scheduler instead of in this process
    #[arg(long, value_name = "df://HOST:PORT", conflicts_with = "threads")]
    pub(crate) cluster: Option<HostPort>,

    /// Locations that statements may read and write, separated by commas; everywhere by default
    #[arg(long, value_name = "LIST", conflicts_with = "cluster")]
    pub(crate) allow: Option<AllowList>,
}

impl EngineArgs {
    /// The engine that runs statements there.
    ///
    /// # Errors
    /// Threads that can't be started, or a cluster that isn't there.
    pub(crate) async fn open(&self) -> Result<Engine> {
        match &self.cluster {
            None => Engine::local_within(self.threads.count(), self.allow.clone().unwrap_or_default()),
            Some(address) => Engine::cluster(address).await,
        }
    }
}

impl Threads {
    pub(crate) fn count(&self) -> usize {
        self.threads.map_or_else(cores, NonZero::get)
    }
}

/// Does some work with an engine; Ctrl-C cancels it.
pub(super) fn with_engine<T>(engine: &EngineArgs, work: impl AsyncFnOnce(&Engine) -> Result<T>) -> Result<T> {
    on_engine(engine, async |engine| {
        tokio::select! {
            result = work(engine) => result,
            _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        }
    })
}

/// Does some work with an engine, which says itself what Ctrl-C does.
pub(crate) fn on_engine<T>(engine: &EngineArgs, work: impl AsyncFnOnce(&Engine) -> Result<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Failed(format!("cannot start: {error}")))?;
    let engine = runtime.block_on(engine.open())?;
    let result = runtime.block_on(work(&engine));
    engine.close(PATIENCE);
    result
}
