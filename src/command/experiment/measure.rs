//! One run on a cluster: its statements, and what they cost.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::results::Row;
use crate::cluster::client::Cluster as Client;
use crate::cluster::report::JobReport;
use crate::command::cluster::Roles;
use crate::command::process::with_process;
use crate::engine::{Engine, Statement};
use crate::error::{Error, Result};
use crate::output::{Watched, Written};

/// Executors of a cluster, and vcores of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClusterShape {
    pub(super) executors: usize,
    pub(super) vcores: usize,
}

impl FromStr for ClusterShape {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let in_range = |text: &str| text.parse().ok().filter(|number| (1..=256).contains(number));
        let shape = text
            .split_once('x')
            .and_then(|(executors, vcores)| Some(Self { executors: in_range(executors)?, vcores: in_range(vcores)? }));
        shape.ok_or_else(|| format!("must be EXECUTORSxVCORES, each 1 to 256, as in 4x2, got '{text}'"))
    }
}

impl fmt::Display for ClusterShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.executors, self.vcores)
    }
}

/// Which run it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) shape: ClusterShape,
    pub(super) partitions: u32,
    pub(super) repetition: u32,
}

impl Run {
    /// A name for a directory.
    pub(super) fn name(&self) -> String {
        format!("{}-{}-{}", self.shape, self.partitions, self.repetition)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} partitions, run {}", self.shape, self.partitions, self.repetition)
    }
}

/// What processes have used since they were started.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    pub(super) cpu_milliseconds: u64,
    pub(super) disk_bytes_read: u64,
    pub(super) disk_bytes_written: u64,
}

impl Used {
    /// Of some processes; what one that is gone has used is not known any more.
    fn by(pids: impl IntoIterator<Item = u32>) -> Option<Self> {
        let mut sum = Self::default();
        for pid in pids {
            let (cpu, disk) = with_process(pid, |process| (process.accumulated_cpu_time(), process.disk_usage()))?;
            sum.cpu_milliseconds += cpu;
            sum.disk_bytes_read += disk.total_read_bytes;
            sum.disk_bytes_written += disk.total_written_bytes;
        }
        Some(sum)
    }

    fn since(self, before: Self) -> Self {
        Self {
            cpu_milliseconds: self.cpu_milliseconds.saturating_sub(before.cpu_milliseconds),
            disk_bytes_read: self.disk_bytes_read.saturating_sub(before.disk_bytes_read),
            disk_bytes_written: self.disk_bytes_written.saturating_sub(before.disk_bytes_written),
        }
    }
}

/// What a statement gave.
struct Outcome {
    /// It has columns, so that there is something to measure.
    has_rows: bool,
    rows: u64,
    written: Option<Written>,
}

/// Runs all statements of a pipeline; the rows of those that were measured, the last one of them with what stopped it.
pub(super) async fn measure(roles: &mut Roles, run: Run, sql: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Err(error) = measure_into(&mut rows, roles, run, sql).await {
        rows.push(Row::failed(run, &error));
    }
    rows
}

async fn measure_into(rows: &mut Vec<Row>, roles: &mut Roles, run: Run, sql: &str) -> Result<()> {
    // Each run has its own session, in which no table is there yet.
    let engine = Engine::cluster(roles.address()).await?;
    let (client, _) = Client::connect(roles.address()).await?;
    let mut jobs: HashSet<String> = client.jobs().await?.into_iter().map(|job| job.id).collect();
    for (number, statement) in (1..).zip(engine.parse(sql)?) {
        let (executors, scheduler) = (roles.executor_pids(), roles.scheduler_pid());
        let before = (Used::by(executors.clone()), Used::by(scheduler));
        let (started_at, started) = (Utc::now(), Instant::now());
        let outcome = tokio::select! {
            outcome = outcome(&engine, statement) => outcome,
            () = roles.any_ended() => Err(Error::Failed("a process of the cluster ended".to_string())),
        };
        let wall_seconds = started.elapsed().as_secs_f64();
        let after = (Used::by(executors), Used::by(scheduler));
        let mut row = Row { statement: Some(number), started_at, wall_seconds, ..Row::new(run) };
        let used = |before: Option<Used>, after: Option<Used>| Some(after?.since(before?));
        (row.executors, row.scheduler) = (used(before.0, after.0), used(before.1, after.1));
        let outcome = match outcome {
            Ok(outcome) if !outcome.has_rows => continue,
            Ok(outcome) => outcome,
            Err(error) => {
                eprintln!("{run}: statement {number} failed: {error}");
                row.error = Some(error.to_string().trim_end().to_string());
                rows.push(row);
                return Ok(());
            }
        };
        row.rows = Some(outcome.rows);
        row.written = outcome.written;
        if let Some(job) = last_job(&client, &mut jobs).await {
            row.plan_seconds = job.started_at.and_then(|planned| seconds_between(started_at, planned));
            row.bytes_read = Some(job.progress.bytes_done);
            row.files = Some(job.progress.files_done);
        }
        eprintln!("{run}: statement {number} took {wall_seconds:.1} s");
        rows.push(row);
    }
    Ok(())
}

/// Runs a statement to its end.
async fn outcome(engine: &Engine, statement: Statement) -> Result<Outcome> {
    let running = engine.start(statement).await?;
    let has_rows = !running.schema().fields().is_empty();
    let mut written = running.target().map(|_| Written::default());
    let mut watched = Watched::new(running);
    let mut rows = 0;
    while let Some(batch) = watched.next().await {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        if let Some(written) = &mut written {
            written.add(&batch);
        }
    }
    Ok(Outcome { has_rows, rows, written })
}

/// How long executors may take to tell what their last tasks have done.
const LAST_WORDS: Duration = Duration::from_millis(1500);

/// The job that the last statement was, when all that it has done is told; none where it ran in this process.
async fn last_job(client: &Client, known: &mut HashSet<String>) -> Option<JobReport> {
    let ended = Instant::now();
    loop {
        let mut jobs = client.jobs().await.ok()?;
        jobs.retain(|job| !known.contains(&job.id));
        let progress = jobs.first()?.progress;
        let is_told = progress.files_done >= progress.files && progress.bytes_done >= progress.bytes;
        if is_told || ended.elapsed() >= LAST_WORDS {
            known.extend(jobs.iter().map(|job| job.id.clone()));
            return jobs.into_iter().next();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Seconds from a time to another in milliseconds since 1970.
fn seconds_between(from: DateTime<Utc>, to: u64) -> Option<f64> {
    let from = u64::try_from(from.timestamp_millis()).ok()?;
    Some(to.checked_sub(from)? as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_executors_x_vcores() {
        let shape = ClusterShape { executors: 4, vcores: 2 };
        assert_eq!(("4x2".parse(), shape.to_string()), (Ok(shape), "4x2".to_string()));
        for wrong in ["4by2", "4", "4x", "x2", "0x2", "4x0", "-1x2", "4x2x1", "", "257x1", "4 x 2"] {
            let error = wrong.parse::<ClusterShape>().expect_err(wrong);
            assert!(error.contains("as in 4x2, got '"), "{error}");
        }
    }
}
