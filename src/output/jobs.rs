//! Jobs of a cluster as people see them.

use std::time::{SystemTime, UNIX_EPOCH};

use indicatif::{HumanBytes, HumanCount};

use super::aligned;
use crate::cluster::report::JobReport;

/// Jobs as lines, as of now.
pub(crate) fn job_table(jobs: &[JobReport]) -> String {
    table_at(jobs, now())
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
    use crate::cluster::report::{JobState, Tasks};
    use crate::engine::Progress;

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
