//! What nodes are told of the task that runs them: which partitions of the whole plan are its own, and whether it is still wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::common::{Result, exec_err};
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;

use super::shares::SharesPool;

/// A task of a cluster: a part of a plan's partitions. In one process there are no tasks, and a plan is run whole.
#[derive(Debug, Default)]
pub(crate) struct Task {
    /// The plan's partitions that the task's own, counted from 0, are.
    partitions: Option<Vec<usize>>,
    is_cancelled: AtomicBool,
}

impl Task {
    /// A task of these partitions of the whole plan.
    pub(crate) fn new(partitions: Vec<usize>) -> Self {
        Self { partitions: Some(partitions), is_cancelled: AtomicBool::new(false) }
    }

    /// The task that runs with a session's configuration.
    pub(crate) fn of(config: &SessionConfig) -> Arc<Self> {
        config.get_extension().unwrap_or_default()
    }

    /// Which partition of the whole plan one of this task is.
    pub(crate) fn partition(&self, own: usize) -> usize {
        self.partitions.as_ref().and_then(|partitions| partitions.get(own).copied()).unwrap_or(own)
    }

    /// Says that nobody waits for the task any more.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Stops work that nobody waits for any more.
    ///
    /// # Errors
    /// The task is cancelled.
    pub(crate) fn check(&self) -> Result<()> {
        match self.is_cancelled.load(Ordering::Relaxed) {
            true => exec_err!("the task is cancelled"),
            false => Ok(()),
        }
    }
}

/// The process that runs tasks. In one process without a cluster there is one, with its threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) vcores: usize,
}

impl Worker {
    /// The process that a session is of.
    pub(crate) fn of(config: &SessionConfig) -> Arc<Self> {
        let local = || Arc::new(Self { name: "local".to_string(), vcores: config.target_partitions() });
        config.get_extension().unwrap_or_else(local)
    }
}

/// The same context with another configuration.
pub(crate) fn with_config(context: &TaskContext, config: SessionConfig) -> Arc<TaskContext> {
    with(context, config, context.runtime_env())
}

/// The context of a statement that sorts images in several partitions at the same time: each has its share of the memory.
///
/// # Errors
/// None in practice: the rest of the runtime is there.
pub(crate) fn with_shares(context: &TaskContext) -> Result<Arc<TaskContext>> {
    let runtime = context.runtime_env();
    let pool = SharesPool::of(Arc::clone(&runtime.memory_pool));
    let runtime = RuntimeEnvBuilder::from_runtime_env(&runtime).with_memory_pool(Arc::new(pool)).build_arc()?;
    Ok(with(context, context.session_config().clone(), runtime))
}

fn with(context: &TaskContext, config: SessionConfig, runtime: Arc<RuntimeEnv>) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        context.task_id(),
        context.session_id(),
        config,
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        runtime,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_a_task_are_those_of_the_plan() {
        assert_eq!(Task::default().partition(3), 3);
        assert_eq!(Task::new(vec![4, 7]).partition(1), 7);
    }

    #[test]
    fn a_cancelled_task_stops() {
        let task = Task::default();
        assert!(task.check().is_ok());
        task.cancel();
        assert!(task.check().is_err());
    }
}
