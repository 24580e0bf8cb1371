//! What the scheduler tells of itself and of its jobs, and executors of their tasks: JSON over HTTP at `/pixmill/`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::plan::{Progress, WIRE_VERSION};

/// A cluster, as its scheduler knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClusterReport {
    /// The version of pixmill.
    pub(crate) version: String,
    /// The version of the messages that plans are sent in.
    pub(crate) wire: u8,
    /// Executors that are alive.
    pub(crate) executors: usize,
    /// Their vcores.
    pub(crate) vcores: usize,
    /// Those of them without a task.
    pub(crate) free_vcores: usize,
    /// The scheduler's directory, from which relative locations start.
    pub(crate) directory: PathBuf,
}

impl ClusterReport {
    pub(crate) fn new(executors: usize, vcores: usize, free_vcores: usize) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_string(),
            wire: WIRE_VERSION,
            executors,
            vcores,
            free_vcores,
            directory: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// Whether plans of this process can be read there; if not, why.
    pub(crate) fn mismatch(&self) -> Option<String> {
        let (own, wire) = (env!("CARGO_PKG_VERSION"), WIRE_VERSION);
        (self.version != own || self.wire != wire).then(|| {
            format!(
                "runs pixmill {} (messages {}), and this is pixmill {own} (messages {wire}); run the same version everywhere",
                self.version, self.wire
            )
        })
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobState {
    /// It is being planned.
    Queued,
    /// Its tasks are being run.
    Running,
    /// It has its result.
    Done,
    /// It has none.
    Failed,
    /// Somebody didn't want it any more.
    Cancelled,
    /// It lost an executor whose rows it was exchanging, and must be run again.
    Lost,
    /// The scheduler has nothing left to run of it and no result: it would be so the next time, too.
    Endless,
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Endless => "endless",
        })
    }
}

/// A job's name: the statement's beginning and whose it is. The scheduler's own sessions don't tell.
pub(crate) fn job_name(statement: &str, session: &str) -> String {
    format!("{statement} #{session}")
}

/// The statement and the session of a job's name.
pub(crate) fn of_job_name(name: &str) -> (&str, &str) {
    name.rsplit_once(" #").unwrap_or((name, ""))
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobReport {
    pub(crate) id: String,
    /// The statement's beginning.
    pub(crate) name: String,
    pub(crate) state: JobState,
    /// Milliseconds since 1970, when the scheduler first saw it.
    pub(crate) queued_at: u64,
    /// Milliseconds since 1970, when it was planned and its tasks could run; none before.
    pub(crate) started_at: Option<u64>,
    /// Milliseconds since 1970; none while it isn't at its end.
    pub(crate) ended_at: Option<u64>,
    pub(crate) progress: Progress,
    pub(crate) tasks: Tasks,
    /// What stands still, in words.
    pub(crate) stalled: Option<String>,
    /// Why it failed or was cancelled.
    pub(crate) reason: Option<String>,
    /// Executors that are alive.
    pub(crate) executors: usize,
}

/// How many tasks a job has, as far as its stages are planned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tasks {
    pub(crate) done: usize,
    pub(crate) running: usize,
    pub(crate) all: usize,
    /// Tasks that each executor has done or runs.
    pub(crate) by_executor: BTreeMap<String, usize>,
}

/// What an executor's tasks have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExecutorReport {
    pub(crate) tasks: Vec<TaskReport>,
}

/// What a task has done so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskReport {
    pub(crate) job: String,
    pub(crate) stage: usize,
    /// Its part of the stage, which tells a second attempt from another part.
    pub(crate) partitions: Vec<usize>,
    pub(crate) done: Progress,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_statement_and_whose_it_is() {
        assert_eq!(of_job_name(&job_name("SELECT ' #1'", "a-b")), ("SELECT ' #1'", "a-b"));
        assert_eq!(of_job_name("from elsewhere"), ("from elsewhere", ""));
    }

    #[test]
    fn another_version_is_told() {
        let report = ClusterReport::new(1, 2, 2);
        assert_eq!(report.mismatch(), None);
        let other = ClusterReport { version: "0.0.9".to_string(), ..report };
        let told = format!("runs pixmill 0.0.9 (messages {WIRE_VERSION}), and this is");
        assert!(other.mismatch().is_some_and(|text| text.starts_with(&told)));
    }
}
