//! `pixmill executor`: a process of a cluster that does the work.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use datafusion::prelude::SessionContext;

use super::engine::Threads;
use super::process::{Listen, runtime, terminate};
use super::work_directory::WorkDirectory;
use crate::cluster::client::{Cluster, HostPort};
use crate::cluster::executor::{self, ExecutorOptions};
use crate::error::{Error, Result};

/// Run an executor of a cluster
///
/// On SIGTERM it takes no more tasks, and ends when those under way have.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pixmill executor --scheduler 127.0.0.1:50050 --vcores 4 --work-dir work --memory 8G"
)]
pub(crate) struct Executor {
    /// Where the scheduler is
    #[arg(long, value_name = "HOST:PORT")]
    scheduler: HostPort,

    /// Tasks at the same time; as many as there are cores by default
    #[arg(long, value_name = "N")]
    vcores: Option<std::num::NonZero<usize>>,

    /// A directory for rows on their way to the next stage, and for what doesn't fit into memory; a temporary one by default
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,

    /// Memory for sorting, grouping and joining, all tasks together, such as 8G; 70 % of the machine's by default
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,

    /// The address to listen on and the first of two ports, up to 65534; 0 for any that are free
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    bind: SocketAddr,

    /// Seconds to wait for a scheduler that isn't there yet
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    patience: u64,

    #[command(flatten)]
    listen: Listen,
}

impl Executor {
    pub(crate) fn run(self) -> Result<()> {
        Listen::warn(self.bind);
        if self.bind.port() == u16::MAX {
            return Err(Error::Usage(format!(
                "--bind {}: an executor listens on two ports, this one and the next, and {} is the last; give 1 to {}, or 0 for any \
                 that are free",
                self.bind,
                u16::MAX,
                u16::MAX - 1
            )));
        }
        let memory = self.memory.as_deref().map(|text| SessionContext::parse_capacity_limit("--memory", text));
        let memory = memory.transpose().map_err(|error| Error::Usage(error.strip_backtrace()))?;
        let temporary = match self.work_dir {
            Some(_) => None,
            None => Some(WorkDirectory::new()?),
        };
        let of_own = temporary.as_ref().map(|temporary| temporary.path.clone());
        let work_dir = self.work_dir.clone().or(of_own).unwrap_or_default();
        let work_dir = std::path::absolute(&work_dir).map_err(Error::file("find", &work_dir))?;
        let vcores = self.vcores.map_or_else(|| Threads::default().count(), std::num::NonZero::get);
        let options = ExecutorOptions {
            scheduler: self.scheduler,
            bind: self.bind,
            external_host: self.listen.external_host.clone(),
            vcores,
            work_dir,
            memory: memory.map(|bytes| bytes as u64),
            patience: Duration::from_secs(self.patience),
            allow: self.listen.allow.clone().unwrap_or_default(),
            stores: self.listen.stores.settings()?,
        };
        let here = std::env::current_dir().map_err(Error::file("find", "."))?;
        let runtime = runtime()?;
        let ended = runtime.block_on(async {
            let stopped = self.listen.stopped();
            tokio::pin!(stopped);
            let (cluster, report) = tokio::select! {
                found = Cluster::connect_within(&options.scheduler, options.patience) => found?,
                () = &mut stopped => return Ok(End::Stopped),
            };
            let run = executor::run(options, cluster, report);
            tokio::pin!(run);
            tokio::select! {
                ended = &mut run => {
                    ended?;
                    // Ballista may have heard the signal first.
                    let is_told = tokio::time::timeout(HEARING, &mut stopped).await.is_ok();
                    return Ok(if is_told { End::Stopped } else { End::GivenUp });
                }
                // Ballista has heard the signal, too, and ends when its tasks have; it doesn't hear of a parent's end.
                () = &mut stopped => terminate(std::process::id()),
            }
            run.await.map(|()| End::Stopped)
        });
        // Tasks of one that was given up end with this process's program, wherever they are; one that was told to stop has none.
        runtime.shutdown_background();
        drop(temporary);
        match ended? {
            End::Stopped => Ok(()),
            End::GivenUp => again(&here),
        }
    }
}

/// How long after its end an executor still hears that it was told to stop.
const HEARING: Duration = Duration::from_millis(200);

/// Why an executor came to its end.
enum End {
    /// It was told to.
    Stopped,
    /// The scheduler has stopped it, because it was silent for too long.
    GivenUp,
}

/// Runs this program again as it was started, in this process's place.
fn again(directory: &Path) -> Result<()> {
    eprintln!("the scheduler has given this executor up, because it was silent for too long; it starts anew");
    let cannot = |error: std::io::Error| Error::Failed(format!("the executor can't start anew: {error}"));
    let program = std::env::current_exe().map_err(cannot)?;
    let mut command = std::process::Command::new(program);
    command.args(std::env::args_os().skip(1)).current_dir(directory);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        Err(cannot(command.exec()))
    }
    #[cfg(not(unix))]
    match command.status().map_err(cannot)?.success() {
        true => Ok(()),
        false => Err(Error::Failed("the executor failed".to_string())),
    }
}
