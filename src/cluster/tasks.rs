//! The tasks of an executor: what each is told of itself, what it has done, and that it stops when nobody waits for it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::execution_plans::SortShuffleWriterExec;
use ballista_core::serde::protobuf::{RuntimeStatsReport, ShuffleWritePartition, TaskColumnStats, WindowStateReport};
use ballista_executor::execution_engine::{DefaultExecutionEngine, ExecutionEngine, QueryStageExecutor};
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::prelude::SessionConfig;

use super::pool::ClientPool;
use super::report::TaskReport;
use crate::exec::{Task, with_config};
use crate::plan::{Progress, marked_by_executor};

/// The tasks that run, and those that have ended since their counters were last asked for.
#[derive(Clone, Default)]
pub(super) struct RunningTasks(Arc<Mutex<HashMap<u64, Counted>>>);

struct Counted {
    plan: Arc<dyn ExecutionPlan>,
    report: TaskReport,
    has_ended: bool,
}

impl RunningTasks {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<u64, Counted>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the tasks have done, and which of them have ended.
    pub(super) fn reports(&self) -> (Vec<TaskReport>, Vec<u64>) {
        self.with(|tasks| {
            let report = |task: &Counted| TaskReport { done: Progress::of(&task.plan), ..task.report.clone() };
            let ended = tasks.iter().filter(|(_, task)| task.has_ended).map(|(number, _)| *number);
            (tasks.values().map(report).collect(), ended.collect())
        })
    }

    /// Forgets tasks that have ended, when they were told of.
    pub(super) fn forget(&self, ended: &[u64]) {
        self.with(|tasks| tasks.retain(|number, _| !ended.contains(number)));
    }
}

/// Ballista's engine, whose tasks know their partitions and stop when they are cancelled.
pub(super) struct TaskEngine {
    inner: DefaultExecutionEngine,
    tasks: RunningTasks,
    next: AtomicU64,
}

impl TaskEngine {
    pub(super) fn new(tasks: RunningTasks) -> Self {
        let inner = DefaultExecutionEngine::with_client_pool(Arc::new(ClientPool::default()));
        Self { inner, tasks, next: AtomicU64::new(0) }
    }
}

impl ExecutionEngine for TaskEngine {
    fn create_query_stage_exec(
        &self,
        job_id: JobId,
        stage_id: usize,
        task_id: usize,
        partitions: Vec<usize>,
        plan: Arc<dyn ExecutionPlan>,
        work_dir: &str,
        config: &SessionConfig,
    ) -> Result<Arc<dyn QueryStageExecutor>> {
        // All tasks of a stage that deals its rows out anew have the same partitions, those that come out of it. Its job is run
        // again as a whole, so the task's own number tells its parts apart.
        let parts = if plan.is::<SortShuffleWriterExec>() { vec![task_id] } else { partitions.clone() };
        let report =
            TaskReport { job: job_id.to_string(), stage: stage_id, partitions: parts, done: Progress::default() };
        let counted = Counted { plan: Arc::clone(&plan), report, has_ended: false };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let task = Arc::new(Task::new(partitions.clone()));
        let inner =
            self.inner.create_query_stage_exec(job_id, stage_id, task_id, partitions, plan, work_dir, config)?;
        self.tasks.with(|tasks| tasks.insert(number, counted));
        Ok(Arc::new(TaskStage { inner, task, _ended: Ended { tasks: self.tasks.clone(), number } }))
    }
}

/// A stage's part of a task.
#[derive(Debug)]
struct TaskStage {
    inner: Arc<dyn QueryStageExecutor>,
    task: Arc<Task>,
    /// Dropped with the stage.
    _ended: Ended,
}

/// Says that a task has ended, however it does.
struct Ended {
    tasks: RunningTasks,
    number: u64,
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.number)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.tasks.with(|tasks| {
            if let Some(task) = tasks.get_mut(&self.number) {
                task.has_ended = true;
            }
        });
    }
}

/// Cancels the task unless it came to its end: Ballista drops what it cancels, but not what that has spawned.
struct CancelOnDrop(Option<Arc<Task>>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.cancel();
        }
    }
}

impl fmt::Display for TaskStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

#[async_trait]
impl QueryStageExecutor for TaskStage {
    async fn execute_query_stage(
        &self,
        task_id: usize,
        context: Arc<TaskContext>,
    ) -> Result<Vec<ShuffleWritePartition>> {
        let mut guard = CancelOnDrop(Some(Arc::clone(&self.task)));
        let config = context.session_config().clone().with_extension(Arc::clone(&self.task));
        let context = with_config(&context, config);
        let written = self.inner.execute_query_stage(task_id, context).await.map_err(marked_by_executor)?;
        guard.0 = None;
        Ok(written)
    }

    fn collect_plan_metrics(&self) -> Vec<MetricsSet> {
        self.inner.collect_plan_metrics()
    }

    fn collect_runtime_stats_reports(&self) -> Vec<RuntimeStatsReport> {
        self.inner.collect_runtime_stats_reports()
    }

    fn collect_window_state_reports(&self) -> Result<Vec<WindowStateReport>> {
        self.inner.collect_window_state_reports()
    }

    fn collect_column_stats(&self) -> Vec<TaskColumnStats> {
        self.inner.collect_column_stats()
    }
}
