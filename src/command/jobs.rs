//! `pixmill jobs`: what a cluster is doing, and how to stop it.

use clap::Args;

use super::process::runtime;
use crate::cluster::client::{Cluster, HostPort};
use crate::error::{Error, Result};
use crate::output::{job_table, print_text};

/// List, show and cancel the jobs of a cluster
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pixmill jobs --cluster df://127.0.0.1:50050\n  pixmill jobs --cluster df://127.0.0.1:50050 --cancel 038FRV9826000"
)]
pub(crate) struct Jobs {
    /// Where the scheduler is
    #[arg(long, value_name = "df://HOST:PORT")]
    cluster: HostPort,

    /// Show one job, and why it failed or what stands still
    #[arg(value_name = "JOB", conflicts_with = "cancel")]
    job: Option<String>,

    /// Cancel a job
    #[arg(long, value_name = "JOB")]
    cancel: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Jobs {
    pub(crate) fn run(self) -> Result<()> {
        let jobs = runtime()?.block_on(async {
            let (cluster, _) = Cluster::connect(&self.cluster).await?;
            match (&self.job, &self.cancel) {
                (Some(id), _) => Ok(vec![cluster.job(id).await?]),
                (None, Some(id)) => cluster.cancel_to_its_end(id).await.map(|job| vec![job]),
                (None, None) => cluster.jobs().await,
            }
        })?;
        if self.json {
            let text = serde_json::to_string_pretty(&jobs).map_err(|error| Error::Failed(error.to_string()))?;
            return print_text(&format!("{text}\n"));
        }
        print_text(&job_table(&jobs))?;
        for job in jobs.iter().filter(|_| self.job.is_some()) {
            for (executor, tasks) in &job.tasks.by_executor {
                print_text(&format!("executor {executor}: {tasks} tasks\n"))?;
            }
        }
        let mut said = jobs.iter().filter(|_| self.job.is_some()).flat_map(|job| [&job.stalled, &job.reason]).flatten();
        said.try_for_each(|text| print_text(&format!("{text}\n")))
    }
}
