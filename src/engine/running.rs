//! A statement under way.

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

use super::planned::Then;
use crate::cluster::query::ClusterExec;
use crate::error::{Error, Result};
use crate::learn::{Fit, Rounds};
use crate::plan::Progress;
use crate::sink::{CommitExec, result_schema};
use crate::storage::Stores;

/// A statement under way. Dropped, it is cancelled.
pub struct RunningStatement {
    plan: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    rows: mpsc::Receiver<QueryResult<RecordBatch>>,
    task: JoinHandle<()>,
    /// Of a model that is fitted to the rows.
    rounds: Option<Rounds>,
    /// The task's end has been taken up.
    is_over: bool,
}

impl RunningStatement {
    /// Executes a plan on a runtime; its rows are stored, or come out.
    pub(crate) fn start(
        cpu: &Handle,
        ctx: SessionContext,
        (plan, then): (Arc<dyn ExecutionPlan>, Option<Then>),
        task_ctx: Arc<TaskContext>,
    ) -> Self {
        let (sender, rows) = mpsc::channel(2);
        let executed = Arc::clone(&plan);
        let rounds = match &then {
            Some(Then::Fit(fit)) => Some(fit.rounds()),
            _ => None,
        };
        let (schema, task) = match then {
            Some(Then::Fit(fit)) => {
                let is_distributed = ClusterExec::in_plan(&executed).is_some();
                let work = async move {
                    // Nobody listening any more is as good as an answer.
                    let _ = sender.send(fit.run(&ctx, executed, task_ctx, is_distributed).await).await;
                };
                (Fit::schema(), cpu.spawn(work))
            }
            Some(Then::Store(store)) => {
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
        Self { plan, schema, rows, task, rounds, is_over: false }
    }

    /// The columns of the result; none for statements without one.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The path or the URL of the directory that the statement writes a dataset to.
    pub fn target(&self) -> Option<String> {
        // EXPLAIN ANALYZE has a commit, too, and other rows.
        let commit = CommitExec::of(&self.plan).filter(|_| self.schema == result_schema());
        let local = commit.map(|commit| commit.directory().to_string());
        local.or_else(|| ClusterExec::in_plan(&self.plan)?.target().map(str::to_string))
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        match ClusterExec::in_plan(&self.plan) {
            Some(remote) => remote.progress(),
            None => Progress::of(&self.plan),
        }
    }

    /// The step of a model that is being fitted, and its round, in words.
    pub(crate) fn rounds(&self) -> Option<String> {
        self.rounds.as_ref().and_then(Rounds::text)
    }

    /// What stands still on the cluster, in words.
    pub(crate) fn stalled(&self) -> Option<String> {
        ClusterExec::in_plan(&self.plan).and_then(ClusterExec::stalled)
    }

    /// The plan in words.
    #[cfg(test)]
    pub(crate) fn plan_text(&self) -> String {
        datafusion::physical_plan::displayable(self.plan.as_ref()).indent(false).to_string()
    }

    /// The next rows; `None` when there are no more, however often it is asked.
    ///
    /// # Errors
    /// What stopped the statement.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        if let Some(batch) = self.rows.recv().await {
            return Some(batch.map_err(Error::from));
        }
        if self.is_over {
            return None;
        }
        let ended = (&mut self.task).await;
        self.is_over = true;
        // A panic in the plan ends the task without a word.
        let panic = ended.err().filter(tokio::task::JoinError::is_panic);
        panic.map(|error| Err(exec_datafusion_err!("internal error: a task panicked: {error}").into()))
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

impl Drop for RunningStatement {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends the rows of a plan until there are no more, or nobody takes them.
async fn give(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>, rows: mpsc::Sender<QueryResult<RecordBatch>>) {
    let explain = |error| Stores::explain(context.session_config(), &plan, error);
    let mut stream = match execute_stream(Arc::clone(&plan), Arc::clone(&context)) {
        Ok(stream) => stream,
        Err(error) => {
            // Nobody listening any more is as good as an answer.
            let _ = rows.send(Err(error)).await;
            return;
        }
    };
    while let Some(batch) = stream.next().await {
        if rows.send(batch.map_err(explain)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;

    #[tokio::test]
    async fn behind_its_end_a_statement_has_no_more_rows_however_often_it_is_asked() {
        let engine = Engine::local(1).expect("an engine");
        for (sql, rows, fails) in [
            ("SELECT 1", 1, false),
            ("SELECT 1 WHERE false", 0, false),
            ("CREATE TABLE t AS SELECT 1 AS n", 0, false),
            ("SET pixmill.batch_bytes = 1000", 0, false),
            ("SELECT arrow_cast('x' || value, 'Int64') FROM generate_series(1, 2)", 0, true),
            ("CREATE TABLE u AS SELECT arrow_cast('x' || value, 'Int64') AS n FROM generate_series(1, 2)", 0, true),
        ] {
            let statement = engine.parse(sql).expect("SQL").remove(0);
            let mut running = engine.start(statement).await.expect("started");
            let (mut seen, mut failed) = (0, false);
            while let Some(batch) = running.next().await {
                match batch {
                    Ok(batch) => seen += batch.num_rows(),
                    Err(_) => failed = true,
                }
            }
            assert_eq!((seen, failed), (rows, fails), "{sql}");
            for _ in 0..3 {
                assert!(running.next().await.is_none(), "{sql}");
            }
        }
    }
}
