//! `pixmill jobs`: what a cluster is doing, and how to stop it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use indicatif::{HumanBytes, HumanCount};

use super::process::runtime;
use crate::error::{Error, Result};
use crate::output::{aligned, print_text};
use crate::role::client::{Cluster, HostPort};
use crate::role::report::{JobReport, JobState};

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
                (None, Some(id)) => cancel(&cluster, id).await.map(|job| vec![job]),
                (None, None) => cluster.jobs().await,
            }
        })?;
        if self.json {
            let text = serde_json::to_string_pretty(&jobs).map_err(|error| Error::Failed(error.to_string()))?;
            return print_text(&format!("{text}\n"));
        }
        print_text(&table(&jobs))?;
        for job in jobs.iter().filter(|_| self.job.is_some()) {
            for (executor, tasks) in &job.tasks.by_executor {
                print_text(&format!("executor {executor}: {tasks} tasks\n"))?;
            }
        }
        let mut said = jobs.iter().filter(|_| self.job.is_some()).flat_map(|job| [&job.stalled, &job.reason]).flatten();
        said.try_for_each(|text| print_text(&format!("{text}\n")))
    }
}

/// How long a job may take to notice that it is cancelled.
const PATIENCE: Duration = Duration::from_secs(5);

/// Jobs as lines, as of now.
pub(crate) fn table(jobs: &[JobReport]) -> String {
    table_at(jobs, now())
}

/// Cancels a job, and waits for its end.
///
/// # Errors
/// A job that isn't there, or that is at its end already.
pub(crate) async fn cancel(cluster: &Cluster, id: &str) -> Result<JobReport> {
    let before = cluster.job(id).await?;
    if before.ended_at.is_some() {
        return Err(Error::Failed(format!("job {id} can't be cancelled: it is {}", before.state)));
    }
    let mut job = cluster.cancel(id).await?;
    let started = std::time::Instant::now();
    while job.ended_at.is_none() && started.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
        job = cluster.job(id).await?;
    }
    match job.state {
        JobState::Cancelled => Ok(job),
        state => Err(Error::Failed(format!("job {id} was to be cancelled, and is {state}"))),
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn table_at(jobs: &[JobReport], now: u64) -> String {
    let titles = ["job", "state", "tasks", "files", "bytes", "seconds", "statement"].map(str::to_string);
    let rows = jobs.iter().map(|job| {
        let seconds = job.ended_at.unwrap_or(now).saturating_sub(job.queued_at) as f64 / 1000.0;
        let state = if job.stalled.is_some() { "stalled".to_string() } else { job.state.to_string() };
        let progress = &job.progress;
        [
            job.id.clone(),
            state,
            format!("{}/{}", job.tasks.done, job.tasks.all),
            format!("{}/{}", HumanCount(progress.files_done), HumanCount(progress.files)),
            HumanBytes(progress.bytes_done).to_string(),
            format!("{seconds:.1}"),
            job.name.clone(),
        ]
    });
    let rows: Vec<_> = std::iter::once(titles).chain(rows).collect();
    aligned(&rows, 2..6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Progress;
    use crate::role::report::Tasks;

    #[test]
    fn a_job_is_a_line() {
        let job = JobReport {
            id: "0A".to_string(),
            name: "COPY (SELECT".to_string(),
            state: JobState::Running,
            queued_at: 1000,
            started_at: Some(1200),
            ended_at: None,
            progress: Progress { files: 3000, files_done: 1200, bytes_done: 5 << 20, ..Progress::default() },
            tasks: Tasks { done: 3, running: 2, all: 16, ..Tasks::default() },
            stalled: None,
            reason: None,
            executors: 2,
        };
        assert_eq!(
            table_at(&[job], 3500),
            "job  state    tasks        files     bytes  seconds  statement\n\
             0A   running   3/16  1,200/3,000  5.00 MiB      2.5  COPY (SELECT\n"
        );
    }
}
