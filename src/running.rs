//! A statement under way.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{Result as QueryResult, exec_datafusion_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::role::query::ClusterExec;
use crate::sink::{CommitExec, result_schema};
use crate::source::stored::Store;

/// A statement under way. Dropped, it is cancelled.
pub struct Running {
    plan: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    rows: mpsc::Receiver<QueryResult<RecordBatch>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Executes a plan on a runtime; its rows are stored, or come out.
    pub(crate) fn start(
        cpu: &Handle,
        ctx: SessionContext,
        (plan, store): (Arc<dyn ExecutionPlan>, Option<Store>),
        task_ctx: Arc<TaskContext>,
    ) -> Self {
        let (sender, rows) = mpsc::channel(2);
        let executed = Arc::clone(&plan);
        let (schema, task) = match store {
            Some(store) => {
                let work = async move {
                    if let Err(error) = store.run(&ctx, executed, task_ctx).await {
                        // Nobody listening any more is as good as an answer.
                        let _ = sender.send(Err(error)).await;
                    }
                };
                (Arc::new(Schema::empty()), cpu.spawn(work))
            }
            None => (plan.schema(), cpu.spawn(give(executed, task_ctx, sender))),
        };
        Self { plan, schema, rows, task }
    }

    /// The columns of the result; none for statements without one.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The directory that the statement writes a dataset to.
    pub fn target(&self) -> Option<&Path> {
        // EXPLAIN ANALYZE has a commit, too, and other rows.
        let commit = CommitExec::of(&self.plan).filter(|_| self.schema == result_schema());
        let local = commit.map(CommitExec::directory);
        local.or_else(|| self.plan.downcast_ref::<ClusterExec>().and_then(ClusterExec::target))
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress::of(&self.plan)
    }

    /// What stands still on the cluster, in words.
    pub(crate) fn stalled(&self) -> Option<String> {
        self.plan.downcast_ref::<ClusterExec>().and_then(ClusterExec::stalled)
    }

    /// The next rows; `None` when there are no more.
    ///
    /// # Errors
    /// What stopped the statement.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        match self.rows.recv().await {
            Some(batch) => Some(batch.map_err(Error::from)),
            // A panic in the plan ends the task without a word.
            None => match (&mut self.task).await {
                Err(error) if error.is_panic() => {
                    Some(Err(exec_datafusion_err!("internal error: a task panicked: {error}").into()))
                }
                _ => None,
            },
        }
    }

    /// All rows.
    ///
    /// # Errors
    /// What stopped the statement.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends the rows of a plan until there are no more, or nobody takes them.
async fn give(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>, rows: mpsc::Sender<QueryResult<RecordBatch>>) {
    let mut stream = match execute_stream(plan, context) {
        Ok(stream) => stream,
        Err(error) => {
            // Nobody listening any more is as good as an answer.
            let _ = rows.send(Err(error)).await;
            return;
        }
    };
    while let Some(batch) = stream.next().await {
        if rows.send(batch).await.is_err() {
            return;
        }
    }
}
